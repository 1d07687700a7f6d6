"""The real adapters over a wire that is none: calls go to the simulated vendors in this process, in virtual time.

The ledger knows what nobody else can: for which generation every job was really paid, and when every call arrived.
"""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from tests.simulation.faults import Trouble
from tests.simulation.strands import Killed, Loop, Strand
from vidpoll import providers
from vidpoll.accounts import Account
from vidpoll.providers.base import Provider
from vidpoll.providers.http import CHECK_DEADLINE_S, READ_TIMEOUT_S, Answer, CallFailed
from vidpoll.providers.outcomes import FailureClass, Submitted
from vidpoll.providers.quota import Spent, Verb
from vidpoll.simulator import Call, Reply, World, answer
from vidpoll.simulator.jobs import Job
from vidpoll.steps import STORE_PAUSES_S

#: Seconds for which a worker tries to store what only it knows.
PATIENCE_S: Final = sum(STORE_PAUSES_S)


@dataclass
class Ledger:
    """What really happened at the vendors.

    Attributes:
        charges: the names of the jobs paid for each generation.
        arrivals: the moments at which calls of a key and verb arrived.
        told: generations whose operation the vendor told to a worker, to whom and when.
        calling: generations whose paid call is under way, and how often.
    """

    charges: dict[UUID, list[str]] = field(default_factory=lambda: defaultdict(list))
    arrivals: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    calling: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    payer: UUID | None = None
    told: dict[UUID, tuple[Strand, float]] = field(default_factory=dict)

    def forgets(self, strand: Strand, now: float) -> None:
        """A worker was killed before it noted what a vendor told; or Postgres was away for a minute."""
        for id, (teller, moment) in list(self.told.items()):
            if teller is strand and (isinstance(strand.error, Killed) or now - moment > PATIENCE_S):
                del self.told[id]


class Watched(World):
    """Vendors that write the ledger."""

    ledger: Ledger
    loop: Loop

    def arrives(self, key: str, verb: Any) -> bool:
        """A call arrives."""
        self.ledger.arrivals[key, verb].append(self.loop.now)
        return super().arrives(key, verb)

    def accept(self, *args: Any, **kwargs: Any) -> Job:
        """A job is taken, and paid for."""
        job = super().accept(*args, **kwargs)
        assert self.ledger.payer is not None, "a paid call for no generation"
        self.ledger.charges[self.ledger.payer].append(job.name)
        return job


@dataclass
class Wire:
    """What lies between an adapter and its vendor; the same verbs as ``vidpoll.providers.http.Http``."""

    account: Account
    world: Watched
    loop: Loop
    trouble: Trouble
    dice: random.Random
    paying: dict[Strand, UUID]
    start: Callable[..., Strand]

    def __post_init__(self) -> None:
        self.spent = Spent(lambda: self.loop.now)

    def check(self, method: str, path: str, headers: Mapping[str, str], body: object = None) -> Answer:
        """A call that may be repeated."""
        answer = self._call(method, path, headers, body, CHECK_DEADLINE_S, None)
        self.spent.note("status", answer.spent_for)
        return answer

    def submit(self, path: str, headers: Mapping[str, str], body: object, *, method: str = "POST") -> Answer:
        """The paid call."""
        assert self.loop.current is not None
        payer = self.paying[self.loop.current]
        answer = self._call(method, path, headers, body, self.account.submit_timeout_s, payer)
        self.spent.note("submit", answer.spent_for)
        return answer

    def out_of_quota(self, verb: Verb) -> float | None:
        """What the answers told of the calls that are left."""
        return self.spent.take(verb)

    def side_by_side(self, call: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """All at the same time."""
        return [call(items[0])] if len(items) == 1 else self.loop.together(call, items, self.start)

    def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: object, timeout_s: float, payer: UUID | None
    ) -> Answer:
        lowered = {name.lower(): value for name, value in headers.items()}
        data = b"" if body is None else json.dumps(body).encode()
        call = Call(method, urlsplit(self.account.base_url).path + path, lowered, data)
        what = f"{self.account.name} {'SUBMIT' if payer else method} {path[-40:]}"
        deadline = self.loop.now + timeout_s

        def reach() -> Reply:
            self.loop.sleep(self.dice.uniform(0.001, 0.008))
            if self.dice.random() < self.trouble.odds["call"].stalls / 4:
                self._arrives_after_the_deadline(call, payer, deadline)
            return self._at_vendor(call, payer)

        reply = self.trouble.around("call", what, reach, self._failure(payer))
        return self._received(reply, deadline)

    def _at_vendor(self, call: Call, payer: UUID | None) -> Reply:
        ledger = self.world.ledger
        before = ledger.payer
        ledger.payer = payer
        try:
            return answer(self.world, call)
        finally:
            ledger.payer = before

    def _arrives_after_the_deadline(self, call: Call, payer: UUID | None, deadline: float) -> None:
        """It lies in a gateway until nobody waits for it any more; then the vendor takes it up."""
        self.loop.at(deadline + self.dice.uniform(0.0, 5.0), lambda: self._at_vendor(call, payer))
        self.trouble.disturb(1)
        self._too_slow(deadline)

    def _failure(self, payer: UUID | None) -> Callable[[str], Exception]:
        def failed(reason: str) -> Exception:
            # Where nothing was connected, half of the failures cannot be told from those of a call that was sent.
            sent = reason != "no connection" or self.dice.random() < 0.5
            return CallFailed(reason, sent=sent, failure_class=FailureClass.NETWORK)

        return failed

    def _received(self, reply: Reply, deadline: float) -> Answer:
        slow = self.dice.random() < self.trouble.odds["call"].stalls
        self.loop.sleep(self.dice.uniform(2.0, 40.0) if slow else self.dice.uniform(0.01, 0.12))
        if self.loop.now + reply.delay_s > deadline or reply.manner in ("drip", "drip_headers"):
            self._too_slow(deadline)
        self.loop.sleep(reply.delay_s)
        if reply.manner != "whole":
            raise CallFailed("the connection broke", sent=True, failure_class=FailureClass.NETWORK)
        if reply.chunks is not None:
            raise CallFailed("the answer is too large", sent=True, failure_class=FailureClass.TOO_LARGE)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return Answer(reply.status, headers, reply.data())

    def _too_slow(self, deadline: float) -> None:
        self.loop.sleep(max(0.0, min(deadline - self.loop.now, READ_TIMEOUT_S)))
        raise CallFailed("no complete answer in time", sent=True, failure_class=FailureClass.TOO_SLOW)


class Attributed:
    """An adapter, and for whom it pays."""

    def __init__(self, adapter: Provider, wire: Wire) -> None:
        self._adapter, self._wire = adapter, wire
        self.capabilities = adapter.capabilities
        self.problems, self.check = adapter.problems, adapter.check
        self.cancel, self.look_up, self.out_of_quota = adapter.cancel, adapter.look_up, adapter.out_of_quota

    def submit(self, request: Any, our_id: UUID, *, replay: bool) -> Any:
        """The paid call of this generation."""
        strand, calling = self._wire.loop.current, self._wire.world.ledger.calling
        assert strand is not None
        self._wire.paying[strand] = our_id
        calling[our_id] += 1
        try:
            outcome = self._adapter.submit(request, our_id, replay=replay)
            if isinstance(outcome, Submitted):
                self._wire.world.ledger.told[our_id] = strand, self._wire.loop.now
            return outcome
        finally:
            del self._wire.paying[strand]
            calling[our_id] -= 1


def adapter(wire: Wire) -> Attributed:
    """The real adapter of the wire's account."""
    return Attributed(providers.adapter_of(wire.account, wire), wire)  # type: ignore[arg-type]
