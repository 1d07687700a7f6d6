"""What a lane could grant now, read without spending or changing anything: also for those who may only read."""

import math
from collections.abc import Mapping
from typing import Final

from vidpoll.lanes.base import Limits

#: Lead of a bucket's moment from which on the clock must have stepped back, µs; as in bucket.lua.
_STEPPED_BACK: Final = 10_000_000


def free(bucket: Mapping[str, str], limits: Limits, now_us: float, recovery_s: float) -> tuple[int, float | None]:
    """Calls that may be made now, and the calls per second in force; None while the lane is paused.

    The arithmetic of ``bucket.lua``, to the last bit; it explains the fields of ``bucket`` and the formula.

    Example:
        >>> free({}, Limits(rate=10, burst=3), 0, 60)
        (3, 10)
        >>> free({"tat": "2e15", "step": "1e5", "paused_until": "2e15"}, Limits(10, 3), 1e15, 60)
        (0, None)
    """
    if max(_number(bucket, "paused_until", 0), _number(bucket, "stopped_until", 0)) > now_us:
        return 0, None
    rate, burst = _number(bucket, "set_rate", limits.rate), _number(bucket, "set_burst", limits.burst)
    if "slow_rate" in bucket:
        grown = rate * (now_us - _number(bucket, "slow_from", now_us)) / 1000000 / recovery_s
        rate = min(rate, _number(bucket, "slow_rate", rate) + grown)
    interval = 1000000 / rate
    tat, step = _number(bucket, "tat", 0), _number(bucket, "step", interval)
    if tat < now_us or _number(bucket, "at", 0) > now_us + _STEPPED_BACK:
        tat = now_us
    if step != interval:
        tat = now_us + (tat - now_us) / step * interval
    return max(0, math.floor((now_us + burst * interval - tat) / interval + 0.000001)), rate


def _number(bucket: Mapping[str, str], field: str, otherwise: float) -> float:
    return float(bucket[field]) if field in bucket else otherwise
