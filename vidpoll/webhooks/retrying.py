"""When a delivery is tried again, and when an endpoint that is down is: pure arithmetic.

A delivery has a schedule of its own. An endpoint that failed several times in a row is *down*: then it gets one try at
a time, a probe, at moments of its own, and the first that is answered well sends everything that waits. A probe made
before a delivery's own moment is none of the tries of its schedule, so an outage uses up no schedule early.

Source: Standard Webhooks, "Deliverability and reliability" (the schedule).
"""

import random
from collections.abc import Callable
from typing import Final

_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0
#: Seconds from a try that failed to the next: the specification's schedule, whose first try is made at once.
SCHEDULE_S: Final = (
    5.0, 5 * _MINUTE_S, 30 * _MINUTE_S,
    2 * _HOUR_S, 5 * _HOUR_S, 10 * _HOUR_S, 14 * _HOUR_S, 20 * _HOUR_S, 24 * _HOUR_S,
)  # fmt: skip
#: By which share a wait may be longer, at random: what failed together is not to come back together.
JITTER: Final = 0.1
#: Tries that fail in a row until an endpoint counts as down; less could be the fault of one delivery.
DOWN_AFTER: Final = 3
#: Seconds between two probes of an endpoint that is down: at first, and from the last of them on.
PROBES_S: Final = (5.0, 30.0, _MINUTE_S, 2 * _MINUTE_S, 5 * _MINUTE_S)
#: Seconds an endpoint may ask us to wait with Retry-After.
LONGEST_WAIT_S: Final = _HOUR_S
#: Seconds for which everything fails until an endpoint is disabled; longer than a delivery's schedule.
GIVE_UP_S: Final = 5 * 24 * _HOUR_S

Dice = Callable[[], float]


def again_s(failed: int, dice: Dice = random.random) -> float | None:
    """Seconds until a delivery is tried again that failed so many times; None when that was the last.

    Example:
        >>> [again_s(failed, dice=lambda: 0.0) for failed in (1, 2, 9, 10)]
        [5.0, 300.0, 86400.0, None]
    """
    if failed > len(SCHEDULE_S):
        return None
    return SCHEDULE_S[failed - 1] * (1 + JITTER * dice())


def is_down(failures_in_a_row: int) -> bool:
    """Whether an endpoint is to be probed only."""
    return failures_in_a_row >= DOWN_AFTER


def rest_s(failures_in_a_row: int, asked_s: float | None = None, dice: Dice = random.random) -> float | None:
    """Seconds for which nothing is sent to an endpoint after so many failures; None when it is not to rest.

    ``asked_s`` is what it asked for with Retry-After.

    Example:
        >>> rest_s(1), rest_s(3, dice=lambda: 0.0), rest_s(99, dice=lambda: 0.0), rest_s(1, asked_s=120)
        (None, 5.0, 300.0, 120)
    """
    asked_s = None if asked_s is None else min(asked_s, LONGEST_WAIT_S)
    if not is_down(failures_in_a_row):
        return asked_s
    place = min(failures_in_a_row - DOWN_AFTER, len(PROBES_S) - 1)
    return max(PROBES_S[place] * (1 + JITTER * dice()), asked_s or 0.0)
