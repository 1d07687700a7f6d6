"""What becomes of a submit nobody knows the outcome of, from what the provider tells: a pure decision.

Never a guess: it is taken as made when the provider names it under our id, or when exactly one of its operations fits;
as not made when the provider keeps our ids and has none. The rest is a person's to decide (``vidpoll unknown``).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vidpoll import schedule
from vidpoll.accounts import Account
from vidpoll.generation import Generation
from vidpoll.providers.base import Sent
from vidpoll.providers.outcomes import Absent, Listed, Submitted

#: What a provider tells of a submit when it tells anything.
Told = Submitted | Absent | Listed
#: Seconds until the first look-up; the provider may need a moment until it lists what it took.
FIRST_LOOK_UP_S: Final = 3.0
#: Look-ups until a person is to decide: 3, 6, 12 … seconds apart, about half an hour in all.
MOST_LOOK_UPS: Final = 9
#: Seconds after the call for which a provider that gives no answer is asked again.
UNANSWERED_S: Final = 1800.0
#: Look-ups in a row that found nothing, where the provider keeps our ids, before it is taken as not made.
ABSENT_AFTER: Final = 3
#: Seconds by which the provider's clock may differ from ours.
CLOCKS_DIFFER_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """It was taken, as this operation."""

    operation_name: str


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The provider did not take it: it may be submitted anew."""

    reason: str


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Nothing is certain yet; ``again_in`` seconds, or None when a person is to decide."""

    looked_up: dict[str, Any]
    stage: str
    again_in: float | None


Decision = Found | NotTaken | LookAgain


def sent(account: Account, generation: Generation) -> Sent:
    """What to look for, and between which moments the provider must have made it."""
    began = generation.sent_at or generation.updated_at
    margin = timedelta(seconds=CLOCKS_DIFFER_S)
    ended = began + timedelta(seconds=account.submit_timeout_s)
    if span := span_of(generation):
        began, ended = (datetime.fromisoformat(span[name]) for name in ("since", "until"))
    return Sent(generation.as_sent, generation.id, began - margin, ended + margin)


def decide(generation: Generation, outcome: Told, taken: set[str], *, same_under_way: bool) -> Decision:
    """The decision.

    Args:
        taken: those of the listed operations that other generations have.
        same_under_way: the same request is being submitted elsewhere now, so a new operation may be that one's.
    """
    before = generation.looked_up or {}
    looks = before.get("looks", 0) + 1
    match outcome:
        case Submitted(operation_name):
            return Found(operation_name)
        case Absent() if looks >= ABSENT_AFTER:
            return NotTaken("the provider does not have it")
        case Absent():
            return LookAgain({"looks": looks}, "the provider does not have it yet", _wait(looks))
        case Listed(fitting, cursor):
            found = sorted({*before.get("fitting", ()), *fitting} - taken)
            if cursor:
                return LookAgain({"looks": looks - 1, "fitting": found, "cursor": cursor}, "reading its list", 0.0)
            return _judged(found, looks, same_under_way)


def _judged(found: list[str], looks: int, same_under_way: bool) -> Found | LookAgain:
    """The list was read to its end."""
    looked_up = {"looks": looks, "fitting": found}
    if same_under_way:
        return LookAgain({"looks": looks}, "the same request is being submitted elsewhere", _wait(looks))
    if len(found) == 1:
        return Found(found[0])
    if found:
        return LookAgain(looked_up, f"{len(found)} operations at the provider fit: {', '.join(found)}", None)
    return LookAgain({"looks": looks}, "none of the provider's operations fits", _wait(looks))


def _wait(looks: int) -> float | None:
    """Seconds until the next look-up; None after the last."""
    if looks >= MOST_LOOK_UPS:
        return None
    return schedule.jittered(schedule.growing(FIRST_LOOK_UP_S, 2.0, 600.0, looks), 0.1)


def names_in(generation: Generation, outcome: Told) -> list[str]:
    """Operations that are candidates so far."""
    before = list((generation.looked_up or {}).get("fitting", ()))
    match outcome:
        case Submitted(operation_name):
            return [*before, operation_name]
        case Listed(fitting):
            return [*before, *fitting]
        case Absent():
            return before


def asked_for_long_enough(generation: Generation) -> bool:
    """Whether a person is to decide, since the provider gives no answer."""
    return generation.seconds_since(generation.sent_at) > UNANSWERED_S


def span_of(generation: Generation) -> dict[str, str]:
    """Between which moments one of a restored backup may have been sent: ``since`` and ``until``; else nothing."""
    noted = generation.looked_up or {}
    return {name: noted[name] for name in ("since", "until") if name in noted}


def cursor_of(generation: Generation) -> str | None:
    """Where reading the provider's list is to go on; from its beginning when going on there has failed."""
    return None if generation.failures_in_a_row > 1 else (generation.looked_up or {}).get("cursor")
