"""From what was seen of finished generations to how long a model takes. Pure.

A duration is seldom known exactly: it ended between the last look at which it ran and the one that found it done. So it
is estimated by expectation and maximisation over such intervals (Turnbull, "The empirical distribution function with
arbitrarily grouped, censored and truncated data", JRSS B 38, 1976) with a smoothing step in each round (Silverman and
others, "A smoothed EM approach", JRSS B 52, 1990).
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vidpoll.durations import BINS, BINS_PER_OCTAVE, EDGES, Durations

#: Newest generations that are looked at, and how many newer ones halve the weight of an old one.
SAMPLES: Final = 500
HALF_LIFE: Final = 100
#: How many generations the prior is worth.
PRIOR_SAMPLES: Final = 10.0
ROUNDS: Final = 12
#: Less probability than this is none.
TINY: Final = 1e-200
#: An interval shorter than so many seconds is a moment.
EXACT_S: Final = 1e-3
#: Width of the smoothing, in natural logarithms of seconds, for one sample; it shrinks with the fifth root of more.
BANDWIDTH: Final = 0.35


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
    seen = [(0.5 ** (rank / HALF_LIFE), _overlaps(one)) for rank, one in enumerate(newest)]
    samples = sum(weight for weight, _ in seen)
    kernel = _kernel(BANDWIDTH * samples**-0.2)
    weights = list(prior.weights)
    for _ in range(ROUNDS):
        weights = _smoothed(_expected(seen, weights), kernel)
    return Durations(weights).mixed(prior, PRIOR_SAMPLES / (PRIOR_SAMPLES + samples))


def _overlaps(one: Observed) -> list[tuple[int, float]]:
    """The bins the interval reaches into, and the part of each that lies in it."""
    low, high = (min(max(0.0, seconds), EDGES[-1]) for seconds in (min(one.after_s, one.until_s), one.until_s))
    first = min(bisect_right(EDGES, low), BINS) - 1
    if high - low < EXACT_S:
        return [(first, 1.0)]
    found = []
    for bin in range(first, BINS):
        if bin > first and EDGES[bin] >= high:
            break
        part = (min(high, EDGES[bin + 1]) - max(low, EDGES[bin])) / (EDGES[bin + 1] - EDGES[bin])
        found.append((bin, part))
    return found


def _expected(seen: Sequence[tuple[float, list[tuple[int, float]]]], weights: Sequence[float]) -> list[float]:
    """How many finished in each bin, were ``weights`` the truth; an interval it rules out counts evenly."""
    counts = [0.0] * BINS
    for weight, overlaps in seen:
        inside = [weights[bin] * part for bin, part in overlaps]
        if sum(inside) < TINY:
            inside = [part for _, part in overlaps]
        each = weight / sum(inside)
        for (bin, _), mass in zip(overlaps, inside, strict=True):
            counts[bin] += each * mass
    return counts


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
