"""What a look that ended nothing leaves behind: pure functions from what was seen to when to look again."""

from typing import Final

from vidpoll import schedule
from vidpoll.accounts import ModelPolicy
from vidpoll.generation import Generation
from vidpoll.providers.outcomes import FailureClass, NotFound, Pending, RateLimited, Unauthorized, Unreachable
from vidpoll.store import Checked

#: Looks in a row at which the provider must not have known an operation before it is lost.
LOST_AFTER: Final = 5
#: Seconds past its deadline for which a generation of an account that may not call is still expected.
REFUSED_GRACE_S: Final = 3600.0

Unanswered = NotFound | RateLimited | Unauthorized | Unreachable


def still_pending(policy: ModelPolicy, generation: Generation, seen: Pending, countdown: float) -> Checked:
    """The provider is at it: look again after the ``countdown`` of the model's schedule."""
    progress = max(generation.progress, min(100, seen.progress or 0))
    return _again(policy, generation, countdown, progress, seen.stage)


def unanswered(policy: ModelPolicy, generation: Generation, seen: Unanswered, pause: float | None = None) -> Checked:
    """The look told nothing: again after the lane's ``pause``, or else by the backoff of the model's schedule."""
    failure_class, words = classified(seen, pause)
    failed = policy.schedule.failed(schedule.Look(generation.checks), generation.failures_in_a_row + 1)
    countdown = failed if pause is None else pause
    return _again(policy, generation, countdown, generation.progress, words, failure_class)


def classified(seen: Unanswered, pause: float | None = None) -> tuple[FailureClass, str]:
    """The class under which it is counted, and its words."""
    match seen:
        case RateLimited():
            return FailureClass.RATE_LIMITED, f"the provider asks to wait {pause or 0:.0f} s"
        case Unauthorized(reason):
            return FailureClass.UNAUTHORIZED, f"the account is refused: {reason}"
        case NotFound(reason):
            return FailureClass.NOT_FOUND, f"not found: {reason}"
        case Unreachable(reason, failure_class):
            return failure_class, reason


def lost(policy: ModelPolicy, generation: Generation) -> bool:
    """Whether one more "not found" is the end: it was said often enough, for longer than a young one may need."""
    said_for_s = generation.seconds_since(generation.not_found_since)
    return generation.not_found_in_a_row + 1 >= LOST_AFTER and said_for_s >= policy.not_found_grace_s


def out_of_time(generation: Generation, seen: Pending | Unanswered) -> bool:
    """Whether its deadline has passed; an account that is refused or slowed down costs its generations nothing yet."""
    grace = REFUSED_GRACE_S if isinstance(seen, RateLimited | Unauthorized) else 0.0
    return generation.past(generation.deadline_at) and generation.seconds_since(generation.deadline_at) >= grace


def _again(
    policy: ModelPolicy,
    generation: Generation,
    countdown: float,
    progress: int,
    stage: str,
    failure_class: FailureClass | None = None,
) -> Checked:
    failure = failure_class.value if failure_class else None
    pending_at = None if failure_class else generation.read_at
    if generation.timed_out:
        countdown = max(countdown, schedule.late(policy.timeout_s, generation.seconds_since(generation.deadline_at)))
        return Checked(generation.id, countdown, progress, stage, failure=failure, pending_at=pending_at)
    if not generation.past(generation.deadline_at):
        countdown = min(countdown, generation.seconds_until(generation.deadline_at))
    overdue = generation.past(generation.expected_at)
    event = _event(generation, progress, stage, overdue)
    return Checked(generation.id, countdown, progress, stage, overdue, failure, event, pending_at)


def _event(generation: Generation, progress: int, stage: str, overdue: bool) -> str | None:
    if overdue and not generation.overdue:
        return "overdue"
    return "progress" if (progress, stage) != (generation.progress, generation.stage) else None
