"""From what was seen of finished generations to how long a model takes. Pure.

A duration is seldom known exactly: it ended between the last look at which it ran and the one that found it done. So it
is estimated by expectation and maximisation over such intervals (Turnbull, "The empirical distribution function with
arbitrarily grouped, censored and truncated data", JRSS B 38, 1976) with a smoothing step in each round (Silverman and
others, "A smoothed EM approach", JRSS B 52, 1990).
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

from vidpoll.durations import BINS, BINS_PER_OCTAVE, EDGES, Durations

#: Newest generations that are looked at, and how many newer ones halve the weight of an old one.
SAMPLES: Final = 500
HALF_LIFE: Final = 200
#: The prior's share is the square of n/(n + samples): nearly all beside two samples, a hundredth beside two hundred.
PRIOR_SAMPLES: Final = 20.0
ROUNDS: Final = 12
#: Width of the smoothing, in natural logarithms of seconds, for one sample; it shrinks with the fifth root of more.
BANDWIDTH: Final = 0.2
#: Probability below which an interval is taken as ruled out, and not divided by.
RULED_OUT: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Observed:
    """One generation that finished: it took more than ``after_s`` and at most ``until_s`` seconds; equal when known."""

    after_s: float
    until_s: float


def estimated(observed: Sequence[Observed], prior: Durations) -> Durations:
    """The distribution that explains what was seen, newest first; the fewer were seen, the closer to ``prior``.

    Example:
        >>> prior = Durations.lognormal(30, 1.0)
        >>> estimated([], prior) == prior
        True
        >>> round(estimated([Observed(58, 62)] * 500, prior).quantile(0.5))
        60
    """
    if not observed:
        return prior
    newest = observed[:SAMPLES]
    seen = [(0.5 ** (rank / HALF_LIFE), _bins(one)) for rank, one in enumerate(newest)]
    samples = sum(weight for weight, _ in seen)
    kernel = _kernel(BANDWIDTH * samples**-0.2)
    weights = list(prior.weights)
    for _ in range(ROUNDS):
        weights = _smoothed(_expected(seen, weights), kernel)
    return Durations(weights).mixed(prior, (PRIOR_SAMPLES / (PRIOR_SAMPLES + samples)) ** 2)


class _Bins(NamedTuple):
    """The bins an interval reaches into: this part of the first and of the last, and all of those between."""

    first: int
    first_part: float
    last: int
    last_part: float


def _bins(one: Observed) -> _Bins:
    low, high = max(0.0, min(one.after_s, one.until_s)), max(0.0, one.until_s)
    first = bisect_right(EDGES, low, hi=BINS) - 1
    last = max(first, min(bisect_left(EDGES, high), BINS) - 1)
    if last > first:
        return _Bins(first, _part(first, low, EDGES[first + 1]), last, _part(last, EDGES[last], high))
    return _Bins(first, _part(first, low, high) or 1.0, first, 0.0)


def _part(bin: int, low: float, high: float) -> float:
    return min(1.0, (high - low) / (EDGES[bin + 1] - EDGES[bin]))


def _expected(seen: Sequence[tuple[float, _Bins]], weights: Sequence[float]) -> list[float]:
    """How many finished in each bin, were ``weights`` the truth; an interval it rules out counts evenly."""
    before = (0.0, *accumulate(weights))
    counts = [0.0] * BINS
    steps = [0.0] * (BINS + 1)  # what a bin's weight counts for, as differences from one bin to the next
    for weight, (first, first_part, last, last_part) in seen:
        at_first, at_last = weights[first] * first_part, weights[last] * last_part
        inside = at_first + at_last + (before[last] - before[first + 1] if last > first else 0.0)
        if inside < RULED_OUT:
            for bin in range(first, last + 1):
                counts[bin] += weight / (last + 1 - first)
            continue
        counts[first] += weight * at_first / inside
        counts[last] += weight * at_last / inside
        if last > first:
            steps[first + 1] += weight / inside
            steps[last] -= weight / inside
    return [count + step * weight for count, step, weight in zip(counts, accumulate(steps), weights, strict=False)]


def _kernel(bandwidth: float) -> list[float]:
    """Gaussian weights of a bin's neighbours, from -n to n; the bins are equally wide on the scale of logarithms."""
    bins = bandwidth / (math.log(2) / BINS_PER_OCTAVE)
    reach = max(1, math.ceil(3 * bins))
    taps = [math.exp(-0.5 * (step / bins) ** 2) for step in range(-reach, reach + 1)]
    return [tap / sum(taps) for tap in taps]


def _smoothed(counts: Sequence[float], kernel: Sequence[float]) -> list[float]:
    reach = len(kernel) // 2
    smooth = [0.0] * BINS
    for bin, count in enumerate(counts):
        if count > 0:
            for step, tap in enumerate(kernel):
                smooth[min(max(bin + step - reach, 0), BINS - 1)] += count * tap
    return smooth
