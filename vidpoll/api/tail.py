"""One reader of ``generation_events`` for everybody in this process who waits for events.

It looks when the doorbell rings, and every two seconds in case a ring got lost. Events are found by the transactions
that wrote them, so that none is missed because it was committed later than one with a greater id.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from uuid import UUID

from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from vidpoll.doorbell import CHANNEL
from vidpoll.errors import StoreUnavailable
from vidpoll.redis_url import connect_async
from vidpoll.store.live import PAGE, Event, Horizon, LiveStore

log = logging.getLogger("vidpoll.api")

#: Seconds between two looks when the doorbell is silent.
TURN_S: Final = 2.0
#: Seconds between two looks at least; a look that took long is followed by a rest so many times as long, up to a turn.
REST_S: Final = 0.02
REST_FACTOR: Final = 5.0
#: Events that may still wait for a follower when a look begins; one that is slower is cut off.
BACKLOG: Final = 256
#: Seconds until Redis is tried again.
_RECONNECT_S: Final = 1.0
#: Seconds until Postgres is tried again.
RETRY_S: Final = 0.5


class Told(NamedTuple):
    """An event as a follower gets it.

    Attributes:
        cursor: events of transactions before this one have all been told.
    """

    event: Event
    cursor: int


class Following:
    """What one follower waits for. Made by :meth:`Tail.follow`.

    Attributes:
        closed: nothing more will come: the follower was too slow, or this process ends.
    """

    __slots__ = ("_news", "_waiting", "closed", "project_id")

    def __init__(self, project_id: str | None) -> None:
        self.project_id = project_id
        self.closed = False
        self._waiting: list[Told] = []
        self._news = asyncio.Event()

    async def something(self, timeout_s: float) -> bool:
        """Wait until there is something to take, or it is closed; False when the time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> list[Told]:
        """What came since the last time."""
        told, self._waiting = self._waiting, []
        if not self.closed:
            self._news.clear()
        return told

    def tell(self, told: Told) -> None:
        """Add an event."""
        if not self.closed:
            self._waiting.append(told)
            self._news.set()

    def is_slow(self) -> bool:
        """Whether it has not taken what it was told some time ago."""
        return len(self._waiting) > BACKLOG

    def close(self) -> None:
        """Have it end, without what it has not taken."""
        self.closed = True
        self._waiting = []
        self._news.set()


class Tail:
    """Follows the table, tells the followers. ``run`` is a task for the process's life.

    Example::

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tail.run())
            with tail.follow("alice", id=id) as following:
                await following.something(30)
                print(following.take())
    """

    def __init__(self, live: LiveStore, redis_url: str) -> None:
        self._live = live
        self._redis = connect_async(
            redis_url, socket_connect_timeout=5, health_check_interval=15, retry=Retry(NoBackoff(), 0)
        )
        self._rang = asyncio.Event()
        self._last: Horizon | None = None
        self._seen: set[int] = set()
        self._followers: dict[UUID | str, set[Following]] = defaultdict(set)  # of a generation, or of an owner
        self._count: dict[str, int] = defaultdict(int)

    # -- followers ----------------------------------------------------------------------------------------------------

    @contextmanager
    def follow(self, owner: str, *, id: UUID | None = None, project_id: str | None = None) -> Iterator[Following]:
        """Follow one generation of the owner (the caller has made sure it is), or all, or those of a project.

        What was committed before is to be read after this began: then nothing falls in between.
        """
        following = Following(project_id)
        followed = owner if id is None else id
        self._followers[followed].add(following)
        self._count[owner] += 1
        try:
            yield following
        finally:
            self._followers[followed].discard(following)
            if not self._followers[followed]:
                del self._followers[followed]
            self._count[owner] -= 1
            if not self._count[owner]:
                del self._count[owner]

    def count(self, owner: str | None = None) -> int:
        """How many follow, of an owner or of all."""
        return sum(self._count.values()) if owner is None else self._count.get(owner, 0)

    def close(self) -> None:
        """End every follower, because this process ends."""
        for following in self._all():
            following.close()

    def _all(self) -> list[Following]:
        return [one for some in self._followers.values() for one in some]

    # -- the loop -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow until cancelled."""
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                began = time.monotonic()
                try:
                    await self._look()
                except StoreUnavailable as error:
                    log.warning("events are late: %s", error)
                except Exception:
                    log.exception("events are late")  # one that cannot be read must not silence all the streams
                else:
                    await asyncio.sleep(_rest_s(time.monotonic() - began))
                    await self._ring_or_turn()
                    continue
                await asyncio.sleep(RETRY_S)
        finally:
            listening.cancel()
            await self._redis.aclose()

    async def _ring_or_turn(self) -> None:
        try:
            async with asyncio.timeout(TURN_S):
                await self._rang.wait()
        except TimeoutError:
            pass
        self._rang.clear()

    async def _look(self) -> None:
        """Tell what is new. The horizon is taken first: what commits after it is found the next time."""
        horizon = await self._live.horizon()
        for following in self._all():
            if following.is_slow():
                following.close()
        told = set[int]()
        if self._last and self._count:
            async for event in self._events_since(self._last):
                if event.id not in self._seen:
                    self._tell(event, self._last.oldest)
                if not horizon.is_past(event.transaction):
                    told.add(event.id)  # the next look finds it again
        self._last, self._seen = horizon, told

    async def _events_since(self, moment: Horizon) -> AsyncIterator[Event]:
        after = 0
        while page := await self._live.events_since(moment, after):
            for event in page:
                yield event
            after = page[-1].id
            if len(page) < PAGE:
                return

    def _tell(self, event: Event, cursor: int) -> None:
        told = Told(event, cursor)
        for followed in (event.generation_id, event.owner):
            for following in self._followers.get(followed, ()):
                if following.project_id in (None, event.project_id):
                    following.tell(told)

    async def _listen(self) -> None:
        """Hear the doorbell; while Redis is away the turns go on."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(CHANNEL)
                    while True:
                        if await channel.get_message(timeout=30):
                            self._rang.set()
            except Exception as error:  # whatever it is, the turns go on
                log.warning("the doorbell is silent: %s: %s", type(error).__name__, error)
                await asyncio.sleep(_RECONNECT_S)


def _rest_s(look_took_s: float) -> float:
    return min(TURN_S, max(REST_S, REST_FACTOR * look_took_s))
