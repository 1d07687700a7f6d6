"""How long a model takes: a histogram of durations, and the questions the schedule and the ETA ask of it. Pure.

The bins are a twelfth of an octave wide, so a video of ten seconds and one of two hours are told apart equally well.
Within a bin every moment is equally likely.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Final

#: Edges of the bins, in seconds: 0, then a quarter of a second times twelfths of an octave, up to eleven days.
BINS_PER_OCTAVE: Final = 12
FIRST_S: Final = 0.25
EDGES: Final = (0.0, *(FIRST_S * 2 ** (step / BINS_PER_OCTAVE) for step in range(BINS_PER_OCTAVE * 22)))
BINS: Final = len(EDGES) - 1


class Durations:
    """The distribution of a model's durations: the probability of every bin of :data:`EDGES`.

    Made by :meth:`lognormal` while nothing is known, by ``estimating.estimated`` from what was seen. Immutable.

    Args:
        weights: one number ≥ 0 for every bin; they need not add up to 1.

    Raises:
        ValueError: there are too few or too many weights, one is negative or no number, or all are 0.

    Example:
        >>> veo = Durations.lognormal(median_s=64, sigma=0.5)
        >>> round(veo.quantile(0.5)), round(veo.quantile(0.9))
        (64, 122)
        >>> round(veo.remaining(0.5, age_s=100))  # half of those that run for 100 s are done in so many more
        24
    """

    def __init__(self, weights: Iterable[float]) -> None:
        given = tuple(weights)
        total = sum(given)
        if len(given) != BINS or min(given) < 0 or not 0 < total < math.inf:
            raise ValueError(f"a histogram of durations is {BINS} numbers ≥ 0, of which one at least is positive")
        self.weights: Final = tuple(weight / total for weight in given)
        self._done = (0.0, *accumulate(self.weights))

    @classmethod
    def lognormal(cls, median_s: float, sigma: float) -> "Durations":
        """A log-normal distribution; ``sigma`` 0.5 means that two thirds lie within a factor of 1.65 of the median."""
        done = [_lognormal_cdf(edge, median_s, sigma) for edge in EDGES]
        return cls(max(later - earlier, 0.0) for earlier, later in pairwise(done))

    @classmethod
    def from_sparse(cls, first: int, weights: Sequence[float]) -> "Durations":
        """The histogram whose bins from number ``first`` on have these weights, and all others none."""
        return cls([0.0] * first + list(weights) + [0.0] * (BINS - first - len(weights)))

    def sparse(self) -> tuple[int, list[float]]:
        """Number of the first bin that is not empty, and the weights from there to the last such bin."""
        filled = [bin for bin, weight in enumerate(self.weights) if weight > 0]
        return filled[0], list(self.weights[filled[0] : filled[-1] + 1])

    def mixed(self, other: "Durations", share: float) -> "Durations":
        """A mixture: ``share`` (0 to 1) of ``other``, the rest of this one."""
        return Durations(
            (1 - share) * mine + share * theirs for mine, theirs in zip(self.weights, other.weights, strict=True)
        )

    def done(self, age_s: float) -> float:
        """The probability to be done by this age, in seconds."""
        bin = _bin_of(age_s)
        within = min(1.0, (age_s - EDGES[bin]) / (EDGES[bin + 1] - EDGES[bin]))
        return self._done[bin] + within * self.weights[bin]

    def quantile(self, probability: float) -> float:
        """The age in seconds by which this part of all is done."""
        bin = min(bisect_right(self._done, probability), BINS) - 1
        while bin > 0 and not self.weights[bin]:
            bin -= 1
        within = (probability - self._done[bin]) / self.weights[bin] if self.weights[bin] else 0.0
        return EDGES[bin] + min(1.0, max(0.0, within)) * (EDGES[bin + 1] - EDGES[bin])

    def remaining(self, probability: float, age_s: float) -> float:
        """Seconds until this part of those that are not done at ``age_s`` is done."""
        done = self.done(age_s)
        return max(0.0, self.quantile(done + probability * (1 - done)) - age_s)

    @cached_property
    def mean(self) -> float:
        """The mean duration in seconds."""
        return sum(weight * (low + high) / 2 for weight, low, high in zip(self.weights, EDGES, EDGES[1:], strict=False))

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Durations) and self.weights == other.weights

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.weights)


def _bin_of(age_s: float) -> int:
    """The bin that holds this age; the last one for what is longer than all."""
    return min(max(bisect_right(EDGES, age_s) - 1, 0), BINS - 1)


def _lognormal_cdf(x: float, median: float, sigma: float) -> float:
    return 0.5 * (1 + math.erf(math.log(x / median) / (sigma * math.sqrt(2)))) if x > 0 else 0.0
