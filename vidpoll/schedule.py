"""When to look next: pure arithmetic, seconds in, seconds out.

A schedule answers how long to wait before the next check, from how many checks were already made.
It knows no clock, no lane and no provider; the lane decides whether the call may be made then.
"""

import random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PositiveFloat, PositiveInt, Tag

#: Backoff after a check that could not be made (network, 5xx): first wait and longest wait, seconds.
FAILURE_FIRST_S = 1.0
FAILURE_CAP_S = 60.0
#: How much slower an overdue generation is looked at.
OVERDUE_FACTOR = 2.0
#: Longest wait between two looks at a generation that timed out, seconds.
LATE_CAP_S = 3600.0


class Geometric(BaseModel):
    """Each wait is ``factor`` times the one before, up to ``cap_s``.

    Good when durations are unknown. Its weakness: it looks often while nothing can be ready, and rarely when
    most are; prefer :class:`Tiers` where the usual duration is known.

    Example:
        >>> [Geometric(jitter=0).countdown(checks) for checks in range(4)]
        [1.0, 1.5, 2.25, 3.375]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["geometric"] = "geometric"
    first_s: PositiveFloat = 1.0
    factor: float = Field(default=1.5, ge=1.0)
    cap_s: PositiveFloat = 60.0
    jitter: float = Field(default=0.1, ge=0.0, le=1.0)

    def countdown(self, checks: int) -> float:
        """Seconds to wait before check number ``checks + 1``."""
        return jittered(growing(self.first_s, self.factor, self.cap_s, checks), self.jitter)


class Tiers(BaseModel):
    """A list of ``(times, seconds)``: look ``times`` times every ``seconds``, then the next tier, then ``then_s`` on.

    Example:
        >>> tiers = Tiers(tiers=[(2, 1), (1, 5)], then_s=10, jitter=0)
        >>> [tiers.countdown(checks) for checks in range(5)]
        [1.0, 1.0, 5.0, 10.0, 10.0]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["tiers"] = "tiers"
    tiers: tuple[tuple[PositiveInt, PositiveFloat], ...]
    then_s: PositiveFloat
    jitter: float = Field(default=0.1, ge=0.0, le=1.0)

    def countdown(self, checks: int) -> float:
        """Seconds to wait before check number ``checks + 1``."""
        for times, seconds in self.tiers:
            if checks < times:
                return jittered(float(seconds), self.jitter)
            checks -= times
        return jittered(self.then_s, self.jitter)


def _kind(value: object) -> str:
    """Tell the two apart by what is written, so that ``kind`` may be left out of the providers file."""
    if isinstance(value, dict):
        return str(value.get("kind", "tiers" if "tiers" in value else "geometric"))
    return str(getattr(value, "kind", "geometric"))


Schedule = Annotated[
    Annotated[Geometric, Tag("geometric")] | Annotated[Tiers, Tag("tiers")],
    Discriminator(_kind),
]


def backoff(failures: int) -> float:
    """Seconds to wait after the ``failures``-th failed try in a row: 1, 2, 4 … 60, ±20 %."""
    return jittered(growing(FAILURE_FIRST_S, 2.0, FAILURE_CAP_S, failures - 1), 0.2)


def overdue(countdown: float) -> float:
    """Seconds to wait instead of ``countdown`` once it is past its expected time: nobody knows when it will be done."""
    return OVERDUE_FACTOR * countdown


def late(timeout_s: float, past_s: float) -> float:
    """Seconds until the next look at a generation whose deadline is ``past_s`` ago: half of that, ±10 %.

    At least a tenth of its timeout, at most an hour, so the number of looks grows with the logarithm of the time.

    Example:
        >>> 45 < late(timeout_s=600, past_s=0) < 75 and 3000 < late(timeout_s=600, past_s=80_000) < 4200
        True
    """
    return jittered(min(max(past_s / 2, timeout_s / 10), LATE_CAP_S), 0.1)


def growing(first: float, factor: float, cap: float, steps: int) -> float:
    """``first · factor**steps``, at most ``cap``; no overflow however many steps.

    Example:
        >>> growing(1.0, 2.0, 60.0, 5), growing(1.0, 2.0, 60.0, 100_000)
        (32.0, 60.0)
    """
    wait = first
    for _ in range(steps if factor > 1 else 0):
        if wait >= cap:
            break
        wait *= factor
    return min(wait, cap)


def jittered(seconds: float, jitter: float) -> float:
    """``seconds`` moved by up to ``±jitter`` of itself, so that a bulk submit does not come back as one wave."""
    return seconds * random.uniform(1 - jitter, 1 + jitter) if jitter else seconds
