"""Lanes: every call to a provider waits here, and leaves only together with a token to make it.

A lane is one account × one verb (``submit`` or ``status``): a due-set and a GCRA token bucket under one Redis hash
tag. Time is Redis' own, in integer microseconds, inside Lua; a lane lost with its Redis is rebuilt from Postgres.

GCRA: Generic Cell Rate Algorithm, ITU-T I.371; the bucket keeps one number, the theoretical arrival time.
What is due at once stands in the order of start-time fair queueing, see ``enqueue.lua``.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import redis

from vidpoll.clock import Clock
from vidpoll.lanes.base import Claim, Flow, Lane, Limits, Load, Verb, both_lanes
from vidpoll.lanes.clock import RedisClock, answering

__all__ = ["Claim", "Flow", "Lane", "Lanes", "Limits", "Load", "Verb", "both_lanes"]

#: Seconds by which an urgent id overtakes what is due, and, less than that, one that somebody wants looked at.
URGENT_HEAD_START_S: Final = 24 * 3600.0
HURRY_HEAD_START_S: Final = 12 * 3600.0
#: Share of a lane's ids that may overtake the others because somebody wants them looked at, and how many at once.
HURRY_SHARE: Final = 0.1
HURRY_BURST: Final = 3
#: Seconds for which an id that was handed out is not handed out before its time.
REST_S: Final = 1.0
#: Seconds in which a rate slowed by a pause grows back by the whole rate.
RECOVERY_S: Final = 60.0
#: Shortest pause, seconds: calls refused together must find it running, or each of them would halve the rate.
PAUSE_FLOOR_S: Final = 0.5
#: Times an id was handed out and did not come back, from which on it is suspected of ending its workers.
SUSPECT_CLAIMS: Final = 4
#: Seconds within which a generation is looked at while its provider works on it: more than twice the longest interval.
#: Timed out ones and unknowns wait longer.
WORKED_ON_S: Final = 300.0
#: Longest reason of a pause that is kept, in characters.
REASON_LIMIT: Final = 300
#: Most ids one Lua call handles; Lua's unpack has a limit of a few thousand.
CHUNK: Final = 1000

_FOLDER: Final = Path(__file__).parent
_Item = TypeVar("_Item")


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
        self._clock = RedisClock(client, self._monotonic)
        self._enqueue = client.register_script(_lua("enqueue"))
        self._withdraw = client.register_script(_lua("withdraw"))
        self._schedule = client.register_script(_lua("schedule"))
        self._hurry = client.register_script(_lua("bucket", "hurry"))
        self._claim = client.register_script(_lua("bucket", "claim"))
        self._take = client.register_script(_lua("bucket", "take"))
        self._reserve = client.register_script(_lua("bucket", "reserve"))
        self._pause = client.register_script(_lua("pause"))

    def enqueue(self, lane: Lane, ids: Sequence[UUID], flow: Flow) -> int:
        """Put ids into the lane, oldest first, due at once and in their turn among the flows that wait.

        Those that are in the lane stay where they are. Returns how many were put in.
        """
        added = 0
        for chunk in _chunks(ids):
            with answering():
                keys = [lane.key("due"), lane.key("flows")]
                added += int(self._enqueue(keys=keys, args=[flow.name, flow.step, *(id.hex for id in chunk)]))
        return added

    def withdraw(self, lane: Lane, ids: Sequence[UUID], flow: Flow) -> None:
        """Take ids out of the lane; those that had no turn yet cost their flow nothing."""
        for chunk in _chunks(ids):
            with answering():
                keys = [lane.key(part) for part in ("due", "flows", "claims")]
                self._withdraw(keys=keys, args=[flow.name, flow.step, *(id.hex for id in chunk)])

    def schedule(
        self, lane: Lane, countdowns: Mapping[UUID, float], *, urgent: bool = False, only_absent: bool = False
    ) -> int:
        """Put ids into the lane, or move them: due in ``countdown`` seconds.

        With a countdown of 0, ``urgent`` lets an id overtake those already waiting. ``only_absent`` leaves ids alone
        that are in the lane. Returns how many were put in or moved.
        """
        head_start = round(URGENT_HEAD_START_S * 1e6) if urgent else 0
        mode = "absent" if only_absent else "move"
        changed = 0
        for chunk in _chunks(list(countdowns.items())):
            pairs = [part for id, seconds in chunk for part in (id.hex, max(0, round(seconds * 1e6)))]
            with answering():
                changed += int(
                    self._schedule(keys=[lane.key("due"), lane.key("claims")], args=[mode, head_start, *pairs])
                )
        return changed

    def hurry(self, lane: Lane, limits: Limits, id: UUID) -> None:
        """Have an id looked at soon, because somebody asked.

        A share of the lane is kept for such ids: within it they overtake all but what is urgent. Past it, they are due
        now, behind what is overdue. None becomes later by it, and one that is handed out is left alone.
        """
        keys = [lane.key(part) for part in ("due", "bucket", "hurried", "claims")]
        share, head_start = HURRY_SHARE * limits.batch, round(HURRY_HEAD_START_S * 1e6)
        with answering():
            self._hurry(keys=keys, args=[limits.rate, limits.burst, RECOVERY_S, share, HURRY_BURST, head_start, id.hex])

    def claim(self, lane: Lane, limits: Limits, *, want: int, lease_s: float) -> Claim:
        """Take up to ``want`` due ids, with the tokens for their calls; each is due again after ``lease_s`` seconds.

        A call that is not full takes along ids that are due within ``limits.ahead_s``.
        """
        args = [
            limits.rate, limits.burst, min(want, CHUNK), limits.batch, round(lease_s * 1e6),
            limits.max_in_flight or 0, RECOVERY_S, round(limits.ahead_s * 1e6), round(REST_S * 1e6),
        ]  # fmt: skip
        asked_at = self._monotonic()
        with answering():
            keys = [lane.key(part) for part in ("due", "bucket", "in_flight", "claims", "flows", "recent")]
            now, wait, alone, *ids = self._claim(keys=keys, args=args)
        self._clock.learn(int(now), asked_at)
        return Claim([UUID(_text(id)) for id in ids], int(now), None if wait < 0 else wait / 1e6, int(alone))

    def take(self, lane: Lane, limits: Limits, calls: int) -> bool:
        """Take tokens for calls made right now, outside of a claim; False when there are not enough."""
        with answering():
            return bool(self._take(keys=[lane.key("bucket")], args=[limits.rate, limits.burst, calls, RECOVERY_S]))

    def reserve(self, lane: Lane, limits: Limits, *, longest_s: float) -> float | None:
        """Take the next token there will be, for one more call: seconds to wait before it is made.

        None, and nothing is taken, when it would be more than ``longest_s`` or the lane is paused.
        """
        args = [limits.rate, limits.burst, RECOVERY_S, round(longest_s * 1e6)]
        with answering():
            wait = int(self._reserve(keys=[lane.key("bucket")], args=args))
        return None if wait < 0 else wait / 1e6

    def settle(self, lane: Lane, ids: Sequence[UUID]) -> None:
        """Take ids out of the lane's due-set: nothing more is to be called for them."""
        if ids:
            with answering(), self._redis.pipeline(transaction=False) as pipe:
                pipe.zrem(lane.key("due"), *(id.hex for id in ids))
                pipe.hdel(lane.key("claims"), *(id.hex for id in ids))
                pipe.execute()

    def hold(self, lane: Lane, seconds: Mapping[UUID, float]) -> None:
        """Hold the ids' places among the account's ``max_in_flight`` for so many seconds."""
        if seconds:
            now = self.now_us()
            with answering():
                self._redis.zadd(lane.key("in_flight"), {id.hex: now + round(s * 1e6) for id, s in seconds.items()})

    def release(self, lane: Lane, ids: Sequence[UUID]) -> None:
        """Give the ids' places free."""
        if ids:
            with answering():
                self._redis.zrem(lane.key("in_flight"), *(id.hex for id in ids))

    def pause(self, lane: Lane, limits: Limits, seconds: float, reason: str = "", *, refused: bool = True) -> None:
        """Grant nothing for ``seconds``, then restart at half the rate. A longer pause already running stays.

        ``reason`` is what operators read while it lasts. Where nothing was ``refused``, the rate stays as it was.
        """
        microseconds = round(max(seconds, PAUSE_FLOOR_S if refused else 0.0) * 1e6)
        halves = int(refused)
        with answering():
            self._pause(
                keys=[lane.key("bucket")], args=[microseconds, limits.rate, RECOVERY_S, reason[:REASON_LIMIT], halves]
            )

    def once_in(self, name: str, seconds: float) -> bool:
        """Whether nobody else was told so within the last ``seconds``, by Redis' clock."""
        with answering():
            return bool(self._redis.set(f"vidpoll:once:{name}", 1, nx=True, px=round(seconds * 1000)))

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
                pipe.hget(submit.key("bucket"), "paused_until")
            told = pipe.execute()
        answers = zip(accounts, told[0::4], told[1::4], told[2::4], told[3::4], strict=True)
        return {
            account: Load(waiting + worked_on, held, paused=float(paused_until or 0) > now)
            for account, waiting, worked_on, held, paused_until in answers
        }

    def view(self, lane: Lane) -> dict[str, Any]:
        """What an operator wants to see: ids that wait, are due, never come back; places held; pause and slow-down."""
        now = self.now_us()
        with answering(), self._redis.pipeline(transaction=False) as pipe:
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


def _lua(*names: str) -> str:
    """One script of these files, in this order."""
    return "".join((_FOLDER / f"{name}.lua").read_text() for name in names)


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
