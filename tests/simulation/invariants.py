"""What must be true at every moment, and what must be true at the end; each told with what led to it."""

import re
from bisect import bisect_left
from collections import Counter
from typing import Any, Final

from tests.simulation.accounts import ACCOUNT_LANES, BURST, RATE
from tests.simulation.sim import Sim
from vidpoll.generation import FINAL, MOVES, Status

#: Seconds after a disturbance in which calls may come more densely.
DISTURBED_S: Final = 3.0
#: Codes of failures the vendor gave reasons for, or that tell of what the vendor no longer told.
_OURS: Final = frozenset({"timed_out", "lost"})


def during(sim: Sim) -> None:
    """What holds at any moment."""
    sim.found()
    rows = {row["id"]: row for row in sim.rows()}
    problems = [*sim.problems, *_accepted(sim, rows), *_events(sim, rows), *_charged_once(sim), *_operations(sim, rows)]
    problems += _rates(sim)
    _tell(sim, problems)


def finally_(sim: Sim) -> None:
    """What holds when nothing moves any more."""
    rows = {row["id"]: row for row in sim.rows()}
    _tell(sim, [*_ended(sim, rows), *_nothing_lost(sim, rows), *_redis_is_empty(sim, rows)])


def _tell(sim: Sim, problems: list[str]) -> None:
    if problems:
        ids = sorted({id for problem in problems for id in re.findall(r"(?<![\w-])[0-9a-f]{8}(?![\w-])", problem)})
        raise AssertionError(
            f"seed {sim.seed}, at {sim.loop.now:.3f} s:\n"
            + "\n".join(problems[:20])
            + f"\n\nwhat happened to {', '.join(ids) or 'all'} (last lines):\n{sim.trace.about(*ids)}",
        )


def _short(id: object) -> str:
    return str(id)[:8]


# -- 1: the rows ------------------------------------------------------------------------------------------------------


def _accepted(sim: Sim, rows: dict[Any, dict[str, Any]]) -> list[str]:
    return [f"{_short(id)} was accepted and has no row" for id in sim.accepted if id not in rows]


def _events(sim: Sim, rows: dict[Any, dict[str, Any]]) -> list[str]:
    """The log of every generation is a walk along legal moves; versions grow by one; the row is where it ends."""
    at: dict[Any, tuple[int, str, str]] = {}
    found = []
    query = "SELECT generation_id, version, status, kind, data ->> 'code' FROM generation_events ORDER BY id"
    for id, version, status, kind, code in sim.database.execute(query):
        before = at.get(id)
        at[id] = (version, status, code or "")
        if before is None:
            legal = version == 1 and status == "pending"
        else:
            same = status == before[1] and Status(status) not in FINAL
            late = (before[1], status) != ("failed", "completed") or before[2] == "timed_out"
            legal = version == before[0] + 1 and (same or Status(status) in MOVES[Status(before[1])]) and late
        if not legal:
            found.append(f"{_short(id)} moved illegally: {before} → {version} {status} by {kind}")
    for id, row in rows.items():
        if at.get(id, (0, ""))[:2] != (row["version"], row["status"]):
            found.append(f"{_short(id)} is {row['status']} v{row['version']}, but its log ends with {at.get(id)}")
    return found


# -- 2: money ---------------------------------------------------------------------------------------------------------


def _charged_once(sim: Sim) -> list[str]:
    return [
        f"{_short(id)} was paid for {len(jobs)} times: {', '.join(jobs)}"
        for id, jobs in sim.ledger.charges.items()
        if len(jobs) > 1
    ]


# -- 3: rates ---------------------------------------------------------------------------------------------------------


def _rates(sim: Sim) -> list[str]:
    """No second holds more than rate + burst calls; one in which calls were held up may hold those of another one."""
    found = []
    for (key, verb), arrivals in sim.ledger.arrivals.items():
        first = 0
        for last, moment in enumerate(arrivals):
            while arrivals[first] <= moment - 1.0:
                first += 1
            calls, most = last - first + 1, _most(sim, moment)
            if calls > most:
                found.append(f"{calls} calls of {key}:{verb} in the second before {moment:.3f}; at most {most}")
    sim.ledger.arrivals.clear()
    return found


def _most(sim: Sim, moment: float) -> int:
    """Calls that may arrive in the second before this moment."""
    disturbed = sim.trouble.disturbed
    place = bisect_left(disturbed, (moment - DISTURBED_S - 1.0, 0))
    lately = [more for began, more in disturbed[place:] if began <= moment]
    return RATE + BURST + sum(lately)


# -- 4: operations ----------------------------------------------------------------------------------------------------


def _operations(sim: Sim, rows: dict[Any, dict[str, Any]]) -> list[str]:
    jobs, found = {job.name: job for job in sim.world._jobs.values()}, []
    owners = {name: id for id, names in sim.ledger.charges.items() for name in names}
    for row in rows.values():
        name = row["operation_name"]
        if name is None:
            continue
        job = jobs.get(name)
        if job is None:
            found.append(f"{_short(row['id'])} watches {name}, which no vendor has")
            continue
        owner = rows[owners[name]]
        if any(owner[field] != row[field] for field in ("account", "model", "prompt", "params")):
            found.append(f"{_short(row['id'])} watches {name}, which was made for {_short(owner['id'])}")
        if row["status"] != "completed":
            continue
        unique = name.rpartition("/")[2]
        if unique not in row["video_url"] and unique[:-2] not in row["video_url"]:
            found.append(f"{_short(row['id'])} has the video {row['video_url']} of another operation than {name}")
        if job.outcome not in ("ready", "partial") or job.ready_at > sim.time.vendors():
            found.append(f"{_short(row['id'])} is completed, but its job is {job.outcome}")
    counts = Counter((row["account"], row["operation_name"]) for row in rows.values() if row["operation_name"])
    return found + [f"{times} rows have {name} of {account}" for (account, name), times in counts.items() if times > 1]


# -- 5: the end -------------------------------------------------------------------------------------------------------


def _ended(sim: Sim, rows: dict[Any, dict[str, Any]]) -> list[str]:
    found = []
    for id, row in rows.items():
        status = Status(row["status"])
        if status is Status.UNKNOWN and row["next_check_at"] is None and row["account"] != "runware":
            if id in sim.ledger.told:
                found.append(f"{_short(id)} is unknown, though a worker was told its operation and lived on")
            elif row["account"] == "replicate" and (why := _could_be_found(sim, rows, row)):
                found.append(f"{_short(id)} is left to a person, though {why}")
        elif not status.final or row["watch_until"] is not None:
            found.append(f"{_short(id)} of {row['account']} is still {status}: {row['stage']}")
    return found


def _could_be_found(sim: Sim, rows: dict[Any, dict[str, Any]], row: dict[str, Any]) -> str:
    """Why a look-up should have settled it; empty when it could not."""
    names = sim.ledger.charges.get(row["id"], [])
    alike = [
        one
        for one in rows.values()
        if one["id"] != row["id"] and all(one[key] == row[key] for key in ("account", "model", "prompt", "params"))
    ]
    if not names or alike or sim.world._jobs[names[0]].lost:
        return ""
    return f"{names[0]} is its only operation"


def _nothing_lost(sim: Sim, rows: dict[Any, dict[str, Any]]) -> list[str]:
    """Every job that was paid for, and that its vendor does not deny, is told of by a row."""
    watched, found = {row["operation_name"] for row in rows.values()}, []
    for id, names in sim.ledger.charges.items():
        row = rows[id]
        if row["status"] == "unknown" or id in sim.given_up:
            continue
        lost = [name for name in names if name not in watched and not sim.world._jobs[name].lost]
        found += [f"{name}, paid for {_short(id)}, is lost: it is {row['status']}, {row['error']}" for name in lost]
    for row in rows.values():
        name = row["operation_name"]
        if row["status"] == "failed" and name:
            job = sim.world._jobs[name]
            code = row["error"]["code"]
            ready_in_time = job.outcome in ("ready", "partial") and not job.lost
            if ready_in_time and code not in _OURS | {"output_gone"}:
                found.append(f"{_short(row['id'])} failed with {row['error']}, but its job is {job.outcome}")
            if ready_in_time and code == "timed_out" and job.ready_at < sim.time.vendors() - 7200:
                found.append(f"{_short(row['id'])} timed out, though its video was ready and could be told of late")
    return found


# -- 6: Redis ---------------------------------------------------------------------------------------------------------


def _redis_is_empty(sim: Sim, rows: dict[Any, dict[str, Any]]) -> list[str]:
    found, now = [], sim.time.redis_us()
    for lane in ACCOUNT_LANES:
        due, claims = sim.redis.zrange(lane.key("due"), 0, -1), sim.redis.hkeys(lane.key("claims"))
        held = sim.redis.zrangebyscore(lane.key("in_flight"), now, "+inf")
        for part, ids in (("due", due), ("claims", claims), ("in_flight", held)):
            found += [f"{id.decode()[:8]} is still in {lane.key(part)}" for id in ids]
    parts = ("due", "bucket", "in_flight", "claims", "flows", "recent", "hurried")
    known = {lane.key(part).encode() for lane in ACCOUNT_LANES for part in parts}
    found += [f"Redis has a key {key!r}" for key in set(sim.redis.keys()) - known - {b"vidpoll:workers"}]
    return found
