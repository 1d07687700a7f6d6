"""Lanes: every call to a provider waits here, and leaves only together with a token to make it.

A lane is one account × one verb (``submit`` or ``status``): a due-set and a GCRA token bucket under one Redis hash
tag. Time is Redis' own, in integer microseconds, inside Lua; a lane lost with its Redis is rebuilt from Postgres.

GCRA: Generic Cell Rate Algorithm, ITU-T I.371; the bucket keeps one number, the theoretical arrival time.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import redis

from vidpoll.clock import Clock
from vidpoll.errors import LanesUnavailable

#: Seconds of waiting that one step of priority is worth: 9 overtakes what came up to nine hours before with 0.
PRIORITY_STEP_S: Final = 3600.0
#: Seconds in which a rate slowed by a pause grows back by the whole rate.
RECOVERY_S: Final = 60.0
#: Shortest pause, seconds: calls refused together must find it running, or each of them would halve the rate.
PAUSE_FLOOR_S: Final = 0.5
#: An answer slower than this many seconds is not used to learn Redis' clock, unless nothing was learned for so long.
SLOW_ANSWER_S: Final = 0.02
RELEARN_S: Final = 30.0
#: Times an id was handed out and did not come back, from which on it is suspected of ending its workers.
SUSPECT_CLAIMS: Final = 4
#: Longest reason of a pause that is kept, in characters.
REASON_LIMIT: Final = 300
#: Most ids one Lua call handles; Lua's unpack has a limit of a few thousand.
CHUNK: Final = 1000

Verb = Literal["submit", "status"]
_FOLDER: Final = Path(__file__).parent


class Lane(NamedTuple):
    """One account × one verb.

    Example:
        >>> Lane("veo", "status").key("due")
        'vidpoll:{veo:status}:due'
    """

    account: str
    verb: Verb

    def key(self, part: str) -> str:
        """Redis key of a part; the braces keep a lane's keys in one Cluster slot."""
        return f"vidpoll:{{{self.account}:{self.verb}}}:{part}"


def both_lanes(account: str) -> tuple[Lane, Lane]:
    """An account's submit lane and status lane."""
    return Lane(account, "submit"), Lane(account, "status")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a lane may grant: in any ``t`` seconds at most ``rate · t + burst`` calls of up to ``batch`` ids each."""

    rate: float
    burst: int
    batch: int = 1
    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Ids handed out together with the tokens to call for them.

    Attributes:
        ids: due ids, most urgent first.
        granted_at_us: Redis' clock when they were handed out.
        wait_s: seconds until another claim could hand out something; None when the lane is empty or full.
        alone: how many of the ids, the first ones, did not come back last time and are to be called for alone.
    """

    ids: list[UUID]
    granted_at_us: int
    wait_s: float | None
    alone: int = 0


class Lanes:
    """All lanes of one Redis.

    Example::

        lanes = Lanes(redis.Redis())
        lanes.schedule(Lane("veo", "status"), {generation_id: 5.0})
        claim = lanes.claim(Lane("veo", "status"), Limits(rate=10, burst=1), want=8, lease_s=30)

    Every method raises LanesUnavailable when Redis does not answer: then nobody calls a provider, since a ban
    costs more than a pause.
    """

    def __init__(self, client: "redis.Redis", clock: Clock | None = None) -> None:
        self._redis = client
        self._monotonic = (clock or Clock()).monotonic
        self._clock = _RedisClock(client, self._monotonic)
        self._schedule = client.register_script(_lua("schedule"))
        self._claim = client.register_script(_lua("bucket", "claim"))
        self._take = client.register_script(_lua("bucket", "take"))
        self._pause = client.register_script(_lua("pause"))

    def schedule(
        self, lane: Lane, countdowns: Mapping[UUID, float], *, priority: int = 0, only_absent: bool = False
    ) -> int:
        """Put ids into the lane, or move them: due in ``countdown`` seconds.

        With a countdown of 0, ``priority`` lets an id overtake those already waiting. ``only_absent`` leaves ids alone
        that are in the lane. Returns how many were put in or moved.
        """
        head_start = round(priority * PRIORITY_STEP_S * 1e6)
        mode = "absent" if only_absent else "move"
        changed = 0
        for chunk in _chunks(list(countdowns.items())):
            pairs = [part for id, seconds in chunk for part in (id.hex, max(0, round(seconds * 1e6)))]
            with _answering():
                changed += int(
                    self._schedule(keys=[lane.key("due"), lane.key("claims")], args=[mode, head_start, *pairs])
                )
        return changed

    def claim(self, lane: Lane, limits: Limits, *, want: int, lease_s: float) -> Claim:
        """Take up to ``want`` due ids, with the tokens for their calls; each is due again after ``lease_s`` seconds."""
        args = [
            limits.rate, limits.burst, min(want, CHUNK), limits.batch, round(lease_s * 1e6),
            limits.max_in_flight or 0, RECOVERY_S,
        ]  # fmt: skip
        asked_at = self._monotonic()
        with _answering():
            keys = [lane.key(part) for part in ("due", "bucket", "in_flight", "claims")]
            now, wait, alone, *ids = self._claim(keys=keys, args=args)
        self._clock.learn(int(now), asked_at)
        return Claim([UUID(_text(id)) for id in ids], int(now), None if wait < 0 else wait / 1e6, int(alone))

    def take(self, lane: Lane, limits: Limits, calls: int) -> bool:
        """Take tokens for calls made right now, outside of a claim; False when there are not enough."""
        with _answering():
            return bool(self._take(keys=[lane.key("bucket")], args=[limits.rate, limits.burst, calls, RECOVERY_S]))

    def settle(self, lane: Lane, ids: Sequence[UUID]) -> None:
        """Take ids out of the lane's due-set: nothing more is to be called for them."""
        if ids:
            with _answering(), self._redis.pipeline(transaction=False) as pipe:
                pipe.zrem(lane.key("due"), *(id.hex for id in ids))
                pipe.hdel(lane.key("claims"), *(id.hex for id in ids))
                pipe.execute()

    def hold(self, lane: Lane, seconds: Mapping[UUID, float]) -> None:
        """Hold the ids' places among the account's ``max_in_flight`` for so many seconds."""
        if seconds:
            now = self.now_us()
            with _answering():
                self._redis.zadd(lane.key("in_flight"), {id.hex: now + round(s * 1e6) for id, s in seconds.items()})

    def release(self, lane: Lane, ids: Sequence[UUID]) -> None:
        """Give the ids' places free."""
        if ids:
            with _answering():
                self._redis.zrem(lane.key("in_flight"), *(id.hex for id in ids))

    def pause(self, lane: Lane, limits: Limits, seconds: float, reason: str = "", *, refused: bool = True) -> None:
        """Grant nothing for ``seconds``, then restart at half the rate. A longer pause already running stays.

        ``reason`` is what operators read while it lasts. Where nothing was ``refused``, the rate stays as it was.
        """
        microseconds = round(max(seconds, PAUSE_FLOOR_S if refused else 0.0) * 1e6)
        halves = int(refused)
        with _answering():
            self._pause(
                keys=[lane.key("bucket")], args=[microseconds, limits.rate, RECOVERY_S, reason[:REASON_LIMIT], halves]
            )

    def once_in(self, name: str, seconds: float) -> bool:
        """Whether nobody else was told so within the last ``seconds``, by Redis' clock."""
        with _answering():
            return bool(self._redis.set(f"vidpoll:once:{name}", 1, nx=True, px=round(seconds * 1000)))

    def size(self, lane: Lane) -> int:
        """How many ids are in the lane."""
        with _answering():
            return int(self._redis.zcard(lane.key("due")))

    def view(self, lane: Lane) -> dict[str, Any]:
        """What an operator wants to see: ids that wait, are due, never come back; places held; pause and slow-down."""
        now = self.now_us()
        with _answering(), self._redis.pipeline(transaction=False) as pipe:
            pipe.zcard(lane.key("due"))
            pipe.zcount(lane.key("due"), "-inf", now)
            pipe.zcount(lane.key("in_flight"), now, "+inf")
            pipe.hgetall(lane.key("bucket"))
            pipe.hvals(lane.key("claims"))
            waiting, due, held, bucket, claims = pipe.execute()
        fields = {_text(name): _text(value) for name, value in bucket.items()}
        paused_s = max(0.0, round((float(fields.get("paused_until", 0)) - now) / 1e6, 1))
        return {
            "account": lane.account, "verb": lane.verb, "waiting": waiting, "due": due, "in_flight": held,
            "never_back": sum(int(times) >= SUSPECT_CLAIMS for times in claims),
            "paused_s": paused_s, "reason": fields.get("reason") if paused_s else None,
            "slow_rate": float(fields["slow_rate"]) if "slow_rate" in fields else None,
        }  # fmt: skip

    def now_us(self) -> int:
        """Redis' clock, from the last answer and this process' monotonic clock; at most a round trip off."""
        return self._clock.now_us()


class _RedisClock:
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
        if self._ahead_us is None:
            asked_at = self._monotonic()
            with _answering():
                seconds, micros = self._redis.time()
            self.learn(seconds * 1_000_000 + micros, asked_at)
        assert self._ahead_us is not None
        return round(self._monotonic() * 1e6 + self._ahead_us)


def _lua(*names: str) -> str:
    """One script of these files, in this order."""
    return "".join((_FOLDER / f"{name}.lua").read_text() for name in names)


@contextmanager
def _answering() -> Iterator[None]:
    """Redis' own errors become ours at this edge."""
    try:
        yield
    except redis.RedisError as error:
        raise LanesUnavailable(f"Redis (lanes): {error}") from error


def _chunks(items: list[tuple[UUID, float]]) -> Iterator[list[tuple[UUID, float]]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
