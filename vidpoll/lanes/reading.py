"""What is read of lanes, without spending or changing anything: also for those who may only read."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import redis

from vidpoll.clock import Clock
from vidpoll.lanes.base import Lane, Limits, Load, both_lanes
from vidpoll.lanes.clock import RedisClock, answering
from vidpoll.lanes.free import free

#: Seconds by which an urgent id overtakes what is due, and, less than that, one that somebody wants looked at.
URGENT_HEAD_START_S: Final = 24 * 3600.0
HURRY_HEAD_START_S: Final = 12 * 3600.0
#: Seconds in which a rate slowed by a pause grows back by the whole rate.
RECOVERY_S: Final = 60.0
#: Times an id was handed out and did not come back, from which on it is suspected of ending its workers.
SUSPECT_CLAIMS: Final = 4
#: Seconds within which a generation is looked at while its provider works on it: more than twice the longest interval.
#: Timed out ones and unknowns wait longer.
WORKED_ON_S: Final = 300.0

#: Where moments begin in a due-set, µs; smaller ones are turns, see enqueue.lua.
_FIRST_MOMENT: Final = 10**15
#: Head starts an id may have, each with the next greater one, µs.
_HEAD_STARTS: Final = (
    (0, round(HURRY_HEAD_START_S * 1e6)),
    (round(HURRY_HEAD_START_S * 1e6), round(URGENT_HEAD_START_S * 1e6)),
    (round(URGENT_HEAD_START_S * 1e6), 2 * 10**15),
)
#: Until when a pause without an end lasts, µs.
_FOREVER: Final = 9e15


class LaneReader:
    """All lanes of one Redis, to look at. Every method raises LanesUnavailable when Redis does not answer."""

    def __init__(self, client: "redis.Redis", clock: Clock | None = None) -> None:
        self._redis = client
        self._monotonic = (clock or Clock()).monotonic
        self._clock = RedisClock(client, self._monotonic)

    def size(self, lane: Lane) -> int:
        """How many ids are in the lane."""
        with answering():
            return int(self._redis.zcard(lane.key("due")))

    def loads(self, accounts: Sequence[str]) -> dict[str, Load]:
        """How busy each account is; one round trip for all of them."""
        if not accounts:
            return {}
        now = self.now_us()
        soon = now + round(WORKED_ON_S * 1e6)
        with answering(), self._redis.pipeline(transaction=False) as pipe:
            for submit, status in map(both_lanes, accounts):
                pipe.zcard(submit.key("due"))
                pipe.zcount(status.key("due"), "-inf", soon)
                pipe.zcount(submit.key("in_flight"), now, "+inf")
                pipe.hmget(submit.key("bucket"), "paused_until", "stopped_until")
            told = pipe.execute()
        answers = zip(accounts, told[0::4], told[1::4], told[2::4], told[3::4], strict=True)
        return {
            account: Load(waiting + worked_on, held, paused=any(float(until or 0) > now for until in pauses))
            for account, waiting, worked_on, held, pauses in answers
        }

    def view(self, lane: Lane) -> dict[str, Any]:
        """What an operator wants to see of a lane.

        ``waiting``, ``due`` and ``never_back``: ids; ``late_s``: by how much the most overdue one is late, of
        those that have a moment and do not wait for their turn; ``in_flight``: places held; ``paused_s`` and
        ``reason``: a pause the provider asked for; ``slow_rate``: what the rate grows back from after it; ``stopped``:
        an operator's pause; ``set_rate`` and ``set_burst``: an operator's rate.
        """
        now = self.now_us()
        with answering(), self._redis.pipeline(transaction=False) as pipe:
            pipe.zcard(lane.key("due"))
            pipe.zcount(lane.key("due"), "-inf", now)
            pipe.zcount(lane.key("in_flight"), now, "+inf")
            pipe.hgetall(lane.key("bucket"))
            pipe.hvals(lane.key("claims"))
            for head_start, more in _HEAD_STARTS:
                oldest, newest = max(_FIRST_MOMENT, now - more), now - head_start
                pipe.zrangebyscore(lane.key("due"), oldest, newest, start=0, num=1, withscores=True)
            waiting, due, held, bucket, claims, *late = pipe.execute()
        fields = _fields(bucket)
        paused_s = max(0.0, round((float(fields.get("paused_until", 0)) - now) / 1e6, 1))
        return {
            "account": lane.account, "verb": lane.verb, "waiting": waiting, "due": due, "in_flight": held,
            "never_back": sum(int(times) >= SUSPECT_CLAIMS for times in claims),
            "late_s": round(_late_s(now, late), 1), "paused_s": paused_s,
            "reason": fields.get("reason") if paused_s else None,
            "slow_rate": float(fields["slow_rate"]) if "slow_rate" in fields else None,
            "stopped": _stopped(fields, now),
            "set_rate": float(fields["set_rate"]) if "set_rate" in fields else None,
            "set_burst": int(fields["set_burst"]) if "set_burst" in fields else None,
        }  # fmt: skip

    def free(self, lane: Lane, limits: Limits) -> tuple[int, float | None]:
        """Calls that could be granted now, and the calls per second in force; None while the lane is paused."""
        with answering(), self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hgetall(lane.key("bucket"))
            (seconds, micros), bucket = pipe.execute()
        return free(_fields(bucket), limits, seconds * 1_000_000 + micros, RECOVERY_S)

    def now_us(self) -> int:
        """Redis' clock, from the last answer and this process' monotonic clock; at most a round trip off."""
        return self._clock.now_us()


def _late_s(now: int, first_of_each: Sequence[Sequence[tuple[Any, float]]]) -> float:
    """What was given a head start is that much less late than its place says."""
    starts = zip(first_of_each, _HEAD_STARTS, strict=True)
    return max([0.0, *((now - head_start - moment) / 1e6 for first, (head_start, _) in starts for _, moment in first)])


def _fields(bucket: Mapping[Any, Any]) -> dict[str, str]:
    return {text(name): text(value) for name, value in bucket.items()}


def _stopped(fields: Mapping[str, str], now_us: int) -> dict[str, Any] | None:
    """An operator's pause that lasts: by whom, why, since when, for how many more seconds (None without an end)."""
    until_us = float(fields.get("stopped_until", 0))
    if until_us <= now_us:
        return None
    left_s = None if until_us >= _FOREVER else round((until_us - now_us) / 1e6, 1)
    return {**json.loads(fields["stopped"]), "for_s": left_s}


def text(value: bytes | str) -> str:
    """What Redis said, as text, however its client is set."""
    return value.decode() if isinstance(value, bytes) else value
