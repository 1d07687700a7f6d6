"""Part of the contract suite: a submit whose answer was lost is sent again under our id, or looked up at the vendor."""

import pytest

from tests.providers.subject import Subject, sent, those_that
from vidpoll.providers.base import Operation
from vidpoll.providers.outcomes import (
    Absent,
    Ambiguous,
    FailureClass,
    Listed,
    RateLimited,
    Ready,
    Submitted,
    Unauthorized,
    Unreachable,
)

looks_up = pytest.mark.parametrize("subject", those_that(lambda can: can.look_up), indirect=True)


@pytest.mark.parametrize("subject", those_that(lambda can: can.client_supplied_id), indirect=True)
def test_a_submit_under_our_id_may_be_sent_again_and_is_charged_once(subject: Subject):
    request = subject.request()
    subject.world.faults.submit_cut_after = 1
    assert isinstance(subject.submit(request), Ambiguous)
    subject.world.faults.submit_cut_after = 0

    again = subject.submit(request, replay=True)

    assert isinstance(again, Submitted)
    assert isinstance(subject.check(Operation(again.operation_name, request.params)), Ready)
    assert subject.paid == (2, 1)


@pytest.mark.parametrize("subject", those_that(lambda can: not can.look_up), indirect=True)
def test_a_vendor_that_cannot_be_asked_is_not_asked(subject: Subject):
    assert isinstance(subject.provider.look_up(sent(subject.request()), None), Unreachable)
    assert subject.world.report()["status_calls"] == 0


@looks_up
def test_a_submit_that_was_taken_is_found_with_one_call(subject: Subject):
    request = subject.request()
    subject.submitted(prompt="another lion")
    subject.world.faults.submit_cut_after = 1
    assert isinstance(subject.submit(request), Ambiguous)
    subject.world.faults.submit_cut_after = 0

    found = subject.provider.look_up(sent(request), None)
    assert subject.world.report()["status_calls"] == 1

    names = found.fitting if isinstance(found, Listed) else (found.operation_name,)
    assert len(names) == 1
    assert isinstance(subject.check(Operation(names[0], request.params)), Ready)


@looks_up
def test_a_submit_that_was_not_taken_is_not_found(subject: Subject):
    request = subject.request(prompt="never seen")
    subject.submitted()
    subject.world.faults.submit_cut_before = 1
    assert isinstance(subject.submit(request), Ambiguous)

    assert subject.provider.look_up(sent(request), None) in (Absent(), Listed(()))


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("lookup_500", Unreachable), ("status_429", RateLimited), ("status_unauthorized", Unauthorized)],
)
@looks_up
def test_a_refusal_says_nothing_of_the_submit(subject: Subject, fault: str, outcome: type):
    setattr(subject.world.faults, fault, 1)

    assert isinstance(subject.provider.look_up(sent(subject.request()), None), outcome)


@pytest.mark.parametrize(
    "fault", ["status_500", "status_html", "status_cut", "status_html_200", "status_empty", "status_truncated"]
)
@looks_up
def test_a_look_up_without_a_usable_answer_says_so(subject: Subject, fault: str):
    setattr(subject.world.faults, fault, 1)

    unreachable = subject.provider.look_up(sent(subject.request()), None)

    assert isinstance(unreachable, Unreachable)
    assert unreachable.failure_class is not FailureClass.BROKEN
