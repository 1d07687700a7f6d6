"""What headers tell of the calls an account has left, before one is refused.

======================================  =======================================================================
``RateLimit: "default";r=0;t=5``        draft-ietf-httpapi-ratelimit-headers, from its version 08 on; a list of policies
``RateLimit: remaining=0, reset=5``     its version 07
``RateLimit-Remaining``, ``-Reset``     its versions up to 06
``x-ratelimit-remaining``, ``-reset``   gateways; with ``-requests`` behind both, as OpenAI names them
======================================  =======================================================================

A reset is told in seconds, as a duration (``1s``, ``6m0s``, ``20ms``), or as Unix time in seconds or milliseconds.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, Literal

Verb = Literal["submit", "status"]
#: Longest wait for new calls that is believed, in seconds: the cap of ``Retry-After``.
RESET_CAP_S: Final = 300.0
#: Numbers from here on are Unix time: in seconds, in milliseconds.
_UNIX_S: Final = 1e9
_UNIX_MS: Final = 1e11
#: Longest header that is read, in characters.
_HEADER_LIMIT: Final = 1000
_PAIRS: Final = [
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
]
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_PARAMETER: Final = re.compile(r"(\w+)=([^\s;,]+)", re.ASCII)
_DURATION: Final = re.compile(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?(?:([\d.]+)ms)?", re.ASCII)
_UNITS_S: Final = (3600.0, 60.0, 1.0, 0.001)


def spent_for(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until there are calls again, where headers (names in lower case) say that none remain; else None.

    The longest, where several quotas are used up; five minutes at most. ``now`` is the provider's, for Unix time.

    Example:
        >>> from datetime import UTC
        >>> now = datetime(2026, 11, 21, tzinfo=UTC)
        >>> spent_for({"ratelimit": '"burst";r=3;t=1, "day";r=0;t=40'}, now)
        40.0
        >>> spent_for({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m0.5s"}, now)
        60.5
        >>> spent_for({"ratelimit-remaining": "1", "ratelimit-reset": "9"}, now)
    """
    resets = [_seconds(reset, now) for remaining, reset in _told(headers) if _is_nothing(remaining)]
    longest = max((seconds for seconds in resets if seconds is not None), default=0.0)
    return min(longest, RESET_CAP_S) if longest > 0 else None


class Spent:
    """Until when an account has no calls left, by verb, as its answers told. Used from many threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: dict[Verb, float] = {}
        self._lock = threading.Lock()

    def note(self, verb: Verb, seconds: float | None) -> None:
        """What an answer told, see :func:`spent_for`. Of several the longest holds, as answers overtake one another."""
        if seconds is not None:
            with self._lock:
                self._until[verb] = max(self._until.get(verb, 0.0), self._monotonic() + seconds)

    def take(self, verb: Verb) -> float | None:
        """Seconds until there are calls again; None when nothing was told since this was asked last."""
        with self._lock:
            until = self._until.pop(verb, 0.0)
        seconds = until - self._monotonic()
        return seconds if until and seconds > 0 else None


def _told(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What remains and when that changes, of every quota."""
    for remaining, reset in _PAIRS:
        if remaining in headers and reset in headers:
            yield headers[remaining], headers[reset]
    structured = _STRING.sub("", headers.get("ratelimit", "")[:_HEADER_LIMIT])
    for policy in [structured] if "remaining=" in structured else structured.split(","):
        told: dict[str, str] = dict(_PARAMETER.findall(policy))
        yield told.get("r", told.get("remaining", "")), told.get("t", told.get("reset", ""))


def _is_nothing(remaining: str) -> bool:
    """Whether no call is left; a negative number is how some gateways write "unlimited"."""
    number = _number(remaining)
    return number is not None and 0 <= number < 1


def _seconds(reset: str, now: datetime) -> float | None:
    reset = reset.strip()[:_HEADER_LIMIT]
    duration = _DURATION.fullmatch(reset)
    if duration and reset:
        parts = [_number(part or "0") for part in duration.groups()]
        return sum(part * unit for part, unit in zip(parts, _UNITS_S, strict=True) if part is not None)
    number = _number(reset)
    if number is None or number < _UNIX_S:
        return number
    return number / (1000 if number >= _UNIX_MS else 1) - now.timestamp()


def _number(written: str) -> float | None:
    try:
        number = float(written)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
