from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from vidpoll import looks
from vidpoll.accounts import ModelPolicy
from vidpoll.generation import Generation, Status
from vidpoll.providers.outcomes import FailureClass, Pending, Unreachable

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def _due_in(seconds: float) -> Generation:
    """One that the provider works on, whose deadline is so far away."""
    return Generation(
        uuid4(), "alice", "veo", "m", "a lion", Status.PROCESSING, NOW, NOW, NOW,
        submitted_at=NOW, deadline_at=NOW + timedelta(seconds=seconds),
    )  # fmt: skip


@pytest.mark.parametrize(("deadline_s", "waits_s"), [(30, 30), (90, 60)])
def test_the_last_look_is_at_the_deadline_however_long_the_schedule_would_wait(deadline_s: float, waits_s: float):
    assert looks.still_pending(ModelPolicy(), _due_in(deadline_s), Pending(), countdown=60).countdown == waits_s


def test_a_pause_of_the_lane_does_not_put_the_last_look_behind_the_deadline():
    unreachable = Unreachable("silent", FailureClass.NETWORK)

    assert looks.unanswered(ModelPolicy(), _due_in(30), unreachable, pause=600).countdown == 30
