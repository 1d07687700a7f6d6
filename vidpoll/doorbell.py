"""Redis pub/sub that says "there are new events": whoever follows them looks at once instead of at the next turn.

A ring carries nothing and may get lost; that only delays, since everybody who follows looks now and then anyway.
"""

import time
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from vidpoll.redis_url import connect

CHANNEL: Final = "vidpoll:doorbell"
#: Seconds Redis may take; a ring is worth no more.
TIMEOUT_S: Final = 0.5
#: Seconds without rings after one failed.
REST_S: Final = 5.0


class Doorbell:
    """Rings, from any thread. Never raises, and costs next to nothing while Redis is away.

    Example::

        store = Store(engine, on_events=Doorbell("redis://127.0.0.1:7000/0").ring)
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(
            redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._rests_until = 0.0

    def ring(self) -> None:
        """Say that events were committed."""
        if time.monotonic() < self._rests_until:
            return
        try:
            self._redis.publish(CHANNEL, b"")
        except redis.RedisError:
            self._rests_until = time.monotonic() + REST_S
