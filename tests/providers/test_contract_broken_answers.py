"""Part of the contract suite: answers that are none, over real HTTP. Adapters say what was wrong, and end nothing."""

import time
import tracemalloc
from collections.abc import Iterator
from itertools import product

import pytest

from tests.providers.gateway import Gateway
from tests.providers.subject import Subject
from vidpoll.catalogue import catalogue
from vidpoll.providers import http
from vidpoll.providers.base import Operation
from vidpoll.providers.outcomes import Ambiguous, FailureClass, Ready, Unreachable

BROKEN = {
    "status_500": {FailureClass.SERVER_ERROR},
    "status_html": {FailureClass.SERVER_ERROR},
    "status_cut": {FailureClass.NETWORK},
    "status_html_200": {FailureClass.UNREADABLE},
    "status_empty": {FailureClass.UNREADABLE},
    "status_truncated": {FailureClass.NETWORK, FailureClass.UNREADABLE},
    "status_huge": {FailureClass.TOO_LARGE},
    # JSON of another shape, where the vendor has no word for the state.
    "status_unknown_word": {FailureClass.UNKNOWN_STATUS, FailureClass.UNREADABLE},
}
DRIPS = ["status_drip", "status_drip_headers"]
HTML = "<html><body><h1>Bad Gateway</h1></body></html>"


@pytest.fixture
def operation(subject: Subject) -> Operation:
    return subject.submitted()


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("fault", BROKEN)
def test_a_check_without_a_usable_answer_says_what_was_wrong_and_the_next_one_is_read(
    subject: Subject, operation: Operation, fault: str
):
    setattr(subject.world.faults, fault, 1)
    assert _class(subject.check(operation)) in BROKEN[fault]

    setattr(subject.world.faults, fault, 0)
    assert isinstance(subject.check(operation), Ready)


def test_an_error_of_a_gateway_says_nothing_of_the_operation(subject: Subject, operation: Operation, gateway: Gateway):
    behind = subject.again(url=gateway.url)

    for status, body in product((400, 405, 409, 410, 418, 422, 500, 502, 503, 504), ("", "{}", "[]", HTML)):
        gateway.says(body, status)
        assert isinstance(behind.check(operation), Unreachable), (status, body)


def test_a_submit_without_a_usable_answer_is_ambiguous(subject: Subject, gateway: Gateway):
    behind = subject.again(url=gateway.url)

    for status, body in product((200, 202, 302, 408, 500, 502, 503), ("", "{}", "[]", HTML, '{"id": ')):
        gateway.says(body, status)
        assert isinstance(behind.submit(), Ambiguous), (status, body)
        assert len(gateway.calls) == 1


def test_an_endless_answer_to_a_submit_is_ambiguous(subject: Subject, gateway: Gateway):
    gateway.says("x" * (http.BODY_LIMIT + 1))

    assert isinstance(subject.again(url=gateway.url).submit(), Ambiguous)


@pytest.mark.parametrize("fault", DRIPS)
def test_an_answer_that_drips_ends_at_its_deadline(
    subject: Subject, operation: Operation, monkeypatch: pytest.MonkeyPatch, fault: str
):
    monkeypatch.setattr(http, "CHECK_DEADLINE_S", 0.2)
    setattr(subject.world.faults, fault, 1)

    began = time.monotonic()

    assert _class(subject.check(operation)) is FailureClass.TOO_SLOW
    assert time.monotonic() - began < 5


# -- of the calls that all adapters make alike, so with one of them ----------------------------------------------------

one = pytest.mark.parametrize("subject", [next(iter(catalogue()))], indirect=True)


@pytest.mark.parametrize("fault", ["status_huge", "status_bomb"])
@one
def test_an_answer_too_large_is_given_up_early(subject: Subject, operation: Operation, traced: None, fault: str):
    setattr(subject.world.faults, fault, 1)

    assert _class(subject.check(operation)) is FailureClass.TOO_LARGE
    assert tracemalloc.get_traced_memory()[1] < 4 * http.BODY_LIMIT


@one
def test_a_submit_slower_than_its_timeout_is_ambiguous(subject: Subject):
    subject.world.faults.submit_delay_s = 60

    assert isinstance(subject.again(submit_timeout_s=1).submit(), Ambiguous)
    assert (subject.world.report()["submit_calls"], subject.world.report()["charged"]) == (1, 1)


def _class(outcome: object) -> FailureClass:
    assert isinstance(outcome, Unreachable), outcome
    return outcome.failure_class
