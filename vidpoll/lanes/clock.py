"""Redis' clock, and Redis' errors: what every call to it has to do with."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import redis

from vidpoll.errors import LanesUnavailable
from vidpoll.redis_url import explained

#: An answer slower than this many seconds is not used to learn Redis' clock, unless nothing was learned for so long.
SLOW_ANSWER_S: Final = 0.02
RELEARN_S: Final = 30.0


class RedisClock:
    """Redis' time without a round trip: remembers how far it is ahead of ours."""

    def __init__(self, client: "redis.Redis", monotonic: Callable[[], float]) -> None:
        self._redis = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._ahead_us: float | None = None
        self._learned_at = float("-inf")

    def learn(self, redis_us: int, asked_at: float) -> None:
        """Note an answer that carried Redis' time; ``asked_at`` is the monotonic time of the question."""
        answered_at = self._monotonic()
        with self._lock:
            if answered_at - asked_at > SLOW_ANSWER_S and answered_at - self._learned_at < RELEARN_S:
                return  # an answer that took long says when it came, not when Redis looked at its clock
            self._ahead_us = redis_us - (asked_at + answered_at) / 2 * 1e6
            self._learned_at = answered_at

    def now_us(self) -> int:
        """Redis' time now; asks for it once."""
        if self._ahead_us is None:
            asked_at = self._monotonic()
            with answering():
                seconds, micros = self._redis.time()
            self.learn(seconds * 1_000_000 + micros, asked_at)
        assert self._ahead_us is not None
        return round(self._monotonic() * 1e6 + self._ahead_us)


@contextmanager
def answering() -> Iterator[None]:
    """Redis' own errors become ours at this edge."""
    try:
        yield
    except redis.RedisError as error:
        raise LanesUnavailable(f"Redis (lanes): {explained(error)}") from error
