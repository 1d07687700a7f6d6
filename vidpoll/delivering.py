"""Webhooks out: from events to deliveries, from deliveries to endpoints.

``make_deliveries`` turns what was committed into rows (``store/webhook_outbox.py``). ``deliver`` sends to one endpoint,
which this worker holds alone meanwhile: of each generation one event after the other, several generations side by side.
An endpoint that is down gets one try at a time, from places of their own, so those that hang take none from the others.
Lanes bring both here at once; the sweep finds what got lost.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import UUID, uuid4

from vidpoll.errors import Unavailable
from vidpoll.lanes import WEBHOOKS
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import NEWS, Services
from vidpoll.store import Store
from vidpoll.telemetry import Telemetry
from vidpoll.webhook_news import deliveries_of
from vidpoll.webhooks import events, retrying, signing
from vidpoll.webhooks.endpoints import DisabledCode, Due, Hold
from vidpoll.webhooks.places import Places
from vidpoll.webhooks.sending import Delivered, Gone, Outcome, Refused, Unreachable, now, send

log = logging.getLogger("vidpoll.delivering")

#: Seconds for which a round has an endpoint for itself: longer than its last try and all it writes.
HOLD_S: Final = 30.0
#: Seconds for which a task goes on with one endpoint; a try that has begun then is still waited for.
WORK_S: Final = 5.0
#: POSTs to one endpoint at once, each for another generation; and deliveries a round takes.
AT_ONCE: Final = 4
ROUND: Final = 40
#: Of a worker's threads, one in so many may send to endpoints that work, and one in so many probe those that do not.
WORKING_SHARE: Final = 4
PROBING_SHARE: Final = 8
#: Seconds until an endpoint is looked at again that is another worker's now, or for which no place was free.
BUSY_S: Final = 1.0
#: Seconds by which something is late before its place in the lane is not believed any more.
LOST_S: Final = 15.0


class Webhooks:
    """Delivers, on connected services.

    Args:
        threads: those of the worker; a share of them may deliver, half of it to one owner while others wait.
    """

    def __init__(self, services: Services, lifecycle: Lifecycle, *, threads: int) -> None:
        self._store = services.store
        self._lanes = services.lanes
        self._telemetry = services.telemetry
        self._steps = lifecycle.steps
        self._local = services.webhooks_local
        places, probes = max(2, threads // WORKING_SHARE), max(1, threads // PROBING_SHARE)
        self._places, self._probes = Places(places), Places(probes)
        self._senders = ThreadPoolExecutor(places * AT_ONCE, thread_name_prefix="vidpoll-webhooks")

    def work(self, ids: Sequence[UUID]) -> None:
        """Do what the lane hands out: send to endpoints, or see what is new.

        Each stays leased while it is worked on; what is put in again meanwhile stays.
        """
        for id in ids:
            with self._steps.back_in_lane_on_failure(WEBHOOKS, [id]):
                moments = self._lanes.moments(WEBHOOKS, [id])
                again_s = self._work(id)
                self._lanes.leave(WEBHOOKS, moments)
                if again_s is not None:
                    self._lanes.schedule(WEBHOOKS, {id: max(0.0, again_s)}, only_absent=True)

    def _work(self, id: UUID) -> float | None:
        try:
            if id != NEWS:
                return self._deliver(id)
            self.make_deliveries()
            return None
        except Unavailable:
            raise
        except Exception:
            log.exception("webhooks: %s is tried again", "the news" if id == NEWS else f"endpoint {id}")
            raise

    def sweep(self) -> int:
        """Find events that nobody was told of, and endpoints that wait for nothing; how many were put in the lane."""
        self.make_deliveries()
        waiting = self._store.endpoints_next()
        late = {id: 0.0 for id, seconds in waiting.items() if seconds < -LOST_S}
        others = {id: max(0.0, seconds) for id, seconds in waiting.items() if id not in late}
        return self._lanes.schedule(WEBHOOKS, late) + self._lanes.schedule(WEBHOOKS, others, only_absent=True)

    # -- from events to deliveries ------------------------------------------------------------------------------------

    def make_deliveries(self) -> None:
        """Turn what was committed since the last time into deliveries, and have their endpoints sent to."""
        told = self._store.make_deliveries(deliveries_of)
        self._lanes.schedule(WEBHOOKS, {id: 0.0 for id, free_s in told.items() if free_s <= 0})
        self._lanes.schedule(WEBHOOKS, {id: free_s for id, free_s in told.items() if free_s > 0}, only_absent=True)

    # -- from deliveries to an endpoint -------------------------------------------------------------------------------

    def _deliver(self, id: UUID) -> float | None:
        """Send to an endpoint what is due; seconds until more will be, if something waits."""
        holder = uuid4()
        hold = self._store.hold_endpoint(id, holder, HOLD_S)
        if hold is None:
            seconds = self._store.endpoints_next([id]).get(id)
            return None if seconds is None else max(BUSY_S, seconds)
        places = self._probes if retrying.is_down(hold.failures_in_a_row) else self._places
        if not places.take(hold.owner):
            self._store.let_go(id, holder)
            return BUSY_S
        try:
            self._send_for_a_while(hold, holder)
        finally:
            places.give_back(hold.owner)
            self._store.let_go(id, holder)
        return self._store.endpoints_next([id]).get(id)

    def _send_for_a_while(self, hold: Hold, holder: UUID) -> None:
        """Round by round, while there is something due and the endpoint takes it."""
        end_at = time.monotonic() + WORK_S
        held: Hold | None = hold
        while held and time.monotonic() < end_at:
            probe = retrying.is_down(held.failures_in_a_row)
            due = self._store.due_deliveries(held.id, probe=probe, most=1 if probe else ROUND)
            if not due:
                return
            one = Round(held, due, self._store, self._telemetry, local=self._local, end_at=end_at)
            others = [self._senders.submit(one.work) for _ in due[1:AT_ONCE]]
            one.work()
            for other in others:
                other.result()
            one.conclude()
            held = self._store.hold_endpoint(held.id, holder, HOLD_S)


class Round:
    """Some deliveries to one endpoint, and what they tell of it; worked off by several threads together."""

    def __init__(
        self, hold: Hold, due: Sequence[Due], store: Store, telemetry: Telemetry, *, local: bool, end_at: float
    ) -> None:
        self._hold, self._store, self._telemetry = hold, store, telemetry
        self._local, self._end_at = local, end_at
        self._lock = threading.Lock()
        self._left = deque(due)
        self._failures, self._works = hold.failures_in_a_row, False
        self._is_probe = retrying.is_down(hold.failures_in_a_row)
        self._gone: Gone | None = None
        self._wait_s: float | None = None

    def work(self) -> None:
        """Send one after the other, until none is left or they have shown that there is no use: the rest stays due."""
        while due := self._next():
            began = time.monotonic()
            signed = signing.headers(due.body, due.event_id, now(), self._hold.keys)
            outcome = send(self._hold.url, due.body, signed, local=self._local)
            self._telemetry.webhooks.tried(
                self._hold.id, due.event_id, due.event_type, type(outcome).__name__.lower(), time.monotonic() - began,
                status=outcome.status, attempt=due.attempts + 1, reason=outcome.words,
            )  # fmt: skip
            self._learn(outcome)
            self._note(due, outcome)

    def _next(self) -> Due | None:
        with self._lock:
            went_down = retrying.is_down(self._failures) and not self._is_probe
            is_over = self._gone or self._wait_s is not None or went_down or time.monotonic() > self._end_at
            return self._left.popleft() if self._left and not is_over else None

    def _learn(self, outcome: Outcome) -> None:
        with self._lock:
            match outcome:
                case Delivered():
                    self._failures, self._works = 0, True
                    return
                case Gone():
                    self._gone = outcome
                case Refused(wait_s=wait_s) if wait_s is not None:
                    self._wait_s = max(wait_s, self._wait_s or 0.0)
            if self._is_probe or not retrying.is_down(self._failures):
                self._failures += 1  # those that were under way when it went down prove nothing more

    def _note(self, due: Due, outcome: Outcome) -> None:
        match outcome:
            case Delivered(status=status):
                self._store.delivered(due.id, status)
            case Gone() | Refused() | Unreachable():
                attempts = due.attempts + int(due.counts)
                once = due.event_type == events.TEST
                again_s = None if once else retrying.again_s(max(1, attempts))
                self._store.not_delivered(
                    due.id, outcome.status, outcome.words, attempts=attempts, again_s=again_s,
                    counts=due.counts or once,
                )  # fmt: skip

    def conclude(self) -> None:
        """Note how the endpoint does, and disable one that wants nothing more or has failed for days."""
        id = self._hold.id
        if self._works:
            self._store.endpoint_works(id)
        if self._gone:
            self._disable("gone", "it answered 410 Gone")
        elif self._failures:
            self._store.endpoint_fails(id, self._failures, retrying.rest_s(self._failures, self._wait_s))
            if not self._works and (self._hold.failing_s or 0.0) > retrying.GIVE_UP_S:
                self._disable("failing", f"it failed for {retrying.GIVE_UP_S / 86400:g} days")

    def _disable(self, code: DisabledCode, reason: str) -> None:
        self._store.disable_endpoint(self._hold.id, code, reason)
        self._telemetry.webhooks.disabled(self._hold.id, code, reason)
