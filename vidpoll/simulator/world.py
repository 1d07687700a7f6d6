"""The simulated vendors' inside: jobs with a duration and an outcome, faults by probability, rate limits, a ledger.

It is the judge of vidpoll's promises, so it counts what really arrived and trusts nothing vidpoll says of itself.
"""

import math
import random
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal

Verb = Literal["submit", "status"]
Outcome = Literal["ready", "partial", "filtered", "failed"]

#: Shape of a Veo-like duration: eleven seconds and a log-normal of median 64 s on top.
FIXED_S: Final = 11.0


@dataclass
class Durations:
    """How long a job takes: ``scale · (11 s + lognormal(median_s, sigma))``.

    With ``sigma`` 0 and ``fixed_s`` 0 every job takes ``scale · median_s`` seconds.
    """

    median_s: float = 64.0
    sigma: float = 0.5
    fixed_s: float = FIXED_S
    scale: float = 1.0

    def draw(self, dice: random.Random) -> float:
        """Seconds until a job accepted now is done."""
        return self.scale * (self.fixed_s + dice.lognormvariate(math.log(max(self.median_s, 1e-6)), self.sigma))


@dataclass
class Faults:
    """Probabilities, 0 to 1 each, of what goes wrong with a call (its verb opens the name) or becomes of a job."""

    submit_429: float = 0.0
    submit_500: float = 0.0
    submit_cut_before: float = 0.0
    """The connection is cut before the job is taken."""
    submit_cut_after: float = 0.0
    """The job is taken (and charged), then the connection is cut: no answer."""
    status_429: float = 0.0
    status_500: float = 0.0
    status_cut: float = 0.0
    status_html: float = 0.0
    status_unauthorized: float = 0.0
    status_not_found: float = 0.0
    job_failed: float = 0.0
    job_filtered: float = 0.0
    job_partial: float = 0.0
    """Of several results asked for, the last one is filtered."""
    delay_s: float = 0.0
    """Seconds added to every call; not a probability."""
    retry_after: str = "1"
    """What a 429 says in its ``Retry-After`` header; empty for no header."""

    def change(self, changes: dict[str, Any]) -> None:
        """Set some of them; ValueError names a wrong one."""
        known = {one.name: one.type for one in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"no fault {name!r}; there are {', '.join(known)}")
            if name == "retry_after":
                self.retry_after = str(value)
            elif isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"{name}: must be a number from 0 up, not {value!r}")
            else:
                setattr(self, name, float(value))


@dataclass
class Job:
    """One paid job at the simulated vendor."""

    name: str
    key: str
    model: str
    samples: int
    reference: str
    accepted_at: float
    ready_at: float
    outcome: Outcome
    seed: int

    @property
    def done(self) -> bool:
        """Whether it has ended by now."""
        return time.time() >= self.ready_at

    @property
    def progress(self) -> int:
        """Percent of its duration that has passed."""
        total = max(self.ready_at - self.accepted_at, 0.001)
        return max(0, min(99, int(100 * (time.time() - self.accepted_at) / total)))


class Window:
    """The strict limit of one key and verb: no second, wherever it begins, holds more than ``limit`` calls."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.most = 0
        self._arrivals: deque[float] = deque()

    def arrive(self, now: float) -> bool:
        """Note a call; whether it is within the limit. Refused calls count too."""
        while self._arrivals and self._arrivals[0] <= now - 1.0:
            self._arrivals.popleft()
        self._arrivals.append(now)
        self.most = max(self.most, len(self._arrivals))
        return len(self._arrivals) <= self.limit


@dataclass
class World:
    """Everything the simulated vendors know. Methods may be called from many threads.

    Attributes:
        limits: calls per second allowed to each key, by verb.
    """

    durations: Durations = field(default_factory=Durations)
    faults: Faults = field(default_factory=Faults)
    limits: dict[Verb, int] = field(default_factory=lambda: {"submit": 1_000_000, "status": 1_000_000})
    seed: int | None = None

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._forget()

    def reset(self) -> None:
        """Forget all jobs, counts and faults."""
        with self._lock:
            self._forget()
            self.faults = Faults()

    def _forget(self) -> None:
        self._dice = random.Random(self.seed)
        self._jobs: dict[str, Job] = {}
        self._references: Counter[tuple[str, str]] = Counter()
        self._calls: Counter[tuple[str, Verb]] = Counter()
        self._refused: Counter[tuple[str, Verb]] = Counter()
        self._windows: dict[tuple[str, Verb], Window] = {}

    def strikes(self, fault: str) -> bool:
        """Whether this fault happens now."""
        with self._lock:
            return self._dice.random() < float(getattr(self.faults, fault))

    def arrives(self, key: str, verb: Verb) -> bool:
        """Count a call; False when it is over the key's limit or a 429 is drawn."""
        with self._lock:
            self._calls[key, verb] += 1
            window = self._windows.setdefault((key, verb), Window(self.limits[verb]))
            within = window.arrive(time.monotonic())
            refused = not within or self.strikes(f"{verb}_429")
            if refused:
                self._refused[key, verb] += 1
            return not refused

    def accept(
        self,
        key: str,
        model: str,
        *,
        samples: int,
        reference: str,
        name: str | Callable[[uuid.UUID], str],
        seed: int | None = None,
    ) -> Job:
        """Take a job and charge for it. ``reference`` tells two submits of the same request."""
        with self._lock:
            own_name = name if isinstance(name, str) else name(uuid.UUID(int=self._dice.getrandbits(128)))
            now = time.time()
            job = Job(
                own_name, key, model, samples, reference, now, now + self.durations.draw(self._dice),
                self._draw_outcome(samples), self._dice.randrange(2**31) if seed is None else seed,
            )  # fmt: skip
            self._jobs[own_name] = job
            self._references[key, reference] += 1
            return job

    def job(self, key: str, name: str) -> Job | None:
        """The key's job of this name; nobody else's."""
        with self._lock:
            job = self._jobs.get(name)
            return job if job and job.key == key else None

    def jobs(self) -> list[dict[str, Any]]:
        """Every job taken: names, times (Unix seconds), outcomes."""
        with self._lock:
            return [asdict(job) for job in self._jobs.values()]

    def report(self) -> dict[str, Any]:
        """The ledger: what was taken and charged, what was called, what was refused, how close the calls came."""
        with self._lock:
            charged = sum(self._references.values())
            return {
                "accepted": len(self._jobs),
                "charged": charged,
                "duplicate_charges": charged - len(self._references),
                "submit_calls": self._sum(self._calls, "submit"),
                "status_calls": self._sum(self._calls, "status"),
                "refused_429": sum(self._refused.values()),
                "max_calls_in_any_second": max(
                    (window.most for (_, verb), window in self._windows.items() if verb == "status"), default=0
                ),
                "by_key": {f"{key}:{verb}": self._lane(key, verb) for key, verb in sorted(self._calls)},
            }

    def _lane(self, key: str, verb: Verb) -> dict[str, int]:
        return {
            "calls": self._calls[key, verb],
            "refused_429": self._refused[key, verb],
            "max_calls_in_any_second": self._windows[key, verb].most,
            "limit": self.limits[verb],
        }

    @staticmethod
    def _sum(counts: "Counter[tuple[str, Verb]]", wanted: Verb) -> int:
        return sum(count for (_, verb), count in counts.items() if verb == wanted)

    def _draw_outcome(self, samples: int) -> Outcome:
        if self.strikes("job_failed"):
            return "failed"
        if self.strikes("job_filtered"):
            return "filtered"
        if samples > 1 and self.strikes("job_partial"):
            return "partial"
        return "ready"
