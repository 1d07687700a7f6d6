"""Bodies that are no answer, over real HTTP: every adapter says what was wrong, and neither waits nor reads for ever."""

import time
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.providers.subject import Subject, sent
from vidpoll.providers import http
from vidpoll.providers.base import FailureClass, Operation, Unreachable

BROKEN = {
    "status_500": {FailureClass.SERVER_ERROR},
    "status_html": {FailureClass.SERVER_ERROR},
    "status_cut": {FailureClass.NETWORK},
    "status_html_200": {FailureClass.UNREADABLE},
    "status_empty": {FailureClass.UNREADABLE},
    "status_truncated": {FailureClass.NETWORK, FailureClass.UNREADABLE},
}
DRIPS = ["status_drip", "status_drip_headers"]
LOOKS_UP = ["runware", "replicate"]


@pytest.fixture
def operation(subject: Subject) -> Operation:
    return subject.submitted()


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("fault", BROKEN)
def test_a_check_without_a_usable_answer_says_what_was_wrong(subject: Subject, operation: Operation, fault: str):
    setattr(subject.world.faults, fault, 1)

    assert _class(subject.check(operation)) in BROKEN[fault]


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("subject", LOOKS_UP, indirect=True)
def test_a_look_up_without_a_usable_answer_says_what_was_wrong(subject: Subject, operation: Operation, fault: str):
    setattr(subject.world.faults, fault, 1)

    assert _class(subject.provider.look_up(sent(subject.request()), None)) in BROKEN[fault]


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("subject", ["replicate"], indirect=True)
def test_a_cancel_without_a_usable_answer_says_what_was_wrong(subject: Subject, operation: Operation, fault: str):
    setattr(subject.world.faults, fault, 1)

    assert _class(subject.provider.cancel(operation)) in BROKEN[fault]
    assert subject.world.report()["cancelled"] == 0


@pytest.mark.parametrize("subject", ["runware", "replicate"], indirect=True)
def test_a_status_word_nobody_knows_is_told_as_one(subject: Subject, operation: Operation):
    subject.world.faults.status_unknown_word = 1

    unreachable = subject.check(operation)

    assert _class(unreachable) is FailureClass.UNKNOWN_STATUS
    assert "daydreaming" in unreachable.reason


@pytest.mark.parametrize("subject", ["vertex", "gemini"], indirect=True)
def test_json_of_another_shape_is_unreadable(subject: Subject, operation: Operation):
    subject.world.faults.status_unknown_word = 1

    assert _class(subject.check(operation)) is FailureClass.UNREADABLE


@pytest.mark.parametrize("fault", ["status_huge", "status_bomb"])
def test_an_answer_too_large_is_given_up_early(subject: Subject, operation: Operation, traced: None, fault: str):
    setattr(subject.world.faults, fault, 1)

    assert _class(subject.check(operation)) is FailureClass.TOO_LARGE
    assert tracemalloc.get_traced_memory()[1] < 4 * http.BODY_LIMIT


@pytest.mark.parametrize("fault", DRIPS)
def test_an_answer_that_drips_ends_at_its_deadline(
    subject: Subject, operation: Operation, monkeypatch: pytest.MonkeyPatch, fault: str
):
    monkeypatch.setattr(http, "CHECK_DEADLINE_S", 1.0)
    setattr(subject.world.faults, fault, 1)

    began = time.monotonic()

    assert _class(subject.check(operation)) is FailureClass.TOO_SLOW
    assert time.monotonic() - began < 5


def test_after_a_broken_answer_the_next_one_is_read(subject: Subject, operation: Operation):
    for fault in [*BROKEN, "status_huge"]:
        setattr(subject.world.faults, fault, 1)
        assert isinstance(subject.check(operation), Unreachable), fault
        setattr(subject.world.faults, fault, 0)
        assert not isinstance(subject.check(operation), Unreachable), fault


def _class(outcome: object) -> FailureClass:
    assert isinstance(outcome, Unreachable), outcome
    return outcome.failure_class
