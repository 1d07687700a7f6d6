"""A paid job at a simulated vendor: how long it takes, how it ends, what is told of it."""

import math
import random
from dataclasses import dataclass
from typing import Any, Final, Literal

Outcome = Literal["ready", "partial", "filtered", "failed", "cancelled"]
#: What a look can be told: an outcome, that it waits, that it is being made, or a word nobody knows.
State = Outcome | Literal["queued", "running", "garbled"]

#: Shape of a Veo-like duration: eleven seconds and a log-normal of median 64 s on top.
FIXED_S: Final = 11.0


@dataclass
class Durations:
    """How long a job takes: ``scale · (11 s + lognormal(median_s, sigma))``, after waiting ``scale · Exp(queue_s)``.

    With ``sigma`` 0 and ``fixed_s`` 0 every job takes ``scale · median_s`` seconds; with ``queue_s``, the mean of the
    exponential distribution of what a job waits in the vendor's queue, 0, it begins at once.
    """

    median_s: float = 64.0
    sigma: float = 0.5
    fixed_s: float = FIXED_S
    scale: float = 1.0
    queue_s: float = 0.0

    def draw_queue(self, dice: random.Random) -> float:
        """Seconds until a job accepted now begins."""
        return self.scale * dice.expovariate(1 / self.queue_s) if self.queue_s else 0.0

    def draw(self, dice: random.Random) -> float:
        """Seconds from then on until it is done."""
        return self.scale * (self.fixed_s + dice.lognormvariate(math.log(max(self.median_s, 1e-6)), self.sigma))


@dataclass
class Job:
    """One paid job at the simulated vendor; moments are Unix seconds of the world's clock.

    Attributes:
        reference: tells two submits of the same request: an id of the caller's, else a hash of the body.
        request: what was asked for, where the vendor gives it back.
        lost: taken and charged, and never known again.
    """

    name: str
    key: str
    model: str
    samples: int
    reference: str
    accepted_at: float
    starts_at: float
    ready_at: float
    outcome: Outcome
    seed: int
    request: Any = None
    lost: bool = False
    cancelled_at: float | None = None

    @property
    def ends_at(self) -> float:
        """When it ends, or ended."""
        return self.ready_at if self.cancelled_at is None else self.cancelled_at

    def begun(self, now: float) -> bool:
        """Whether it left the vendor's queue; one that was cancelled in there never does."""
        return self.starts_at <= min(now, self.ends_at)

    def progress(self, now: float) -> int:
        """Percent of its duration that has passed."""
        total = max(self.ready_at - self.starts_at, 0.001)
        return max(0, min(99, int(100 * (now - self.starts_at) / total)))


@dataclass(frozen=True)
class Seen:
    """What a vendor tells of a job at one look.

    Attributes:
        progress: percent, while it is running.
        urls: whether the URLs of a job that is done are told.
    """

    job: Job
    state: State
    progress: int = 0
    urls: bool = True
