"""Four clocks made of one: the workers' own, Postgres', Redis' and the vendors'."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tests.simulation.strands import Loop
from vidpoll.clock import Clock

#: Unix seconds at which every simulation begins.
EPOCH: Final = 1_800_000_000.0


@dataclass
class Time:
    """The moment, by everybody's clock.

    Attributes:
        redis_ahead_s: how far Redis' clock is from Postgres'; a fault steps it.
        vendors_ahead_s: how far the vendors' clocks are from Postgres'.
    """

    loop: Loop
    redis_ahead_s: float = 0.0
    vendors_ahead_s: float = 0.0

    def postgres(self) -> datetime:
        """What ``now()`` answers."""
        return datetime.fromtimestamp(EPOCH + self.loop.now, UTC)

    def redis_us(self) -> int:
        """What ``TIME`` answers, in microseconds."""
        return round((EPOCH + self.loop.now + self.redis_ahead_s) * 1e6)

    def vendors(self) -> float:
        """What the simulated vendors go by."""
        return EPOCH + self.loop.now + self.vendors_ahead_s


class WorkerClock(Clock):
    """A worker's own clock: it began at another moment than everybody else's, and its sleeps let others run."""

    def __init__(self, loop: Loop, began: float) -> None:
        self._loop, self._began = loop, began

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._loop.now + self._began

    def sleep(self, seconds: float) -> None:
        """Others run meanwhile."""
        self._loop.sleep(seconds)
