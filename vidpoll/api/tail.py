"""One reader of ``generation_events`` for everybody in this process who waits for events.

It looks when the doorbell rings, and every two seconds in case a ring got lost. Events are found by the transactions
that wrote them, so that none is missed because it was committed later than one with a greater id.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from uuid import UUID

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from vidpoll.doorbell import CHANNEL
from vidpoll.errors import StoreUnavailable
from vidpoll.store.live import PAGE, Event, LiveStore

log = logging.getLogger("vidpoll.api")

#: Seconds between two looks when the doorbell is silent.
TURN_S: Final = 2.0
#: Seconds between two looks at least; and a look that took long is followed by a rest so many times as long.
REST_S: Final = 0.02
REST_FACTOR: Final = 5.0
#: Events that may wait for one follower; one that is slower than that is cut off.
BACKLOG: Final = 256
#: Seconds until Redis is tried again.
_RECONNECT_S: Final = 1.0


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
        """Add an event; a follower that does not take its events is closed."""
        if len(self._waiting) >= BACKLOG:
            self.close()
        else:
            self._waiting.append(told)
            self._news.set()

    def close(self) -> None:
        """Have it end."""
        self.closed = True
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
        self._redis = redis.asyncio.Redis.from_url(
            redis_url, socket_connect_timeout=5, health_check_interval=15, retry=Retry(NoBackoff(), 0)
        )
        self._rang = asyncio.Event()
        self._since = 0
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
        for following in [one for some in self._followers.values() for one in some]:
            following.close()

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
                    await asyncio.sleep(TURN_S)
                except Exception:
                    log.exception("events are late")  # one that cannot be read must not silence all the streams
                    await asyncio.sleep(TURN_S)
                await asyncio.sleep(max(REST_S, REST_FACTOR * (time.monotonic() - began)))
                await self._ring_or_turn()
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
        seen: set[int] = set()
        if self._since and self._count:
            after = 0
            while page := await self._live.events_since(self._since, after):
                for event in page:
                    if event.id not in self._seen:
                        self._tell(event)
                    seen.add(event.id)
                after = page[-1].id
                if len(page) < PAGE:
                    break
        self._since, self._seen = horizon.oldest, seen

    def _tell(self, event: Event) -> None:
        told = Told(event, self._since)
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
            except redis.RedisError as error:
                log.warning("the doorbell is silent: %s", error)
                await asyncio.sleep(_RECONNECT_S)
