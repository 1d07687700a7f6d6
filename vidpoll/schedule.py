"""When to look next: pure arithmetic, seconds in, seconds out.

A schedule answers how long to wait before the next check, from what is known of a generation (:class:`Look`). It knows
no clock, no lane and no provider; the lane decides whether the call may be made then.
"""

import math
import random
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, PositiveFloat, PositiveInt, Tag

from vidpoll.durations import Durations
from vidpoll.plan import planned

#: Backoff after a check that could not be made (network, 5xx): first wait and longest wait, seconds.
FAILURE_FIRST_S: Final = 1.0
FAILURE_CAP_S: Final = 60.0
#: How much slower an overdue generation is looked at by a schedule that knows no durations.
OVERDUE_FACTOR: Final = 2.0
#: Longest wait between two looks at a generation that timed out, seconds.
LATE_CAP_S: Final = 3600.0
#: What a schedule goes by while nothing is known of a model.
ANY_DURATION: Final = Durations.lognormal(median_s=75, sigma=1.0)


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long a generation is likely to take.

    Attributes:
        total: from the paid call to the end.
        run: from the moment the provider began it, where the provider tells that moment; else the same as ``total``.
    """

    total: Durations = ANY_DURATION
    run: Durations = ANY_DURATION


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a generation when its next look is planned.

    Attributes:
        checks: looks made that told something.
        age_s: seconds since the paid call.
        forecast: how long it is likely to take.
        priority: 0 to 9; a second of waiting weighs ``1 + priority`` times as much.
        overdue: whether it is past its expected time.
        queued: whether the provider said that it has not begun.
        running_s: seconds since it began, where the provider tells.
        not_before_s: seconds for which the provider wants no look at it.
        pressure: how many times its usual price a check costs, because more is due than the lane has tokens for.
        longest_s: longest interval under that pressure; None when there is none.
    """

    checks: int = 0
    age_s: float = 0.0
    forecast: Forecast = field(default_factory=Forecast)
    priority: int = 0
    overdue: bool = False
    queued: bool = False
    running_s: float | None = None
    not_before_s: float = 0.0
    pressure: float = 1.0
    longest_s: float | None = None


class _Schedule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    jitter: float = Field(default=0.1, ge=0.0, le=1.0)

    def failed(self, look: Look, failures: int) -> float:
        """Seconds until the next try after ``failures`` failed ones in a row."""
        return backoff(failures)


class Adaptive(_Schedule):
    """Looks when a look is worth it: rarely while nothing can be ready, densely where most are done.

    The interval is proportional to 1/√hazard of the model's learned durations, see :mod:`vidpoll.plan`; the default.

    Attributes:
        price_s: how many seconds of waiting one check is worth. Less means more calls and videos seen sooner: a
            quarter of it doubles the looks and halves the delay.
        floor_s: shortest interval in seconds.
        ceiling_s: longest interval in seconds, unless the lane has too few tokens for it.

    Example:
        >>> adaptive, veo = Adaptive(jitter=0), Durations.lognormal(64, 0.5)
        >>> intervals = [adaptive.interval(Look(age_s=age, forecast=Forecast(veo, veo))) for age in (0, 60, 200)]
        >>> [round(interval) for interval in intervals]
        [31, 6, 5]
    """

    kind: Literal["adaptive"] = "adaptive"
    price_s: PositiveFloat = 0.4
    floor_s: PositiveFloat = 1.0
    ceiling_s: PositiveFloat = 120.0
    jitter: float = Field(default=0.05, ge=0.0, le=1.0)

    def interval(self, look: Look) -> float:
        """Seconds until the next look, before jitter."""
        forecast = look.forecast
        if look.running_s is not None:
            return self._planned(forecast.run, look.running_s, look)
        if look.queued:
            # It takes a run at least from now on; the quickest one in a hundred says how short that can be.
            return max(
                self._planned(forecast.total, look.age_s, look), min(forecast.run.quantile(0.01), self.ceiling_s)
            )
        return self._planned(forecast.total, look.age_s, look)

    def _planned(self, durations: Durations, age_s: float, look: Look) -> float:
        price_s = self.price_s * stepped(look.pressure / (1 + look.priority))
        floor_s = stepped(look.not_before_s) if look.not_before_s > self.floor_s else self.floor_s
        ceiling_s = max(floor_s, self.ceiling_s, stepped(look.longest_s) if look.longest_s else 0.0)
        return planned(durations, price_s, floor_s, ceiling_s).next_age(age_s) - age_s


class Geometric(_Schedule):
    """Each wait is ``factor`` times the one before, up to ``cap_s``: 1, 1.5, 2.25 … 60 s.

    Its weakness: it looks often while nothing can be ready, and rarely when most are.

    Example:
        >>> [Geometric(jitter=0).interval(Look(checks)) for checks in range(4)]
        [1.0, 1.5, 2.25, 3.375]
    """

    kind: Literal["geometric"] = "geometric"
    first_s: PositiveFloat = 1.0
    factor: float = Field(default=1.5, ge=1.0)
    cap_s: PositiveFloat = 60.0

    def interval(self, look: Look) -> float:
        """Seconds until the next look, before jitter."""
        return slowed(growing(self.first_s, self.factor, self.cap_s, look.checks), look)


class Tiers(_Schedule):
    """A list of ``(times, seconds)``: look ``times`` times every ``seconds``, then the next tier, then ``then_s`` on.

    Attributes:
        failure_factor: each failed try in a row makes the wait so many times longer, up to a minute; the usual
            backoff if not given.

    Example:
        >>> tiers = Tiers(tiers=[(2, 1), (1, 5)], then_s=10, jitter=0)
        >>> [tiers.interval(Look(checks)) for checks in range(5)]
        [1.0, 1.0, 5.0, 10.0, 10.0]
    """

    kind: Literal["tiers"] = "tiers"
    tiers: tuple[tuple[PositiveInt, PositiveFloat], ...]
    then_s: PositiveFloat
    failure_factor: float | None = Field(default=None, ge=1.0)

    def interval(self, look: Look) -> float:
        """Seconds until the next look, before jitter."""
        return slowed(self._tier(look.checks), look)

    def failed(self, look: Look, failures: int) -> float:
        """Seconds until the next try after ``failures`` failed ones in a row."""
        if self.failure_factor is None:
            return backoff(failures)
        longest = max(FAILURE_CAP_S, self.then_s)
        return jittered(growing(self._tier(look.checks), self.failure_factor, longest, failures), self.jitter)

    def _tier(self, checks: int) -> float:
        for times, seconds in self.tiers:
            if checks < times:
                return float(seconds)
            checks -= times
        return self.then_s


def fixed(every_s: float) -> Tiers:
    """Look every so many seconds."""
    return Tiers(tiers=(), then_s=every_s)


#: Schedules by name, as a providers file may say them; also ``fixed(n)``.
NAMED: Final[dict[str, Adaptive | Geometric | Tiers]] = {
    "adaptive": Adaptive(),
    "geometric": Geometric(),
    "smart": Tiers(tiers=((1, 1), (1, 2), (1, 5)), then_s=10, failure_factor=2),
    "progressive": Tiers(tiers=((5, 1), (5, 2), (10, 5)), then_s=10),
}
_FIXED: Final = re.compile(r"fixed\((\d+(?:\.\d+)?)\)")


def named(value: Any) -> Any:
    """The schedule of a name; what is no text is left for the check of its fields.

    Raises:
        ValueError: there is none of this name.

    Example:
        >>> named("fixed(15)").then_s
        15.0
    """
    if not isinstance(value, str):
        return value
    every = _FIXED.fullmatch(value)
    if every and float(every[1]) > 0:
        return fixed(float(every[1]))
    if value not in NAMED:
        raise ValueError(f"there is no schedule {value!r}; there are {', '.join(NAMED)} and fixed(seconds)")
    return NAMED[value]


def _kind(value: object) -> str:
    """Tell them apart by what is written, so that ``kind`` may be left out of the providers file."""
    if not isinstance(value, dict):
        return str(getattr(value, "kind", "adaptive"))
    if "kind" in value:
        return str(value["kind"])
    if "tiers" in value or "then_s" in value:
        return "tiers"
    return "geometric" if {"first_s", "factor", "cap_s"} & value.keys() else "adaptive"


Schedule = Annotated[
    Annotated[Adaptive, Tag("adaptive")] | Annotated[Geometric, Tag("geometric")] | Annotated[Tiers, Tag("tiers")],
    Discriminator(_kind),
    BeforeValidator(named),
]


def countdown(schedule: Adaptive | Geometric | Tiers, look: Look) -> float:
    """Seconds until the next look: the schedule's interval, jittered, and never sooner than the provider wants."""
    return max(jittered(schedule.interval(look), schedule.jitter), look.not_before_s)


def backoff(failures: int) -> float:
    """Seconds to wait after the ``failures``-th failed try in a row: 1, 2, 4 … 60, ±20 %."""
    return jittered(growing(FAILURE_FIRST_S, 2.0, FAILURE_CAP_S, failures - 1), 0.2)


def slowed(interval: float, look: Look) -> float:
    """Twice the interval once it is past its expected time: nobody knows when it will be done."""
    return OVERDUE_FACTOR * interval if look.overdue else interval


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


def stepped(value: float) -> float:
    """The nearest quarter of an octave, so that plans for nearly the same price are made once.

    Example:
        >>> stepped(0.25), stepped(100)
        (0.25, 107.63474115247546)
    """
    return float(2 ** (round(4 * math.log2(value)) / 4))


def jittered(seconds: float, jitter: float) -> float:
    """``seconds`` moved by up to ``±jitter`` of itself, so that a bulk submit does not come back as one wave."""
    return seconds * random.uniform(1 - jitter, 1 + jitter) if jitter else seconds
