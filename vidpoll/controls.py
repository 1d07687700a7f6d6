"""What an operator decided of a lane: a pause, another rate. Its row is in Postgres, its copy in the lane."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from vidpoll.accounts import jitter_reserve

Verb = Literal["submit", "status"]


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing of the lane is called, until somebody resumes it or its time is up.

    Attributes:
        reason: why, in the operator's words.
        by: who paused it.
        for_s: seconds it still lasts; None without an end.
    """

    reason: str
    by: str
    since: datetime
    for_s: float | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """Another rate than the one in the providers file.

    Attributes:
        rate: calls per second.
        burst: as in the providers file: in any ``t`` seconds at most ``rate · t + burst`` calls reach the vendor.
        by: who set it.

    Example:
        >>> Override(rate=20, burst=5, by="alice", since=datetime(2026, 11, 21)).granted_burst
        4
    """

    rate: float
    burst: int
    by: str
    since: datetime

    @property
    def granted_burst(self) -> int:
        """What the lane may grant at once: the burst, less what is kept for jitter."""
        return self.burst - jitter_reserve(self.rate)


@dataclass(frozen=True, slots=True)
class Control:
    """All that was decided of one lane.

    Attributes:
        version: grows with every decision; 0 when there never was one.
    """

    account: str
    verb: Verb
    version: int = 0
    pause: Pause | None = None
    override: Override | None = None
