"""At which ages to look at a generation, so that waiting and calls together cost the least. Pure.

A check costs ``price_s`` seconds of waiting. Between two looks nobody knows that it is done, so each look bought too
late costs waiting, and each bought too early a call. How densely to look at age t is Keller's rule: with the hazard
h(t), the rate at which those still running finish, the best density of looks is √(h(t) / 2·price) a second ("Optimum
checking schedules for systems subject to random failure", Management Science 21(3), 1974), so the interval is
proportional to 1/√hazard. That is exact for many looks. Where few are made, or durations come in several clusters, the
exact ages follow from Bellman's equation for Barlow and Proschan's problem ("Mathematical Theory of Reliability", 1965,
chapter 4); it is solved here over candidate ages that lie as densely as Keller's rule has it.
"""

import math
from bisect import bisect_right
from functools import lru_cache
from typing import Final

from vidpoll.durations import BINS, EDGES, Durations

#: Candidate ages for each look that Keller's rule would make, and the fewest for a whole plan.
CANDIDATES_PER_LOOK: Final = 6
FEWEST_CANDIDATES: Final = 64
MOST_CANDIDATES: Final = 600
#: How many candidates ahead the next look is searched for.
SEARCH: Final = 96
#: What is left of all generations when a plan ends. From there on the intervals grow with the time since then: what
#: outlives all that were seen may well be stuck.
TAIL: Final = 1e-4
TAIL_GROWTH: Final = 0.1


class Plan:
    """Ages at which to look, for any age at which the look before was made.

    Made by :func:`planned`.
    """

    def __init__(self, ages: list[float], looks: list[float], *, floor_s: float, ceiling_s: float) -> None:
        self._ages = ages
        self._looks = looks
        self._floor_s = floor_s
        self._ceiling_s = ceiling_s

    def next_age(self, age_s: float) -> float:
        """The age in seconds at which to look next, after it was not done at ``age_s``."""
        place = bisect_right(self._ages, age_s) - 1
        if place < len(self._ages) - 1:
            low, high = self._ages[place], self._ages[place + 1]
            part = (age_s - low) / (high - low)
            look = self._looks[place] * (1 - part) + self._looks[place + 1] * part
        else:
            tail_s, past_s = self._looks[-1] - self._ages[-1], age_s - self._ages[-1]
            look = age_s + max(tail_s, TAIL_GROWTH * past_s)
        return min(max(look, age_s + self._floor_s), age_s + self._ceiling_s)


@lru_cache(maxsize=512)
def planned(durations: Durations, price_s: float, floor_s: float, ceiling_s: float) -> Plan:
    """The cheapest plan for these durations.

    Args:
        price_s: seconds of waiting that one check may cost.
        floor_s: shortest interval between two looks, in seconds.
        ceiling_s: longest one.

    Example:
        >>> plan = planned(Durations.lognormal(64, 0.5), price_s=0.5, floor_s=1.0, ceiling_s=120.0)
        >>> round(plan.next_age(0)), round(plan.next_age(60) - 60), round(plan.next_age(10_000) - 10_000) <= 120
        (33, 6, True)
    """
    tail_s = min(max(_tail_interval(durations, price_s), floor_s), ceiling_s)
    ages = _candidates(durations, price_s, floor_s, ceiling_s)
    done = [durations.done(age) for age in ages]
    spent = _waited_for(durations, ages)
    last = len(ages) - 1
    looks = [0.0] * last + [ages[last] + tail_s]
    # cost[i]: of all that follows a look at ages[i], times the part of all that reaches it.
    cost = [0.0] * last + [(1 - done[last]) * (tail_s / 2 + price_s * _tail_looks(durations, tail_s))]
    for here in range(last - 1, -1, -1):
        look_price, best, best_next = price_s * (1 - done[here]), math.inf, here + 1
        for there in range(here + 1, min(last, here + SEARCH) + 1):
            interval = ages[there] - ages[here]
            if interval < floor_s and there < last:
                continue
            if interval > ceiling_s and best < math.inf:
                break
            waited = ages[there] * (done[there] - done[here]) - (spent[there] - spent[here])
            total = look_price + waited + cost[there]
            if total < best:
                best, best_next = total, there
        cost[here], looks[here] = best, ages[best_next]
    return Plan(ages, looks, floor_s=floor_s, ceiling_s=ceiling_s)


def _tail_interval(durations: Durations, price_s: float) -> float:
    """Keller's interval where hardly any are left, for the mean hazard of the last hundredth."""
    late, end = durations.quantile(0.99), durations.quantile(1 - TAIL)
    hazard = math.log(0.01 / TAIL) / max(end - late, 1e-3)
    return math.sqrt(2 * price_s / hazard)


def _tail_looks(durations: Durations, tail_s: float) -> float:
    late, end = durations.quantile(0.99), durations.quantile(1 - TAIL)
    return 1 + (end - late) / math.log(0.01 / TAIL) / tail_s


def _candidates(durations: Durations, price_s: float, floor_s: float, ceiling_s: float) -> list[float]:
    """Ages from 0 to the tail, equally far apart as Keller's density counts, and nowhere further than the ceiling."""
    end = durations.quantile(1 - TAIL)
    counts, ages = [0.0], [0.0]
    for bin in range(BINS):
        if EDGES[bin] >= end:
            break
        width = EDGES[bin + 1] - EDGES[bin]
        left = max(1 - durations.done((EDGES[bin] + EDGES[bin + 1]) / 2), TAIL / 10)
        hazard = durations.weights[bin] / width / left
        counts.append(counts[-1] + width * math.sqrt(hazard / (2 * price_s)))
        ages.append(EDGES[bin + 1])
    points = min(max(CANDIDATES_PER_LOOK * counts[-1], FEWEST_CANDIDATES), MOST_CANDIDATES)
    step = counts[-1] / points
    found, bin = [0.0], 0
    for number in range(1, math.ceil(points) + 1):
        count = min(number * step, counts[-1])
        while counts[bin + 1] < count:
            bin += 1
        part = (count - counts[bin]) / max(counts[bin + 1] - counts[bin], 1e-12)
        age = ages[bin] + part * (ages[bin + 1] - ages[bin])
        while age - found[-1] > ceiling_s / 2:
            found.append(found[-1] + ceiling_s / 4)
        if age - found[-1] > floor_s / 8:
            found.append(age)
    return found


def _waited_for(durations: Durations, ages: list[float]) -> list[float]:
    """∫ u·f(u) du from 0 to each age: what the durations done by then add up to."""
    sums = [0.0]
    for weight, low, high in zip(durations.weights, EDGES, EDGES[1:], strict=False):
        sums.append(sums[-1] + weight * (low + high) / 2)
    waited = []
    for age in ages:
        bin = min(bisect_right(EDGES, age) - 1, BINS - 1)
        part = (age - EDGES[bin]) / (EDGES[bin + 1] - EDGES[bin])
        waited.append(sums[bin] + part * durations.weights[bin] * (EDGES[bin] + age) / 2)
    return waited
