"""How long generations really take in the simulation: mixtures of log-normal distributions, each with a shift."""

import math
import random
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Part(NamedTuple):
    """``share`` of all take ``shift_s`` seconds and then log-normally many more."""

    share: float
    shift_s: float
    median_s: float
    sigma: float


@dataclass(frozen=True)
class Truth:
    """The distribution that no schedule is told; the optimum knows it.

    Example:
        >>> round(VEO_LIKE.done(75), 2), round(VEO_LIKE.mean_s)
        (0.5, 84)
    """

    parts: tuple[Part, ...]

    def draw(self, dice: random.Random) -> float:
        """The duration of one generation, in seconds."""
        (part,) = dice.choices(self.parts, [part.share for part in self.parts])
        return part.shift_s + dice.lognormvariate(math.log(part.median_s), part.sigma)

    def done(self, age_s: float) -> float:
        """The probability to be done by this age."""
        return sum(part.share * _lognormal_cdf(age_s - part.shift_s, part.median_s, part.sigma) for part in self.parts)

    @cached_property
    def mean_s(self) -> float:
        """The mean duration in seconds."""
        return sum(part.share * (part.shift_s + part.median_s * math.exp(part.sigma**2 / 2)) for part in self.parts)

    def times(self, factor: float) -> "Truth":
        """The same, all durations so many times longer."""
        return Truth(
            tuple(part._replace(shift_s=part.shift_s * factor, median_s=part.median_s * factor) for part in self.parts)
        )


def _lognormal_cdf(x: float, median: float, sigma: float) -> float:
    return 0.5 * (1 + math.erf(math.log(x / median) / (sigma * math.sqrt(2)))) if x > 0 else 0.0


#: Google's documentation of Veo says 11 seconds to 6 minutes.
VEO_LIKE = Truth((Part(1.0, 11, 64, 0.5),))
#: One in twenty takes five minutes or more, one in a hundred eleven.
HEAVY_TAIL = Truth((Part(1.0, 5, 40, 1.2),))
#: A quick kind and a slow kind that the parameters do not tell apart.
BIMODAL = Truth((Part(0.5, 0, 20, 0.15), Part(0.5, 0, 150, 0.1)))
