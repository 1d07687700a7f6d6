"""Wait for a condition instead of for time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], *, within_s: float = 30, what: str = "") -> T:
    """The first true value of ``condition``; fails when there is none within ``within_s`` seconds."""
    give_up_at = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < give_up_at, f"not within {within_s} s: {what or condition}; last: {value!r}"
        time.sleep(0.05)
