"""Lanes: every call to a provider waits here, and leaves only together with a token to make it.

A lane is one account × one verb (``submit`` or ``status``): a due-set and a GCRA token bucket under one Redis hash
tag. Time is Redis' own, in integer microseconds, inside Lua; a lane lost with its Redis is rebuilt from Postgres.

GCRA: Generic Cell Rate Algorithm, ITU-T I.371; the bucket keeps one number, the theoretical arrival time.
What is due at once stands in the order of start-time fair queueing, see ``enqueue.lua``.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import redis

from vidpoll.clock import Clock
from vidpoll.controls import Control, Verb
from vidpoll.errors import LanesUnavailable
from vidpoll.lanes.base import ARCHIVE, OTHER_LANES, PROJECTS, WEBHOOKS, Claim, Flow, Lane, Limits, Load, both_lanes
from vidpoll.lanes.clock import answering
from vidpoll.lanes.reading import (
    HURRY_HEAD_START_S,
    RECOVERY_S,
    URGENT_HEAD_START_S,
    LaneReader,
    text,
)

__all__ = [
    "ARCHIVE", "OTHER_LANES", "PROJECTS", "WEBHOOKS", "Claim", "Flow", "Lane", "Lanes", "Limits", "Load", "Verb",
    "both_lanes",
]  # fmt: skip

#: Share of a lane's ids that may overtake the others because somebody wants them looked at, and how many at once.
HURRY_SHARE: Final = 0.1
HURRY_BURST: Final = 3
#: Seconds for which an id that was handed out is not handed out before its time.
REST_S: Final = 1.0
#: Shortest pause, seconds: calls refused together must find it running, or each of them would halve the rate.
PAUSE_FLOOR_S: Final = 0.5
#: Seconds the replicas may take to have a grant or a pause.
REPLICAS_TIMEOUT_S: Final = 0.5
#: Longest reason of a pause that is kept, in characters.
REASON_LIMIT: Final = 300
#: Most ids one Lua call handles; Lua's unpack has a limit of a few thousand.
CHUNK: Final = 1000

#: What a claim answers as its wait while nobody told what operators decided of the lane.
_UNTOLD: Final = -2
_FOLDER: Final = Path(__file__).parent
_Item = TypeVar("_Item")


class Lanes(LaneReader):
    """All lanes of one Redis.

    Example::

        lanes = Lanes(redis.Redis())
        lanes.schedule(Lane("veo", "status"), {generation_id: 5.0})
        claim = lanes.claim(Lane("veo", "status"), Limits(rate=10, burst=1), want=8, lease_s=30)

    Args:
        controls: asks Postgres what operators decided of a lane. It is needed by a lane that does not know, since its
            Redis is new or was flushed: until it does, nothing is handed out. Without it, nothing was decided.
        replicas: how many replicas of Redis must have a grant, a pause or an operator's decision a moment later; else
            it counts as no answer, since after a failover nobody would know of it, and calls would be made anyway.

    Every method raises LanesUnavailable when Redis does not answer: then nobody calls a provider, since a ban
    costs more than a pause.
    """

    def __init__(
        self,
        client: "redis.Redis",
        clock: Clock | None = None,
        *,
        controls: Callable[[str, Verb], Control] | None = None,
        replicas: int = 0,
    ) -> None:
        super().__init__(client, clock)
        self._controls = controls
        self._replicas = replicas
        self._in_force: dict[Lane, tuple[float, int]] = {}
        self._enqueue = client.register_script(_lua("enqueue"))
        self._withdraw = client.register_script(_lua("withdraw"))
        self._schedule = client.register_script(_lua("schedule"))
        self._leave = client.register_script(_lua("leave"))
        self._hurry = client.register_script(_lua("bucket", "hurry"))
        self._claim = client.register_script(_lua("bucket", "claim"))
        self._take = client.register_script(_lua("bucket", "take"))
        self._reserve = client.register_script(_lua("bucket", "reserve"))
        self._pause = client.register_script(_lua("pause"))
        self._control = client.register_script(_lua("control"))

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
            int(self._controls is not None and lane not in OTHER_LANES),
        ]  # fmt: skip
        claim = self._claimed(lane, args)
        if claim is None and self._controls and lane.verb in ("submit", "status"):
            self.control(lane, limits, self._controls(lane.account, lane.verb))
            claim = self._claimed(lane, args)
        return claim or Claim([], self.now_us(), 0.0)

    def _claimed(self, lane: Lane, args: Sequence[Any]) -> Claim | None:
        """A claim; None when the lane does not know what operators decided."""
        asked_at = self._monotonic()
        with answering():
            keys = [lane.key(part) for part in ("due", "bucket", "in_flight", "claims", "flows", "recent")]
            answer = self._confirmed(self._claim, keys, args, undo=lambda answer: self._put_back(lane, answer[5:]))
        now, wait, alone, set_rate, set_burst, *ids = answer
        self._clock.learn(int(now), asked_at)
        if wait == _UNTOLD:
            return None
        if set_rate:
            self._in_force[lane] = float(set_rate), int(set_burst)
        else:
            self._in_force.pop(lane, None)
        return Claim([UUID(text(id)) for id in ids], int(now), None if wait < 0 else wait / 1e6, int(alone))

    def _put_back(self, lane: Lane, ids: Sequence[Any]) -> None:
        """What nobody was told of is due at once, with no lease to wait for, and suspected of nothing."""
        self.schedule(lane, {UUID(text(id)): 0.0 for id in ids})

    def in_force(self, lane: Lane, limits: Limits) -> Limits:
        """``limits`` with the rate that an operator set, as of this process' last claim; asks nobody."""
        set_rate, set_burst = self._in_force.get(lane, (limits.rate, limits.burst))
        return replace(limits, rate=set_rate, burst=set_burst)

    def control(self, lane: Lane, limits: Limits, control: Control) -> bool:
        """Have the lane do what operators decided, at once; whether that was news. An older version changes nothing.

        Their pause and the one a provider asks for with :meth:`pause` know nothing of each other. ``limits`` are the
        configured ones, to which an override that ends goes back.
        """
        pause, override = control.pause, control.override
        stop_us = 0 if pause is None else -1 if pause.for_s is None else round(pause.for_s * 1e6)
        words = pause and json.dumps(
            {"by": pause.by, "reason": pause.reason[:REASON_LIMIT], "since": pause.since.isoformat()}
        )
        rate, burst = (str(override.rate), str(override.granted_burst)) if override else ("", "")
        args: list[str | float] = [control.version, stop_us, words or "", rate, burst, limits.rate]
        with answering():
            return bool(self._confirmed(self._control, [lane.key("bucket")], args))

    def take(self, lane: Lane, limits: Limits, calls: int) -> bool:
        """Take tokens for calls made right now, outside of a claim; False when there are not enough."""
        with answering():
            args = [limits.rate, limits.burst, calls, RECOVERY_S]
            return bool(self._confirmed(self._take, [lane.key("bucket")], args))

    def reserve(self, lane: Lane, limits: Limits, *, longest_s: float) -> float | None:
        """Take the next token there will be, for one more call: seconds to wait before it is made.

        None, and nothing is taken, when it would be more than ``longest_s`` or the lane is paused.
        """
        args = [limits.rate, limits.burst, RECOVERY_S, round(longest_s * 1e6)]
        with answering():
            wait = int(self._confirmed(self._reserve, [lane.key("bucket")], args))
        return None if wait < 0 else wait / 1e6

    def _confirmed(
        self, script: Any, keys: Sequence[str], args: Sequence[Any], undo: Callable[[Any], None] | None = None
    ) -> Any:
        """Run a script that grants or forbids calls; its answer, once the replicas have what it wrote.

        ``undo`` is given the answer if they do not.
        """
        if not self._replicas:
            return script(keys=keys, args=args)
        with self._redis.pipeline(transaction=False) as pipe:
            script(keys=keys, args=args, client=pipe)
            pipe.wait(self._replicas, round(REPLICAS_TIMEOUT_S * 1000))
            answer, reached = pipe.execute()
        if reached < self._replicas:
            if undo:
                with suppress(redis.RedisError, LanesUnavailable):
                    undo(answer)
            raise LanesUnavailable(f"Redis (lanes): {reached} replicas have what was written, {self._replicas} must")
        return answer

    def settle(self, lane: Lane, ids: Sequence[UUID]) -> None:
        """Take ids out of the lane's due-set: nothing more is to be called for them."""
        if ids:
            with answering(), self._redis.pipeline(transaction=False) as pipe:
                pipe.zrem(lane.key("due"), *(id.hex for id in ids))
                pipe.hdel(lane.key("claims"), *(id.hex for id in ids))
                pipe.execute()

    def moments(self, lane: Lane, ids: Sequence[UUID]) -> dict[UUID, float]:
        """When ids are due, for :meth:`leave`; those that are not in the lane have none."""
        with answering(), self._redis.pipeline(transaction=False) as pipe:
            for id in ids:
                pipe.zscore(lane.key("due"), id.hex)
            return {id: float(due) for id, due in zip(ids, pipe.execute(), strict=True) if due is not None}

    def leave(self, lane: Lane, moments: Mapping[UUID, float]) -> None:
        """Take ids out of the lane that nobody moved since their ``moments`` were read."""
        if moments:
            with answering():
                pairs = [part for id, due in moments.items() for part in (id.hex, f"{due:.0f}")]
                self._leave(keys=[lane.key("due"), lane.key("claims")], args=pairs)

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
        """Grant nothing for ``seconds``, since the provider asked for it, then restart at half the rate.

        A longer one already running stays.

        ``reason`` is what operators read while it lasts. Where nothing was ``refused``, the rate stays as it was.
        """
        microseconds = round(max(seconds, PAUSE_FLOOR_S if refused else 0.0) * 1e6)
        halves = int(refused)
        args = [microseconds, limits.rate, RECOVERY_S, reason[:REASON_LIMIT], halves]
        with answering():
            self._confirmed(self._pause, [lane.key("bucket")], args)

    def once_in(self, name: str, seconds: float) -> bool:
        """Whether nobody else was told so within the last ``seconds``, by Redis' clock."""
        with answering():
            return bool(self._redis.set(f"vidpoll:once:{name}", 1, nx=True, px=round(seconds * 1000)))


def _lua(*names: str) -> str:
    """One script of these files, in this order."""
    return "".join((_FOLDER / f"{name}.lua").read_text() for name in names)


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
