"""Who is compared: each answers how long to wait, and may learn from what was seen."""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from vidpoll import schedule
from vidpoll.accounts import PRIOR_SIGMA
from vidpoll.durations import Durations
from vidpoll.estimating import SAMPLES, Observed, estimated
from vidpoll.pressure import Pressure
from vidpoll.schedule import Adaptive, Forecast, Geometric, Look, Tiers

#: Seconds after which a generation is called overdue, as ``ModelPolicy.expected_s`` has it.
EXPECTED_S: Final = 300.0
#: Completions after which the adaptive schedule learns anew.
LEARN_EVERY: Final = 50


class Contender(Protocol):
    """A schedule in the simulation."""

    def countdown(self, age_s: float, checks: int, waiting: int) -> float:
        """Seconds until the next look at a generation, with so many generations in the lane."""

    def finished(self, after_s: float, until_s: float) -> None:
        """One was seen as done: it ran at the one age, and did not at the other."""


class Named:
    """One of the schedules that learn nothing; they look half as often at what is older than ``expected_s``."""

    def __init__(self, named: Adaptive | Geometric | Tiers, expected_s: float = EXPECTED_S) -> None:
        self._schedule = named
        self._expected_s = expected_s

    def countdown(self, age_s: float, checks: int, waiting: int) -> float:
        """See :class:`Contender`."""
        return schedule.countdown(self._schedule, Look(checks, age_s, overdue=age_s > self._expected_s))

    def finished(self, after_s: float, until_s: float) -> None:
        """It learns nothing."""


class Rotation:
    """Due again at once, so that the lane looks at everything in turn: first in, first out."""

    def countdown(self, age_s: float, checks: int, waiting: int) -> float:
        """See :class:`Contender`."""
        return 0.0

    def finished(self, after_s: float, until_s: float) -> None:
        """It learns nothing."""


class Learned:
    """The adaptive schedule, put together as ``vidpoll/outlook.py`` and ``vidpoll/learning.py`` do.

    Args:
        typical_s: what the providers file says of the median.
        looks_per_s: how many generations may be looked at in a second.
        learns: whether it learns; else it stays with what the file says.
        learn_every: completions after which it does.
    """

    def __init__(
        self, adaptive: Adaptive, typical_s: float, looks_per_s: float, *, learns: bool, learn_every: int = LEARN_EVERY
    ) -> None:
        self._adaptive = adaptive
        self._prior = self.durations = Durations.lognormal(typical_s, PRIOR_SIGMA)
        self._forecast = Forecast(self._prior, self._prior)
        self._looks_per_s = looks_per_s
        self._learn_every = learn_every if learns else 0
        self._newest: deque[Observed] = deque(maxlen=SAMPLES)
        self._unlearned = 0
        self.pressure = Pressure()

    def countdown(self, age_s: float, checks: int, waiting: int) -> float:
        """See :class:`Contender`."""
        look = Look(
            checks=checks,
            age_s=age_s,
            forecast=self._forecast,
            overdue=age_s > EXPECTED_S,
            pressure=self.pressure.factor,
            longest_s=self.pressure.longest_s(waiting=waiting, looks_per_s=self._looks_per_s),
        )
        countdown = schedule.countdown(self._adaptive, look)
        self.pressure.planned(countdown, waiting=waiting, looks_per_s=self._looks_per_s)
        return countdown

    def finished(self, after_s: float, until_s: float) -> None:
        """Learn anew once in a while."""
        self._newest.appendleft(Observed(after_s, until_s))
        self._unlearned += 1
        if self._learn_every and self._unlearned >= self._learn_every:
            self._unlearned = 0
            self.durations = estimated(list(self._newest), self._prior)
            self._forecast = Forecast(self.durations, self.durations)


class Table:
    """Looks at the ages of a table: from each age, the age of the next look. The optimum is one."""

    def __init__(self, ages: Sequence[float], next_ages: Sequence[float]) -> None:
        self._ages = ages
        self._next_ages = next_ages

    def countdown(self, age_s: float, checks: int, waiting: int) -> float:
        """See :class:`Contender`."""
        place = min(bisect_right(self._ages, age_s), len(self._ages)) - 1
        return (
            max(0.0, self._next_ages[place] - age_s) if age_s < self._ages[-1] else self._next_ages[-1] - self._ages[-1]
        )

    def finished(self, after_s: float, until_s: float) -> None:
        """It knew all before."""
