"""Waiting and measuring, as one object that a test can replace. Moments come from Postgres and Redis instead."""

import time


class Clock:
    """Time of our own process. It only ever runs forward, and says nothing about the hour."""

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
