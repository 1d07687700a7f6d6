"""The arithmetic of a lane's token bucket (GCRA), as ``vidpoll/lanes/bucket.lua`` has it, without pauses."""

import math


class Bucket:
    """In any t seconds at most ``rate · t + burst`` calls. Moments are microseconds, as in Redis.

    Example:
        >>> bucket = Bucket(rate=10, burst=2)
        >>> bucket.tokens(1_000_000)
        2
        >>> bucket.spend(1_000_000, calls=2)
        >>> bucket.tokens(1_000_000), bucket.free_at()
        (0, 1100000)
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1_000_000 / rate
        self._tolerance = burst * self._interval
        self._tat = 0.0

    def tokens(self, now_us: int) -> int:
        """Calls that may be made now; none, too, while the moment of the last is a rounded microsecond ahead."""
        free = math.floor((now_us + self._tolerance - max(self._tat, now_us)) / self._interval + 0.000001)
        return max(0, free)

    def spend(self, now_us: int, calls: int) -> None:
        """Note that they are made."""
        self._tat = round(max(self._tat, now_us) + calls * self._interval)

    def free_at(self) -> int:
        """When there is a token, in microseconds."""
        return math.ceil(self._tat + self._interval - self._tolerance)
