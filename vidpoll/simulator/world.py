"""The simulated vendors' inside: jobs with a duration and an outcome, faults by probability, rate limits, a ledger.

It is the judge of vidpoll's promises, so it counts what really arrived and trusts nothing vidpoll says of itself.
"""

import random
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from vidpoll.simulator.faults import Faults
from vidpoll.simulator.hooks import REMEMBERED, Hook
from vidpoll.simulator.jobs import Durations, Job, Outcome, Seen

Verb = Literal["submit", "status"]


def _nobody(job: Job, hook: Hook) -> None:
    """Nothing is sent where there is no server."""


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

    def left(self, now: float) -> tuple[int, float]:
        """Calls that may still come, and seconds until there is one more."""
        held = [arrived for arrived in self._arrivals if arrived > now - 1.0]
        if not held:
            return self.limit, 0.0
        return max(0, self.limit - len(held)), held[max(0, len(held) - self.limit)] + 1.0 - now


@dataclass
class World:
    """Everything the simulated vendors know. Methods may be called from many threads.

    Attributes:
        limits: calls per second allowed to each key, by verb.
        address: where the vendors are; the URLs of their videos begin with it. A server puts its own here.
        announce: sends webhooks of a job that was taken; a server does.
        registered: where webhooks go that go to one address of an account, by vendor.
        clock: Unix seconds; everything that takes time in here goes by it, so a test may turn it by hand.
    """

    durations: Durations = field(default_factory=Durations)
    faults: Faults = field(default_factory=Faults)
    limits: dict[Verb, int] = field(default_factory=lambda: {"submit": 1_000_000, "status": 1_000_000})
    seed: int | None = None
    clock: Callable[[], float] = time.time
    address: str = "http://127.0.0.1"
    announce: Callable[[Job, Hook], None] = _nobody
    registered: dict[str, str] = field(default_factory=dict)

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
        self._looks: Counter[str] = Counter()
        self._calls: Counter[tuple[str, Verb]] = Counter()
        self._refused: Counter[tuple[str, Verb]] = Counter()
        self._windows: dict[tuple[str, Verb], Window] = {}
        self._hooks: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)

    def strikes(self, fault: str) -> bool:
        """Whether this fault happens now."""
        with self._lock:
            chance = float(getattr(self.faults, fault))
            return chance > 0 and self._dice.random() < chance

    @staticmethod
    def knows(key: str) -> bool:
        """Whether a key is an account's: any is, but an empty one and those that begin with ``wrong``."""
        return bool(key) and not key.startswith("wrong")

    def arrives(self, key: str, verb: Verb) -> bool:
        """Count a call; False when it is over the key's limit or a 429 is drawn."""
        with self._lock:
            self._calls[key, verb] += 1
            window = self._windows.setdefault((key, verb), Window(self.limits[verb]))
            within = window.arrive(self.clock())
            refused = not within or self.strikes(f"{verb}_429")
            if refused:
                self._refused[key, verb] += 1
            return not refused

    def left(self, key: str, verb: Verb) -> tuple[int, float]:
        """How many calls the key has left in this second, and seconds until there is one more."""
        with self._lock:
            return self._windows[key, verb].left(self.clock())

    def accept(
        self,
        key: str,
        model: str,
        *,
        samples: int,
        reference: str,
        name: str | Callable[[uuid.UUID], str],
        seed: int | None = None,
        request: Any = None,
        hook: Hook | None = None,
    ) -> Job:
        """Take a job and charge for it. ``reference`` tells two submits of the same request."""
        with self._lock:
            own_name = name if isinstance(name, str) else name(uuid.UUID(int=self._dice.getrandbits(128)))
            now = self.clock()
            starts_at = now + self.durations.draw_queue(self._dice)
            job = Job(
                own_name, key, model, samples, reference, now, starts_at, starts_at + self.durations.draw(self._dice),
                self._draw_outcome(samples, request), self._dice.randrange(2**31) if seed is None else seed,
                request, self.strikes("job_lost"),
            )  # fmt: skip
            self._jobs[own_name] = job
            self._references[key, reference] += 1
        if hook:
            self.announce(job, hook)
        return job

    def hook_delays(self) -> list[float]:
        """Seconds by which a webhook is sent later, once for each time it is sent; nothing for one that is lost."""
        with self._lock:
            if self.strikes("hook_lost"):
                return []
            late_s = self.faults.hook_late_s + self._dice.uniform(0, self.faults.hook_shuffle_s)
            return [late_s, late_s + 0.2] if self.strikes("hook_twice") else [late_s]

    def hook_sent(self, delivery: dict[str, Any]) -> None:
        """Note a webhook: its vendor, job and moment, and the status it was answered with, 0 for no answer."""
        with self._lock:
            self._hooks.append(delivery)

    def hooks(self) -> list[dict[str, Any]]:
        """Every webhook sent, oldest first."""
        with self._lock:
            return list(self._hooks)

    def job(self, key: str, name: str) -> Job | None:
        """The key's job of this name; nobody else's. It may be a lost one, of which no look may tell."""
        with self._lock:
            job = self._jobs.get(name)
            return job if job and job.key == key else None

    def newest_first(self, key: str) -> list[Job]:
        """The key's jobs that a vendor would list."""
        with self._lock:
            return [job for job in reversed(self._jobs.values()) if job.key == key and not job.lost]

    def look(self, key: str, name: str) -> Seen | None:
        """What a status call is told of a job, truly or not; None when it is not known."""
        with self._lock:
            job = self.job(key, name)
            if job is None or job.lost:
                return None
            self._looks[name] += 1
            if self._looks[name] <= self.faults.not_found_first or self.strikes("status_not_found"):
                return None
            if self.strikes("status_unknown_word"):
                return Seen(job, "garbled")
            if self.strikes("status_backwards"):
                return Seen(job, "queued")
            return replace(self.seen(job), urls=not self.strikes("status_no_url"))

    def seen(self, job: Job) -> Seen:
        """The truth about a job."""
        with self._lock:
            now = self.clock()
            if now >= job.ends_at:
                return Seen(job, job.outcome)
            return Seen(job, "running", job.progress(now)) if job.begun(now) else Seen(job, "queued")

    def cancel(self, job: Job) -> Seen:
        """Stop a job that waits or is running, which stays charged; what it is then."""
        with self._lock:
            now = self.clock()
            if now < job.ends_at:
                job.cancelled_at, job.outcome = now, "cancelled"
            return self.seen(job)

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
                "cancelled": sum(job.cancelled_at is not None for job in self._jobs.values()),
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

    def _draw_outcome(self, samples: int, request: Any) -> Outcome:
        poison = self.faults.poison
        if self.strikes("job_failed") or (poison and poison in str(request)):
            return "failed"
        if self.strikes("job_filtered"):
            return "filtered"
        if samples > 1 and self.strikes("job_partial"):
            return "partial"
        return "ready"
