"""``make soak``: everything at once for a while. Real processes, steady load, faults at random; then the verdict.

Repeat one with its seed: ``make soak SEED=7 MINUTES=20``. Ends by itself, with exit code 1 if a promise was broken.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import psutil
from rich.console import Console
from rich.table import Table

from tests.acceptance.faults import providers
from tests.acceptance.faults.fleet import Fleet, Postgres
from tests.soak.chaos import Chaos
from tests.soak.verdict import broken_promises, outcomes
from vidpoll.errors import VidpollError

out = Console()
LIMITS = providers.Limits(
    status_rate=40, status_burst=10, submit_rate=20, submit_burst=5, submit_timeout_s=3, timeout_s=60, expected_s=15,
    not_found_grace_s=20, retention_s=120, max_in_flight=200,
)  # fmt: skip
ACCOUNTS = ("runware", "replicate", "vertex", "gemini")


@dataclass
class Load:
    """Requests at a steady pace, some of them cancelled or looked at; from a client that knows the servers directly."""

    fleet: Fleet
    dice: random.Random
    ids: list[UUID] = field(default_factory=list)
    refused: int = 0

    def run(self, stop: threading.Event, per_s: float) -> None:
        while not stop.wait(self.dice.expovariate(per_s)):
            try:
                self.ids += self.fleet.submit(1, self.dice.choice(ACCOUNTS))
                if self.dice.random() < 0.1:
                    self.fleet.client.cancel(self.dice.choice(self.ids[-50:]))
                if self.dice.random() < 0.1:
                    self.fleet.client.refresh(self.dice.choice(self.ids[-50:]))
            except VidpollError:
                self.refused += 1  # a server is away: told to the caller, who would try again


@dataclass
class Memory:
    """Megabytes of the worker that is never harmed, over time."""

    fleet: Fleet
    samples: list[float] = field(default_factory=list)

    def sample(self) -> None:
        self.samples.append(psutil.Process(self.fleet.pid("worker1")).memory_info().rss / 1e6)

    @property
    def growth(self) -> float:
        """The last eighth's median over that of the eighth before: threads are made when faults first need them.

        What leaks grows to the end; what was never needed before makes a step.
        """
        eighth = max(1, len(self.samples) // 8)
        return statistics.median(self.samples[-eighth:]) / statistics.median(self.samples[-2 * eighth : -eighth])


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--minutes", type=float, default=20)
    asked.add_argument("--seed", type=int, default=None)
    asked.add_argument("--per-s", type=float, default=4, help="requests per second")
    asked.add_argument("--json", dest="report", type=Path, help="where to write the report as JSON")
    given = asked.parse_args()
    seed = random.randrange(10_000) if given.seed is None else given.seed
    out.print(f"soak of {given.minutes:g} minutes, seed {seed}")
    with tempfile.TemporaryDirectory(prefix="vidpoll-soak-") as folder:
        Path(folder).chmod(0o755)
        postgres = Postgres(Path(folder) / "postgres")
        fleet = Fleet(Path(folder) / "fleet", postgres, workers=2, limits=LIMITS)
        try:
            fleet.reset()
            report = _soak(fleet, seed, given.minutes * 60, given.per_s)
        finally:
            fleet.stop()
            postgres.stop()
    if given.report:
        given.report.write_text(json.dumps(report, indent=2) + "\n")
    return _tell(report)


def _soak(fleet: Fleet, seed: int, seconds: float, per_s: float) -> dict[str, object]:
    fleet.simulate("durations", median_s=6, sigma=0.6, fixed_s=1, scale=1)
    fleet.simulate("faults", job_failed=0.03, job_filtered=0.03)
    load, memory = Load(fleet, random.Random(seed)), Memory(fleet)
    chaos, dice, struck = Chaos(fleet, random.Random(seed + 1)), random.Random(seed + 2), Counter[str]()
    stop, began = threading.Event(), time.monotonic()
    asking = threading.Thread(target=load.run, args=(stop, per_s), daemon=True)
    asking.start()
    while (elapsed := time.monotonic() - began) < seconds:
        name = chaos.strike()
        struck[name] += 1
        memory.sample()
        counts = fleet.status_counts()
        out.print(
            f"{elapsed:5.0f} s  {len(load.ids)} asked for  {dict(counts)}  {memory.samples[-1]:.0f} MB  {name}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        time.sleep(dice.uniform(1, 6))
    stop.set()
    asking.join()
    return _report(fleet, load, memory, struck, seed, seconds)


def _report(
    fleet: Fleet, load: Load, memory: Memory, struck: Counter[str], seed: int, seconds: float
) -> dict[str, object]:
    """Faults off, everything up: what is open must end, then the verdict."""
    fleet.simulate("faults", job_failed=0, job_filtered=0)
    over = time.monotonic()
    rows = fleet.settled(load.ids, within_s=240)
    settled_s = time.monotonic() - over
    memory.sample()
    told, redis = fleet.report(), fleet.redis()
    broken = broken_promises(fleet, load.ids)
    if memory.growth > 1.08 or memory.samples[-1] > 2 * memory.samples[0]:
        broken.append(f"memory grew from {memory.samples[0]:.0f} to {memory.samples[-1]:.0f} MB, and grows")
    return {
        "seed": seed,
        "seconds": seconds,
        "faults": dict(struck.most_common()),
        "faults_made": sum(struck.values()),
        "asked_for": len(load.ids),
        "told_unavailable": load.refused,
        "outcomes": outcomes(rows),
        "submit_calls": told["submit_calls"],
        "status_calls": told["status_calls"],
        "charged": told["charged"],
        "duplicate_charges": told["duplicate_charges"],
        "settled_after_s": round(settled_s, 1),
        "worker_mb_first_and_last": [round(memory.samples[0]), round(memory.samples[-1])],
        "memory_growth": round(memory.growth, 3),
        "redis_keys_left": redis.dbsize(),
        "redis_mb": round(redis.info("memory")["used_memory"] / 1e6, 1),
        "database_mb": round(float(fleet.sql("SELECT pg_database_size(current_database()) / 1e6 AS mb")[0]["mb"]), 1),
        "broken_promises": broken,
    }


def _tell(report: dict[str, object]) -> int:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in report.items():
        table.add_row(name.replace("_", " "), json.dumps(value, default=str))
    out.print(table)
    out.print("[bold red]a promise was broken[/]" if report["broken_promises"] else "[green]the promise was kept[/]")
    return 1 if report["broken_promises"] else 0


if __name__ == "__main__":
    sys.exit(main())
