"""The best any schedule could do that knows the true durations: dynamic programming over a fine grid of ages.

The problem is Barlow and Proschan's ("Mathematical Theory of Reliability", 1965, chapter 4): a check costs ``price``
seconds of waiting; which ages make checks and waiting together the cheapest? Their recursion holds for one smooth
cluster; Bellman's equation on a grid holds for any distribution, and is as exact as the grid is fine.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from tests.benchmarks.polling.contenders import Table
from tests.benchmarks.polling.durations import Truth

#: Widths of the grid: seconds while young, a part of the age from where that is more.
GRID_S: Final = 0.25
GRID_PART: Final = 0.004
#: What is left of all generations where the grid ends.
LEFT: Final = 1e-5


@dataclass(frozen=True)
class Point:
    """What a price of a check leads to, exactly: calls per generation and mean delay in seconds."""

    price: float
    calls: float
    delay_s: float


def optimum(truth: Truth, price: float) -> tuple[Table, Point]:
    """The best schedule at this price, and its cost."""
    import numpy as np

    grid = np.array(_grid(truth))
    done = np.array([truth.done(age) for age in grid])
    spent = np.concatenate([[0.0], np.cumsum(np.diff(done) * (grid[1:] + grid[:-1]) / 2)])
    last = len(grid) - 1
    # cost[i]: of all that follows a look at grid[i], times the part of all that reaches it.
    cost, next_places = np.zeros(last + 1), np.zeros(last + 1, dtype=int)
    for here in range(last - 1, -1, -1):
        there = slice(here + 1, None)
        total = grid[there] * (done[there] - done[here]) - (spent[there] - spent[here]) + cost[there]
        best = int(total.argmin())
        next_places[here] = here + 1 + best
        cost[here] = price * (1 - done[here]) + total[best]
    next_places[last] = last
    next_ages = grid[next_places]
    next_ages[last] = grid[last] + (grid[last] - grid[int(np.flatnonzero(next_places[:last] == last)[0])])
    return Table(grid.tolist(), next_ages.tolist()), Point(price, *_exact(truth, grid, next_places))


def at_calls(truth: Truth, calls: float) -> tuple[Table, Point]:
    """The best schedule with so many calls per generation."""
    return _search(truth, lambda point: point.calls > calls)


def filling(truth: Truth, in_flight: int, looks_per_s: float) -> tuple[Table, Point]:
    """The best schedule of a lane that is always full: its looks are just as many as may be made."""
    return _search(truth, lambda point: in_flight * point.calls / (truth.mean_s + point.delay_s) > looks_per_s)


def frontier(truth: Truth, prices: list[float]) -> list[Point]:
    """Calls and delay of the best schedules."""
    return [optimum(truth, price)[1] for price in prices]


def fixed_at_calls(truth: Truth, calls: float) -> float:
    """The interval in seconds of the fixed schedule with so many calls per generation."""
    low, high = 0.05, 100 * truth.mean_s
    for _ in range(40):
        every = math.sqrt(low * high)
        ages = range(math.ceil(_grid(truth)[-1] / every))
        low, high = (every, high) if sum(1 - truth.done(number * every) for number in ages) > calls else (low, every)
    return high


def _search(truth, too_many):  # type: ignore[no-untyped-def]
    low, high = 1e-3, 1e5
    for _ in range(16):
        price = math.sqrt(low * high)
        low, high = (price, high) if too_many(optimum(truth, price)[1]) else (low, price)
    return optimum(truth, high)


def _exact(truth, grid, next_places):
    calls, delay, here = 0.0, -truth.mean_s, 0
    while next_places[here] != here:
        there = int(next_places[here])
        calls += 1 - truth.done(grid[here])
        delay += grid[there] * (truth.done(grid[there]) - truth.done(grid[here]))
        here = there
    return calls, delay


@lru_cache(maxsize=None)
def _grid(truth: Truth) -> tuple[float, ...]:
    ages = [0.0]
    while 1 - truth.done(ages[-1]) > LEFT:
        ages.append(ages[-1] + max(GRID_S, GRID_PART * ages[-1]))
    return tuple(ages)
