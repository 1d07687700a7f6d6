"""Part of the contract suite: what every adapter makes of a cancel."""

import pytest

from tests.providers.subject import Subject, pass_by, those_that
from vidpoll.providers.base import Operation
from vidpoll.providers.outcomes import (
    CancelAccepted,
    Cancelled,
    CannotCancel,
    FailureClass,
    More,
    NotFound,
    Pending,
    Ready,
    Unauthorized,
    Unreachable,
)

CANCELS = those_that(lambda can: can.cancel)
cancels = pytest.mark.parametrize("subject", CANCELS, indirect=True)


@pytest.mark.parametrize("subject", those_that(lambda can: not can.cancel), indirect=True)
def test_a_cancel_the_vendor_does_not_have_is_refused_without_a_call(subject: Subject):
    assert isinstance(subject.cancel(subject.submitted()), CannotCancel)
    assert subject.world.report()["status_calls"] == 0


@pytest.mark.parametrize("queue_s", [0, 300])
@cancels
def test_what_waits_or_runs_is_cancelled_and_stays_charged(subject: Subject, queue_s: float):
    subject.world.durations.median_s, subject.world.durations.queue_s = 1000, queue_s
    operation = subject.submitted()

    assert isinstance(subject.cancel(operation), Cancelled | CancelAccepted)
    assert isinstance(subject.check(operation), Cancelled | NotFound)
    assert isinstance(subject.cancel(operation), Cancelled | CannotCancel)
    assert (subject.world.report()["cancelled"], subject.world.report()["charged"]) == (1, 1)


@cancels
def test_a_cancel_is_one_call_and_one_more_where_it_says_so(subject: Subject):
    subject.world.durations.median_s = 1000

    outcome = subject.provider.cancel(subject.submitted())
    assert subject.world.report()["status_calls"] == 1

    if isinstance(outcome, More):
        assert not isinstance(outcome.call(), More)
        assert subject.world.report()["status_calls"] == 2


@cancels
def test_a_cancel_that_comes_too_late_changes_nothing(subject: Subject):
    operation = subject.submitted()
    ready = subject.check(operation)

    assert isinstance(subject.cancel(operation), CannotCancel)
    assert isinstance(ready, Ready)
    assert subject.check(operation) == ready
    assert subject.world.report()["cancelled"] == 0


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("cancel_refused", CannotCancel),
        ("cancel_500", Unreachable),
        ("cancel_ignored", Cancelled | CancelAccepted),
        ("status_unauthorized", Unauthorized),
    ],
)
@cancels
def test_what_is_not_cancelled_goes_on_and_is_ready_in_the_end(subject: Subject, fault: str, outcome: type):
    subject.world.durations.median_s = 1000
    operation = subject.submitted()
    setattr(subject.world.faults, fault, 1)

    assert isinstance(subject.cancel(operation), outcome)
    setattr(subject.world.faults, fault, 0)
    assert isinstance(subject.check(operation), Pending)
    pass_by(subject.world, 2000)
    assert isinstance(subject.check(operation), Ready)


@cancels
def test_what_nobody_knows_cannot_be_cancelled(subject: Subject):
    assert isinstance(subject.cancel(Operation(subject.submitted().name + "x")), CannotCancel)


@pytest.mark.parametrize(
    "fault", ["status_500", "status_html", "status_cut", "status_html_200", "status_empty", "status_truncated"]
)
@cancels
def test_a_cancel_without_a_usable_answer_says_so(subject: Subject, fault: str):
    subject.world.durations.median_s = 1000
    operation = subject.submitted()
    setattr(subject.world.faults, fault, 1)

    unreachable = subject.cancel(operation)

    assert isinstance(unreachable, Unreachable)
    assert unreachable.failure_class is not FailureClass.BROKEN
