"""The best any schedule could do that knows the true durations: dynamic programming over a fine grid of ages.

The problem is Barlow and Proschan's ("Mathematical Theory of Reliability", 1965, chapter 4): a check costs ``price``
seconds of waiting; which ages make checks and waiting together the cheapest? Their recursion holds for one smooth
cluster; Bellman's equation on a grid holds for any distribution, and is as exact as the grid is fine.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tests.benchmarks.polling.contenders import Table
from tests.benchmarks.polling.durations import Truth

#: Steps of the grid: seconds while young, a part of the age from where that is more.
GRID_S: Final = 0.25
GRID_PART: Final = 0.004
#: What is left of all generations where the grid ends.
LEFT: Final = 1e-5
#: Halvings of the range in which a price is searched for.
HALVINGS: Final = 20


@dataclass(frozen=True)
class Point:
    """What a price of a check leads to, exactly: calls per generation and mean delay in seconds."""

    price: float
    calls: float
    delay_s: float


@dataclass(frozen=True)
class Best:
    """The best schedule at a price, to be played, and what it costs."""

    table: Table
    point: Point


def at_calls(truth: Truth, calls: float) -> Best:
    """The best schedule with so many calls per generation, or hardly more."""
    return _dearest(truth, lambda point: point.calls >= calls)


def filling(truth: Truth, in_flight: int, looks_per_s: float) -> Best:
    """The best schedule of a lane that is always full: it asks for as many looks as may be made, or hardly more."""
    return _dearest(truth, lambda point: in_flight * point.calls / (truth.mean_s + point.delay_s) >= looks_per_s)


def fixed_at_calls(truth: Truth, calls: float) -> float:
    """The interval in seconds of the fixed schedule with so many calls per generation."""
    low, high = 0.05, 100 * truth.mean_s
    for _ in range(HALVINGS):
        every = math.sqrt(low * high)
        ages = (number * every for number in range(math.ceil(_grid(truth)[-1] / every)))
        if sum(1 - truth.done(age) for age in ages) > calls:
            low = every
        else:
            high = every
    return high


def _dearest(truth: Truth, enough: Callable[[Point], bool]) -> Best:
    """The best schedule at the highest price that is low enough."""
    low, high = 1e-3, 1e5
    for _ in range(HALVINGS):
        price = math.sqrt(low * high)
        if enough(at_price(truth, price).point):
            low = price
        else:
            high = price
    return at_price(truth, low)


def at_price(truth: Truth, price: float) -> Best:
    """The best schedule where a check costs so many seconds of waiting; needs numpy."""
    import numpy as np

    grid = np.array(_grid(truth))
    done = np.array([truth.done(age) for age in _grid(truth)])
    spent = np.concatenate([[0.0], np.cumsum(np.diff(done) * (grid[1:] + grid[:-1]) / 2)])
    last = len(grid) - 1
    # cost[i]: of all that follows a look at grid[i], times the part of all that reaches it.
    cost, places = np.zeros(last + 1), np.full(last + 1, last)
    for here in range(last - 1, -1, -1):
        waited = grid[here + 1 :] * (done[here + 1 :] - done[here]) - (spent[here + 1 :] - spent[here])
        total = waited + cost[here + 1 :]
        best = int(total.argmin())
        places[here] = here + 1 + best
        cost[here] = price * (1 - done[here]) + total[best]
    next_ages = grid[places]
    next_ages[last] += grid[last] - grid[int(np.argmax(places == last))]
    return Best(Table(grid.tolist(), next_ages.tolist()), _cost(truth, price, grid.tolist(), places.tolist()))


def _cost(truth: Truth, price: float, grid: Sequence[float], places: Sequence[int]) -> Point:
    calls, delay_s, here = 0.0, -truth.mean_s, 0
    while places[here] != here:
        there = places[here]
        calls += 1 - truth.done(grid[here])
        delay_s += grid[there] * (truth.done(grid[there]) - truth.done(grid[here]))
        here = there
    return Point(price, calls, delay_s)


@lru_cache
def _grid(truth: Truth) -> tuple[float, ...]:
    ages = [0.0]
    while 1 - truth.done(ages[-1]) > LEFT:
        ages.append(ages[-1] + max(GRID_S, GRID_PART * ages[-1]))
    return tuple(ages)
