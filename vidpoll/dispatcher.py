"""From the lanes to the Celery queues: a thread in every worker. All of them may run, since claims are atomic."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from vidpoll import messages
from vidpoll.errors import Unavailable
from vidpoll.heartbeats import EVERY_S
from vidpoll.lanes import ARCHIVE, OTHER_LANES, PROJECTS, WEBHOOKS, Lane, both_lanes
from vidpoll.services import Services

log = logging.getLogger("vidpoll.dispatcher")

#: Shortest and longest time between two looks at a lane, seconds. The longest bounds how late an id is handed out
#: that another process put in.
TICK_S: Final = 0.04
IDLE_S: Final = 0.25
#: Seconds between grant and call. What a message takes on its way to a free thread disappears in it, so that calls
#: leave at the pace of their tokens.
LEAD_S: Final = 0.1
#: Most ids without a batch call in one task; the task calls for them side by side.
SIDE_BY_SIDE: Final = 8
#: Seconds to wait when Redis does not answer.
OUTAGE_S: Final = 1.0


class Queues(Protocol):
    """Where tasks go. Both methods raise BrokerUnavailable."""

    def publish(self, task: str, kwargs: dict[str, Any]) -> None:
        """Send a task to its queue."""

    def length(self, queue: str) -> int:
        """How many messages wait in a queue."""


class Backpressure:
    """Keeps a queue short: the backlog stays in the lanes, where priority and cancel still reach it.

    The queue's length is asked for once per ``limit / 2`` published tasks, or every tick while it is full.
    """

    def __init__(self, length: Callable[[], int], limit: int) -> None:
        self._length = length
        self._limit = limit
        self._room = 0

    def room(self) -> int:
        """How many tasks may be published now."""
        if self._room <= self._limit // 2:
            self._room = max(0, self._limit - self._length())
        return self._room

    def published(self, tasks: int) -> None:
        """Note what was published."""
        self._room -= tasks


class Dispatcher:
    """Claims due ids lane by lane, and publishes them as ``vidpoll.submit``, ``vidpoll.check_status``,
    ``vidpoll.advance``, ``vidpoll.deliver`` and ``vidpoll.archive`` tasks.

    Args:
        queue_limit: tasks a queue may hold; twice the worker's threads keeps every thread busy and little waiting.
        heartbeat: called every few seconds while dispatching goes on.
    """

    def __init__(
        self, services: Services, queues: Queues, *, queue_limit: int, heartbeat: Callable[[], None] = lambda: None
    ) -> None:
        self._services = services
        self._queues = queues
        self._monotonic = services.clock.monotonic
        self._telemetry = services.telemetry
        self._stopped = threading.Event()
        self._heartbeat, self._beat_at = heartbeat, 0.0
        self._lanes = [lane for account in services.accounts.accounts for lane in both_lanes(account)]
        self._lanes += [lane for lane in OTHER_LANES if lane != ARCHIVE or services.archive]
        self._look_at = dict.fromkeys(self._lanes, 0.0)
        self._pressure = {
            "submit": Backpressure(lambda: queues.length(messages.QUEUE_SUBMIT), queue_limit),
            "status": Backpressure(lambda: queues.length(messages.QUEUE_CHECK), queue_limit),
            "advance": Backpressure(lambda: queues.length(messages.QUEUE_PROJECTS), queue_limit),
            "deliver": Backpressure(lambda: queues.length(messages.QUEUE_WEBHOOKS), queue_limit),
            "archive": Backpressure(lambda: queues.length(messages.QUEUE_ARCHIVE), queue_limit),
        }

    def run(self) -> None:
        """Dispatch until :meth:`stop`."""
        while not self._stopped.is_set():
            try:
                wait = self.tick()
            except Unavailable as error:
                log.warning("dispatching pauses: %s", error)
                wait = OUTAGE_S
            except Exception:
                log.exception("dispatching failed, and goes on")
                wait = OUTAGE_S
            self._stopped.wait(wait)

    def stop(self) -> None:
        """Have :meth:`run` return soon; what is claimed and not published is due again after its lease."""
        self._stopped.set()

    def tick(self) -> float:
        """Look once at every lane whose time has come; seconds until the next one's."""
        now = self._monotonic()
        if self._beat_at <= now:
            self._heartbeat()
            self._beat_at = now + EVERY_S
        for lane in self._lanes:
            if self._look_at[lane] <= now:
                self._look_at[lane] = now + self._dispatched(lane)
        self._telemetry.ticked(self._monotonic() - now)
        return max(TICK_S / 4, min(self._look_at.values()) - self._monotonic())

    def _dispatched(self, lane: Lane) -> float:
        """One lane's trouble must not keep the others waiting."""
        try:
            return self._dispatch(lane)
        except Unavailable:
            raise
        except Exception:
            log.exception("dispatching from %s failed, and is tried again", lane)
            return OUTAGE_S

    def _dispatch(self, lane: Lane) -> float:
        """Hand out what the lane grants; seconds until it could grant more."""
        limits, pressure = self._services.limits(lane), self._pressure[lane.verb]
        size = _ids_per_task(lane, limits.batch)
        claim = self._services.lanes.claim(lane, limits, want=pressure.room() * size, lease_s=self._services.lease_s)
        if lane not in OTHER_LANES:
            self._telemetry.granted(lane.account, lane.verb, claim.calls(limits.batch))
        tasks: list[Sequence[UUID]] = [[id] for id in claim.ids[: claim.alone]]
        tasks += _parts(claim.ids[claim.alone :], size)
        for ids in tasks:
            self._queues.publish(*_task(lane, ids, claim.granted_at_us))
        pressure.published(len(tasks))
        return IDLE_S if claim.wait_s is None else min(IDLE_S, max(TICK_S, claim.wait_s))


def _ids_per_task(lane: Lane, batch: int) -> int:
    """One paid call per task, one project, endpoint or file; checks by the provider's batch, or a few side by side."""
    if lane.verb != "status":
        return 1
    return batch if batch > 1 else SIDE_BY_SIDE


def _parts(ids: Sequence[UUID], size: int) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _task(lane: Lane, ids: Sequence[UUID], granted_at_us: int) -> tuple[str, dict[str, Any]]:
    texts = [str(id) for id in ids]
    if lane == PROJECTS:
        return messages.ADVANCE, {"ids": texts}
    if lane == WEBHOOKS:
        return messages.DELIVER, {"ids": texts}
    if lane == ARCHIVE:
        return messages.ARCHIVE, {"ids": texts}
    name = messages.SUBMIT if lane.verb == "submit" else messages.CHECK_STATUS
    call_at_us = granted_at_us + round(LEAD_S * 1e6)
    return name, {"account": lane.account, "ids": texts, "call_at_us": call_at_us}
