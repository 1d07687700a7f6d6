"""One simulation: a whole vidpoll, and everything that may happen to it, decided by one seed."""

import logging
import random
import traceback
import uuid
from pathlib import Path
from typing import Any, Final

import psycopg
import redis

from tests.simulation import servers
from tests.simulation.accounts import BURST, RATE, TARGETS
from tests.simulation.faults import CALM, ROUGH, Trouble
from tests.simulation.fleet import Delays, Fleet, Worker
from tests.simulation.strands import Loop
from tests.simulation.time import Time
from tests.simulation.trace import Trace
from tests.simulation.vendors import Ledger, Watched
from vidpoll import restore
from vidpoll.errors import WrongState
from vidpoll.generation import GenerationRequest
from vidpoll.simulator import Durations, Faults

#: More calls than any limit.
UNTOLD: Final = 1000
#: Prompts that several generations share, so that look-ups find more than one that fits.
SHARED: Final = ["a fox", "an owl"]
#: Vendor faults, and how likely each is while it is on.
VENDOR_FAULTS: Final = {
    "submit_429": 0.4, "submit_500": 0.5, "submit_cut_before": 0.4, "submit_cut_after": 0.4, "submit_500_after": 0.4,
    "submit_reset_mid_body": 0.3, "status_429": 0.3, "status_500": 0.5, "status_cut": 0.4, "status_html": 0.4,
    "status_html_200": 0.4, "status_empty": 0.4, "status_truncated": 0.4, "status_huge": 0.1, "status_drip": 0.1,
    "status_unauthorized": 0.1, "status_not_found": 0.3, "status_unknown_word": 0.3, "status_no_url": 0.5,
    "status_backwards": 0.3, "not_found_first": 2, "lookup_500": 0.5, "cancel_500": 0.5, "cancel_refused": 0.5,
    "cancel_ignored": 0.5, "job_lost": 0.1, "job_failed": 0.3, "job_filtered": 0.3, "job_partial": 0.3,
    "quota": "x-ratelimit",
}  # fmt: skip
ROUGH_DELAYS: Final = Delays(dropped=0.02, doubled=0.04, late=0.04)


class Sim:
    """A whole vidpoll.

    Attributes:
        accepted: generations that somebody was told are accepted.
        given_up: those a person failed.
        problems: what must not be, found on the way.
    """

    def __init__(self, seed: int, database_url: str, redis_url: str, folder: Path) -> None:
        self.seed, self.dice, self.trace = seed, random.Random(seed), Trace()
        self.loop = Loop()
        self.time = Time(self.loop, vendors_ahead_s=self.dice.uniform(-20, 20))
        self.trouble = Trouble(self.loop, self.dice, self.trace, lambda strand: self.fleet.kill_of(strand))  # noqa: PLW0108
        limit = RATE + BURST
        self.world = Watched(
            Durations(median_s=15, sigma=1.0, fixed_s=3), seed=seed, clock=self.time.vendors,
            limits={"submit": limit, "status": limit},
        )  # fmt: skip
        self.ledger = self.world.ledger = Ledger()
        self.world.loop = self.loop
        self.database = psycopg.connect(database_url, autocommit=True)
        self.database.execute("TRUNCATE generations, generation_events, dead_letters RESTART IDENTITY")
        self.redis = redis.Redis.from_url(redis_url)
        self.redis.flushall()
        self._engine = servers.postgres(database_url, self.time, self.trouble)
        self.store = servers.OrderedStore(self._engine)
        self.fleet = Fleet(
            self.loop, self.time, self.dice, self.trouble, self.trace, self.world, self.store, redis_url, folder
        )
        self.accepted: set[uuid.UUID] = set()
        self.given_up: set[uuid.UUID] = set()
        self.problems: list[str] = []
        self._turns = 0
        self.requests: list[GenerationRequest] = []
        self._raised = Raised(self.problems)
        logging.getLogger("vidpoll").addHandler(self._raised)

    def close(self) -> None:
        """End everything that runs."""
        while self.fleet.running:
            for strand in list(self.fleet.running):
                self.loop.doom(strand)
            self.loop.run_until(self.loop.now)
        self.loop.close()
        logging.getLogger("vidpoll").removeHandler(self._raised)
        self._engine.dispose()
        for worker in self.fleet.workers:
            worker.services.lanes._redis.close()
        self.database.close()
        self.redis.close()

    def uuid4(self) -> uuid.UUID:
        """In place of the real one."""
        return uuid.UUID(int=self.dice.getrandbits(128), version=4)

    # -- what clients ask for -----------------------------------------------------------------------------------------

    def request(self, account: str, prompt: str, **more: Any) -> GenerationRequest:
        provider, model = TARGETS[account]
        fields = {"owner": "o", **more}
        request = GenerationRequest(provider=provider, model=model, prompt=prompt, id=self.uuid4(), **fields)
        self.requests.append(request)
        return request

    def send(self, request: GenerationRequest) -> None:
        """A message asks for it; the broker keeps it until it is accepted."""
        self.note("send", request.id, request.provider)
        self.fleet.from_outside(
            f"accept {str(request.id)[:8]}", lambda worker: self.accepted.add(worker.lifecycle.accept(request).id)
        )

    def insert(self, request: GenerationRequest) -> None:
        """The client makes the row, and its message is lost."""
        self.note("insert", request.id, request.provider)
        client = self.fleet.any()
        self.fleet.run(
            client, f"insert {str(request.id)[:8]}", lambda: self.accepted.add(self.store.accept(request).id)
        )

    def cancel(self, id: uuid.UUID) -> None:
        self.note("cancel", id)
        self.fleet.from_outside(f"cancel {str(id)[:8]}", lambda worker: worker.lifecycle.cancel(id))

    def refresh(self, id: uuid.UUID) -> None:
        self.note("refresh", id)
        self.fleet.from_outside(f"refresh {str(id)[:8]}", lambda worker: worker.lifecycle.refresh(id))

    def decide(self, id: uuid.UUID) -> None:
        """A person looks at the vendor's console, and decides what becomes of an unknown one."""
        paid = self.ledger.charges.get(id)
        if not paid and (self.ledger.calling[id] or self.dice.random() < 0.5):
            return
        self.note("person decides", id, paid)

        def verb(worker: Worker) -> None:
            try:
                if paid:
                    worker.lifecycle.unknowns.resolve(id, paid[0])
                else:
                    self.given_up.add(id)
                    worker.lifecycle.unknowns.fail(id)
            except WrongState:
                pass  # it moved on meanwhile

        self.fleet.from_outside(f"decide {str(id)[:8]}", verb)

    # -- what goes on by itself ---------------------------------------------------------------------------------------

    def tick(self, worker: Worker) -> None:
        self.fleet.tick(worker)
        self.loop.run_until(self.loop.now)

    def turn(self) -> None:
        """The next dispatcher looks at the lanes."""
        self._turns += 1
        self.fleet.tick(self.fleet.workers[self._turns % len(self.fleet.workers)])

    def restore(self) -> None:
        """Beat asks for it."""
        worker = self.fleet.any()
        self.fleet.run(worker, "restore", lambda: restore.restore_stuck(worker.services, worker.lifecycle))
        self.loop.run_until(self.loop.now)

    def advance(self, seconds: float) -> None:
        """Time passes, and the dispatchers turn."""
        end, every = self.loop.now + seconds, 0.12 if seconds < 1 else 0.5
        while self.loop.now < end:
            self.turn()
            self.loop.run_until(min(end, self.loop.now + every))

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    def kill(self, worker: Worker) -> None:
        self.fleet.kill(worker)
        self.loop.run_until(self.loop.now)

    def flush(self) -> None:
        """Redis loses everything."""
        self.note("FLUSHALL")
        self.redis.flushall()
        self.trouble.disturb(2 * BURST)

    def drop_messages(self) -> None:
        self.note("all tasks dropped")
        self.fleet.queue.drop()

    def hold_messages(self, seconds: float) -> None:
        """The workers are busy, or the broker is: what is published comes late, all at once."""
        self.note("tasks are held for", seconds)
        self.fleet.queue.held_until = self.loop.now + seconds

    def away(self, kind: str, seconds: float) -> None:
        self.note(kind, "is away for", seconds)
        self.trouble.away[kind] = self.loop.now + seconds

    def step_redis_clock(self, seconds: float) -> None:
        self.note("the clock of Redis steps by", seconds)
        self.time.redis_ahead_s += seconds
        # Until every worker has heard of it, grants are taken for older or newer ones.
        heard = max(self.loop.now, self.trouble.away.get("redis", 0.0)) + 10.0
        for after in range(0, round(heard - self.loop.now), 3):
            self.loop.at(self.loop.now + after, lambda: self.trouble.disturb(UNTOLD))

    def vendors(self, **faults: Any) -> None:
        """Set these vendor faults, and no others."""
        self.note("vendor faults", faults)
        self.world.faults = Faults()
        self.world.faults.change(faults)

    def rough(self, on: bool) -> None:
        """Whether calls, messages and workers fail by themselves."""
        self.trouble.odds = dict(ROUGH if on else CALM)
        self.fleet.queue.delays = ROUGH_DELAYS if on else Delays()

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.rough(False)
        self.vendors()
        self.trouble.away.clear()
        self.trouble.armed.clear()

    # -- looking ------------------------------------------------------------------------------------------------------

    def rows(self, where: str = "true") -> list[dict[str, Any]]:
        """Rows as they stand, by their own connection."""
        with self.database.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return cursor.execute(f"SELECT * FROM generations WHERE {where} ORDER BY id").fetchall()

    def note(self, *words: object) -> None:
        self.trace.note(self.loop.now, "--", *words)

    def found(self) -> None:
        """Tell of tasks that raised what they must not."""
        self.problems += [f"a task raised {''.join(traceback.format_exception(error))}" for error in self.fleet.broken]
        self.fleet.broken.clear()


class Raised(logging.Handler):
    """vidpoll logs an exception with its stack when it does not know it: nothing in here may be unknown to it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._problems = problems

    def emit(self, record: logging.LogRecord) -> None:
        """One of them."""
        if record.exc_info:
            self._problems.append(f"logged as unexpected: {record.getMessage()}: {record.exc_info[1]!r}")
