"""When to try again to copy a file, and when to give up. Pure: seconds in, seconds out."""

from typing import Final

from vidpoll.archive.outcomes import Gone, Trouble, Unfit
from vidpoll.generation import Failure
from vidpoll.schedule import backoff, jittered

#: Failures after which a file is tried every ten minutes only.
OFTEN: Final = 60
RARELY_S: Final = 600.0
#: Failures after which something that is no video and no image, a URL that is not given, and what does not come in
#: time are given up: each of the last holds a place for as long as an attempt may take.
MOST_REFUSALS: Final = 6
#: Failures that are granted to a file whose time at its provider is up.
MOST_LATE: Final = 3
#: Seconds for which a file is tried of which nobody knows how long its provider keeps it.
UNTOLD_S: Final = 24 * 3600.0
#: Seconds before a file's time at its provider is up at which it is tried once more.
LAST_S: Final = 10.0


def again_s(failures: int, live_s: float | None, *, asked_s: float | None = None) -> float:
    """Seconds until the next try after the ``failures``-th: 1, 2, 4 … 60, and once more before its time is up.

    Args:
        live_s: seconds until its provider deletes it; None where nobody tells.
        asked_s: seconds its server asked to wait.

    Example:
        >>> 12 < again_s(5, None) < 20, again_s(7, 25.0)
        (True, 15.0)
    """
    wait = backoff(failures) if failures < OFTEN else jittered(RARELY_S, 0.1)
    wait = max(wait, asked_s or 0.0)
    if live_s is not None and live_s - LAST_S > 1.0:
        return min(wait, live_s - LAST_S)
    return wait


def given_up(
    outcome: Gone | Trouble | Unfit, failures: int, *, live_s: float | None, age_s: float, renewable: bool
) -> Failure | None:
    """Why this is the last try, after so many failures; None while it is worth another.

    Args:
        age_s: seconds since it was to be copied first.
        renewable: its provider may yet tell a fresh URL.
    """
    late = live_s <= 0 if live_s is not None else age_s > UNTOLD_S
    match outcome:
        case Unfit(code, message):
            return Failure(code, message)
        case Gone(status) if not renewable or failures >= MOST_REFUSALS:
            return Failure("gone", f"its server does not give it (HTTP {status}), and its provider has no other URL")
        case Trouble(code, message) if late and failures >= MOST_LATE:
            return Failure(code, f"{message}; its provider keeps it no longer", retryable=True)
        case Trouble("no_media" | "too_slow" as code, message) if failures >= MOST_REFUSALS:
            return Failure(code, message, retryable=True)
        case _:
            return None


def failure(outcome: Gone | Trouble | Unfit) -> Failure:
    """What a try ended in that is not the last."""
    match outcome:
        case Gone(status):
            return Failure("gone", f"its server does not give it: HTTP {status}", retryable=True)
        case Trouble(code, message) | Unfit(code, message):
            return Failure(code, message, retryable=True)
