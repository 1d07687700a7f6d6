"""What workers tell of themselves, so that somebody else can see whether they get on with their work."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import redis

from vidpoll.errors import LanesUnavailable
from vidpoll.redis_url import explained

#: Seconds between two heartbeats of a worker.
EVERY_S: Final = 5.0
#: Seconds after which a worker that said nothing is no longer listed.
FORGET_S: Final = 600.0
_KEY: Final = "vidpoll:workers"
_SWEPT: Final = "vidpoll:swept"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A worker's last words.

    Attributes:
        name: Celery's name of the worker.
        said_s: seconds since it said so; its dispatcher turns when this is small.
        finished: tasks it has finished since it started.
        idle_s: seconds since it finished one, or started.
        queues: the queues it reads.
    """

    name: str
    said_s: float
    finished: int
    idle_s: float
    queues: tuple[str, ...]


class Heartbeats:
    """Heartbeats of all workers on one Redis. Raises LanesUnavailable when it does not answer."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client

    def beat(self, name: str, *, finished: int, idle_s: float, queues: Sequence[str]) -> None:
        """Tell that a worker is there, what it reads, and what it got done."""
        said = {"finished": finished, "idle_s": round(idle_s, 1), "queues": list(queues)}
        with _answering():
            self._redis.hset(_KEY, name, json.dumps({"at": self._now(), **said}))

    def stopped(self, name: str) -> None:
        """The worker ends in good order."""
        with _answering():
            self._redis.hdel(_KEY, name)

    def swept(self) -> None:
        """Tell that what got lost was looked for, which beat asks for every ten seconds."""
        with _answering():
            self._redis.set(_SWEPT, self._now())

    def swept_s(self) -> float | None:
        """Seconds since then; None if nobody ever looked."""
        with _answering():
            at = self._redis.get(_SWEPT)
            return max(0.0, self._now() - float(at)) if at else None

    def all(self) -> list[Heartbeat]:
        """The workers heard of within FORGET_S, by name."""
        return sorted((one for one in self._told() if one.said_s <= FORGET_S), key=lambda one: one.name)

    def forget(self) -> None:
        """Forget those that were not heard of for longer."""
        gone = [one.name for one in self._told() if one.said_s > FORGET_S]
        if gone:
            with _answering():
                self._redis.hdel(_KEY, *gone)

    def _told(self) -> list[Heartbeat]:
        with _answering():
            now = self._now()
            return [_heartbeat(name, said, now) for name, said in self._redis.hgetall(_KEY).items()]

    def _now(self) -> float:
        seconds, micros = self._redis.time()
        return float(seconds) + micros / 1e6


def _heartbeat(name: Any, said: Any, now: float) -> Heartbeat:
    text = name.decode() if isinstance(name, bytes) else str(name)
    found = json.loads(said)
    said_s = max(0.0, now - found["at"])
    return Heartbeat(text, said_s, found["finished"], found["idle_s"] + said_s, tuple(found["queues"]))


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise LanesUnavailable(f"Redis (lanes): {explained(error)}") from error
