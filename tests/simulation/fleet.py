"""Workers that live and die, and the queue between their dispatchers and them."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from tests.simulation import servers, vendors
from tests.simulation.accounts import LEASE_S, accounts
from tests.simulation.faults import Trouble
from tests.simulation.strands import Killed, Loop, Strand
from tests.simulation.time import Time, WorkerClock
from tests.simulation.trace import Trace
from vidpoll import messages
from vidpoll.dispatcher import SIDE_BY_SIDE, Dispatcher
from vidpoll.errors import Unavailable
from vidpoll.heartbeats import Heartbeats
from vidpoll.lanes import Lanes
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services, build
from vidpoll.settings import Settings
from vidpoll.store import Store

WORKERS: Final = 2


class Worker:
    """A process: what it remembers dies with it."""

    def __init__(self, name: str, services: Services, queues: "Queue") -> None:
        self.name, self.services = name, services
        self.lifecycle = Lifecycle(services)
        self.dispatcher = Dispatcher(services, queues, queue_limit=16)
        self.strands: list[Strand] = []
        self.dispatching = False


@dataclass
class Delays:
    """What becomes of messages on their way, as probabilities."""

    dropped: float = 0.0
    doubled: float = 0.0
    late: float = 0.0


class Queue:
    """Tasks on their way from dispatchers to workers: soon and in order, unless something goes wrong."""

    def __init__(self, loop: Loop, dice: random.Random, trouble: Trouble, deliver: Callable[..., object]) -> None:
        self._loop, self._dice, self._trouble, self._deliver = loop, dice, trouble, deliver
        self._waiting: Counter[str] = Counter()
        self._generation = 0
        self.delays = Delays()
        self.held_until = 0.0

    def length(self, queue: str) -> int:
        """How many wait in a queue of Celery's."""
        return self._waiting[queue]

    def publish(self, task: str, kwargs: dict[str, Any]) -> None:
        """A dispatcher hands out a task."""
        if self._dice.random() < self.delays.dropped:
            return
        self._send(task, kwargs)
        if self._dice.random() < self.delays.doubled:
            self._trouble.disturb(SIDE_BY_SIDE)
            self._send(task, kwargs)

    def drop(self) -> None:
        """Everything that waits is gone."""
        self._generation += 1
        self._waiting.clear()

    def _send(self, task: str, kwargs: dict[str, Any]) -> None:
        late = self._dice.random() < self.delays.late
        delay = self._dice.choice([0.3, 0.9, 1.5, 20.0]) if late else self._dice.uniform(0.003, 0.09)
        arrives_at = max(self._loop.now + delay, self.held_until)
        queue, generation = messages.QUEUE_OF[task], self._generation
        self._waiting[queue] += 1

        def arrive() -> None:
            if generation != self._generation:
                return
            self._waiting[queue] -= 1
            self._deliver(task, kwargs)

        self._loop.at(arrives_at, arrive)


class Fleet:
    """All workers.

    Attributes:
        broken: what tasks raised that they must never raise.
    """

    def __init__(
        self, loop: Loop, time: Time, dice: random.Random, trouble: Trouble, trace: Trace, world: vendors.Watched,
        store: Store, redis_url: str, folder: Path,
    ) -> None:  # fmt: skip
        self._loop, self._time, self._dice, self._trouble, self._trace = loop, time, dice, trouble, trace
        self._world, self._store, self._redis_url = world, store, redis_url
        self._settings = Settings(
            redis_url=redis_url, database_url="postgresql://nowhere/none", lease_s=LEASE_S, providers_file=_file(folder)
        )
        self.broken: list[BaseException] = []
        self.running: dict[Strand, Worker] = {}
        self._started = 0
        self.queue = Queue(loop, dice, trouble, self.deliver)
        self.workers = [self._born() for _ in range(WORKERS)]

    def any(self) -> Worker:
        """One that takes the next message."""
        return self._dice.choice(self.workers)

    def run(
        self, worker: Worker, name: str, work: Callable[[], object], done: Callable[[Strand], None] | None = None
    ) -> Strand:
        """Have a worker do something, from now on."""
        self._started += 1

        def ended(strand: Strand) -> None:
            del self.running[strand]
            if strand.error:
                self._world.ledger.forgets(strand, self._loop.now)
            if strand.error and not isinstance(strand.error, Unavailable | Killed):
                self.broken.append(strand.error)
            if done:
                done(strand)

        strand = Strand(f"{worker.name}:{name}#{self._started}", work, ended)
        self.running[strand] = worker
        self._loop.start(strand)
        return strand

    def deliver(self, task: str, kwargs: dict[str, Any]) -> None:
        """A worker takes a message of a dispatcher."""
        worker, ids = self.any(), [UUID(id) for id in kwargs["ids"]]
        verb = worker.lifecycle.submit if task == messages.SUBMIT else worker.lifecycle.check
        names = ",".join(str(id)[:8] for id in ids)
        name = f"{task.removeprefix('vidpoll.')} {kwargs['account']} {names}"
        self.run(worker, name, lambda: verb(kwargs["account"], ids, kwargs["call_at_us"]))

    def from_outside(self, name: str, verb: Callable[[Worker], object], done: Callable[[], None] | None = None) -> None:
        """A message that is kept until a worker has done what it asks for."""

        def ended(strand: Strand) -> None:
            if strand.error:
                self._loop.at(self._loop.now + self._dice.uniform(5, 40), lambda: self.from_outside(name, verb, done))
            elif done:
                done()

        worker = self.any()
        self.run(worker, name, lambda: verb(worker), ended)

    def tick(self, worker: Worker) -> None:
        """Its dispatcher looks at the lanes."""
        if worker.dispatching:
            return
        worker.dispatching = True

        def ended(_: Strand) -> None:
            worker.dispatching = False

        self.run(worker, "tick", worker.dispatcher.tick, ended)

    def kill(self, worker: Worker) -> None:
        """SIGKILL; another one is started in its place."""
        self._trace.note(self._loop.now, "killed", worker.name)
        self.workers[self.workers.index(worker)] = self._born()
        for strand in [one for one, theirs in self.running.items() if theirs is worker]:
            self._loop.doom(strand)

    def kill_of(self, strand: Strand) -> None:
        """The same, of a strand's worker; nothing if it is dead already."""
        if self.running[strand] in self.workers:
            self.kill(self.running[strand])

    def _born(self) -> Worker:
        self._started += 1
        name = f"w{self._started}"
        clock = WorkerClock(self._loop, began=1000.0 * self._started)
        client, paying = servers.client(self._redis_url, self._time, self._trouble), dict[Strand, UUID]()
        wires = {
            account.name: vendors.Wire(
                account, self._world, self._loop, self._trouble, self._dice, paying, self._child
            )
            for account in ACCOUNTS.accounts.values()
        }  # fmt: skip
        services = replace(
            build(self._settings),
            store=self._store,
            lanes=Lanes(client, clock=clock, controls=self._store.control),
            heartbeats=Heartbeats(client),
            providers={name: vendors.adapter(wire) for name, wire in wires.items()},
            accounts=ACCOUNTS,
            clock=clock,
        )
        return Worker(name, services, self.queue)

    def _child(self, name: str, work: Callable[[], object], done: Callable[[Strand], None]) -> Strand:
        assert self._loop.current is not None
        return self.run(self.running[self._loop.current], name.partition(":")[2], work, done)


ACCOUNTS: Final = accounts()


def _file(folder: Path) -> Path:
    """The settings ask for a file; its accounts are replaced."""
    path = folder / "providers.toml"
    path.write_text(
        '[accounts.a]\nprovider="veo"\nbase_url="http://127.0.0.1:1"\napi_key="k"\n'
        'options={dialect="gemini"}\nstatus_rate=1\nsubmit_rate=1\n[accounts.a.models.m]\n'
    )
    return path
