"""What vendors' webhooks say, in Redis: a hint of a generation, and how far an account's hints are to be relied on.

A hint is worth a look and no more, and all of it may get lost: then the schedule's own looks find everything, later.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import redis

from vidpoll.errors import LanesUnavailable
from vidpoll.redis_url import explained

#: Seconds for which a delivery is known again: twice what a signed one may be old or early.
DELIVERY_S: Final = 600
#: Seconds between two looks that webhooks bring about for one generation.
WAKE_S: Final = 5
#: Seconds for which a hint is kept that came while nobody could look: before the vendor's id was stored, during a look.
KEPT_S: Final = 60
#: Seconds for which a generation that was announced is not counted again.
ANNOUNCED_S: Final = 24 * 3600
#: Seconds after which what was counted weighs half as much.
HALF_LIFE_S: Final = 600.0
_PREFIX: Final = "vidpoll:hints:"


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account's webhooks did lately.

    Attributes:
        announced: generations that a webhook announced; the older ones weigh less.
        ended: generations that ended, likewise.
        last_s: seconds since a webhook announced one; None when none ever did.
    """

    announced: float = 0.0
    ended: float = 0.0
    last_s: float | None = None

    @property
    def share(self) -> float | None:
        """Which part of the ends was announced; None when nothing ended lately.

        Example:
            >>> Standing(announced=8, ended=10).share, Standing(announced=3).share
            (0.8, None)
        """
        return min(1.0, self.announced / self.ended) if self.ended >= 0.01 else None


class Hints:
    """Hints of all accounts on one Redis. Raises LanesUnavailable when it does not answer."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client
        self._tally = client.register_script((Path(__file__).parent / "tally.lua").read_text())

    def is_new(self, account: str, delivery: str) -> bool:
        """Whether this delivery did not come before."""
        with _answering():
            return bool(self._redis.set(f"{_PREFIX}{account}:seen:{delivery}", 1, nx=True, ex=DELIVERY_S))

    def forget(self, account: str, delivery: str) -> None:
        """Take the delivery for new when it comes again: nothing came of it."""
        with suppress(LanesUnavailable), _answering():
            self._redis.delete(f"{_PREFIX}{account}:seen:{delivery}")

    def keep(self, id: UUID) -> None:
        """Keep a hint of a generation for whoever plans its next look."""
        with _answering():
            self._redis.set(_kept(id), 1, ex=KEPT_S)

    def take(self, ids: Sequence[UUID]) -> Collection[UUID]:
        """Those of ``ids`` of which there is a hint, which is gone by this."""
        if not ids:
            return ()
        with _answering(), self._redis.pipeline(transaction=False) as pipe:
            for id in ids:
                pipe.delete(_kept(id))
            return {id for id, found in zip(ids, pipe.execute(), strict=True) if found}

    def may_wake(self, id: UUID) -> bool:
        """Whether no webhook brought about a look at it within the last seconds."""
        with _answering():
            return bool(self._redis.set(f"{_PREFIX}woken:{id.hex}", 1, nx=True, ex=WAKE_S))

    def announced(self, account: str, id: UUID) -> None:
        """Count a generation that a webhook announced; once, however often it does."""
        with _answering():
            if self._redis.set(f"{_PREFIX}announced:{id.hex}", 1, nx=True, ex=ANNOUNCED_S):
                self._tally(keys=[_PREFIX + account], args=["announced", HALF_LIFE_S])

    def ended(self, account: str) -> None:
        """Count a generation that ended, announced or not."""
        with _answering():
            self._tally(keys=[_PREFIX + account], args=["ended", HALF_LIFE_S])

    def standing(self, account: str) -> Standing:
        """How the account's webhooks did lately."""
        with _answering(), self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hgetall(_PREFIX + account)
            (seconds, micros), told = pipe.execute()
        return _standing({_text(name): float(value) for name, value in told.items()}, seconds * 1_000_000 + micros)


def _standing(told: dict[str, float], now: int) -> Standing:
    left = 0.5 ** (max(0.0, now - told.get("at", now)) / 1e6 / HALF_LIFE_S)
    last_s = max(0.0, now - told["last"]) / 1e6 if "last" in told else None
    return Standing(told.get("announced", 0.0) * left, told.get("ended", 0.0) * left, last_s)


def _kept(id: UUID) -> str:
    return f"{_PREFIX}kept:{id.hex}"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise LanesUnavailable(f"Redis (lanes): {explained(error)}") from error
