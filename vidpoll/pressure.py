"""What a check costs while more is due than a lane has tokens for.

Every look is planned against a price (``plan.py``). Where one price holds for a whole lane, its calls go to where a
second of waiting is most worth avoiding, and no other share of the same calls waits less (Lagrange's rule; by Keller's
density that is calls in proportion to √(weight · hazard)). So under pressure nothing is chosen anew: the price rises
until what is asked for fits into what may be called.

What is asked for is known by Little's law: ids that wait, by the mean interval they are given, is looks a second.
"""

import threading
from typing import Final

#: Intervals over which the mean is taken, and over which the price follows it.
MEMORY: Final = 128
FOLLOWS: Final = 64
#: Intervals to be seen before the price moves.
FIRST: Final = 16
#: How much more than the budget is asked for. Looks come in waves, since what was submitted together is due together; a
#: third more has somebody due in the troughs too. It makes looks late by a quarter of a round of the lane.
OVERCOMMITTED: Final = 1.3
#: Highest price; by then everything waits for the longest interval.
HIGHEST: Final = 1e6
#: Longest interval under pressure, in rounds of a lane in which everything is looked at in turn; with what a look is
#: late, nothing waits for much more than two.
ROUNDS: Final = 1.7


class Pressure:
    """The pressure of one lane, as one process sees it. Safe to use from many threads.

    Attributes:
        factor: how many times its usual price a check costs; 1 while there are tokens enough.

    Example:
        >>> pressure = Pressure()
        >>> for _ in range(500):  # a thousand ids, looked at every 50 s, where ten a second may be
        ...     pressure.planned(50.0, waiting=1000, looks_per_s=10)
        >>> pressure.factor > 100
        True
    """

    def __init__(self) -> None:
        self.factor = 1.0
        self._lock = threading.Lock()
        self._mean_s = 0.0
        self._seen = 0

    def planned(self, interval_s: float, *, waiting: int, looks_per_s: float) -> None:
        """Note the interval an id was given.

        Args:
            waiting: ids in the lane.
            looks_per_s: how many of them may be looked at in a second.
        """
        with self._lock:
            self._seen += 1
            self._mean_s += (interval_s - self._mean_s) * max(1 / self._seen, 1 / MEMORY)
            if self._seen < FIRST or self._mean_s <= 0:
                return
            asked_for = waiting / self._mean_s / (OVERCOMMITTED * looks_per_s)
            # Looks are as many as 1/√price.
            self.factor = min(max(1.0, self.factor * max(asked_for, 1e-3) ** (2 / FOLLOWS)), HIGHEST)

    def longest_s(self, *, waiting: int, looks_per_s: float) -> float | None:
        """Longest interval in seconds, so that nothing starves; None without pressure."""
        return ROUNDS * waiting / looks_per_s if self.factor > 1 else None
