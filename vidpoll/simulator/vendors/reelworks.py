"""Reelworks, an invented vendor, unlike the others wherever it can be: for providers that are only described.

Every answer of the API itself is HTTP 200 with ``{"ret": {"code", "text"}, "payload": …}``; ``code`` 0 is well, others
say what is wrong. Jobs have numbers, their phases too; progress is a fraction, moments are Unix milliseconds, results
sit beside their stills and are told without the host. ``client_token`` makes a second render with it the same job.

=====================================  =======================================================
``POST /v2/renders``                   ``{"client_token"?, "engine", "scene": {"text", …}, "takes"?}``
``POST /v2/renders/query``             ``{"ref": number}``
``DELETE /v2/renders/{ref}``           stops it
``X-Reel-Token``                       the key, a header of every call
=====================================  =======================================================
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from vidpoll.simulator import files
from vidpoll.simulator.jobs import Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, with_quota
from vidpoll.simulator.world import Verb, World

_ONE: Final = re.compile(r"/renders/(?P<ref>\d+)")
#: What ``ret.code`` says.
_BAD_REQUEST, _BAD_TOKEN, _NO_SUCH_JOB, _ENDED, _THROTTLED, _OVERLOADED = 4000, 4010, 4040, 4090, 4290, 5000
_PHASES: Final = {
    "queued": 0, "running": 10, "ready": 20, "partial": 20, "failed": 30, "filtered": 31, "cancelled": 40,
    "garbled": 99,
}  # fmt: skip
_CAUSES: Final = {
    "failed": {"no": 7001, "text": "The engine ran out of memory."},
    "filtered": {"no": 7100, "text": "The scene breaks the house rules."},
}


def answer(world: World, call: Call) -> Reply:
    """Answer one request under the base URL; its ``Date`` is the world's."""
    reply = _answer(world, call)
    return replace(reply, headers={"Date": formatdate(world.clock(), usegmt=True), **reply.headers})


def _answer(world: World, call: Call) -> Reply:
    key = call.headers.get("x-reel-token", "")
    if not key:
        return _says(_BAD_TOKEN, "no token")
    found = _route(world, key, call)
    if found is None:
        return Reply(404, {"ret": {"code": 4041, "text": "no such call"}, "payload": None})
    verb, reply = found
    if not world.arrives(key, verb):
        return with_quota(world, key, verb, _throttled(world))
    return through_faults(world, key, verb, reply if verb == "submit" else partial(_unless_refused, world, reply))


def _route(world: World, key: str, call: Call) -> tuple[Verb, Callable[[], Reply]] | None:
    if call.method == "POST" and call.path == "/renders":
        return "submit", partial(_submit, world, key, call.json())
    if call.method == "POST" and call.path == "/renders/query":
        return "status", partial(_query, world, key, call.json())
    if call.method == "DELETE" and (one := _ONE.fullmatch(call.path)):
        return "status", partial(_stop, world, key, one["ref"])
    return None


def _submit(world: World, key: str, body: Any) -> Reply:
    asked = body if isinstance(body, dict) else {}
    scene = asked.get("scene")
    if not isinstance(scene, dict) or not isinstance(scene.get("text"), str) or not scene["text"]:
        return _says(_BAD_REQUEST, "scene.text: a prompt is required")
    takes = asked.get("takes", 1)
    if not isinstance(takes, int) or not 1 <= takes <= 4:
        return _says(_BAD_REQUEST, "takes: must be 1 to 4")
    if world.strikes("submit_500"):
        return Reply(500, {"ret": {"code": _OVERLOADED, "text": "try again later"}, "payload": None})
    token = str(asked.get("client_token") or uuid.uuid4())
    name = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{key} {token}").int % 10**12)
    job = world.job(key, name) or world.accept(
        key, str(asked.get("engine")), samples=takes, reference=token, seed=scene.get("seed"), name=name, request=asked
    )
    return _well({"job": {"ref": int(job.name), "phase": 0}})


def _unless_refused(world: World, reply: Callable[[], Reply]) -> Reply:
    if world.strikes("status_unauthorized"):
        return _says(_BAD_TOKEN, "this token was revoked")
    if world.strikes("status_500"):
        return Reply(503, {"ret": {"code": _OVERLOADED, "text": "try again later"}, "payload": None})
    return reply()


def _query(world: World, key: str, body: Any) -> Reply:
    ref = body.get("ref") if isinstance(body, dict) else None
    if not isinstance(ref, int):
        return _says(_BAD_REQUEST, "ref: must be a number")
    seen = world.look(key, str(ref))
    return _well({"job": _job(world, seen)}) if seen else _says(_NO_SUCH_JOB, f"no job {ref}")


def _stop(world: World, key: str, ref: str) -> Reply:
    job = world.job(key, ref)
    if job is None or job.lost:
        return _says(_NO_SUCH_JOB, f"no job {ref}")
    if world.strikes("cancel_500"):
        return Reply(500, {"ret": {"code": _OVERLOADED, "text": "try again later"}, "payload": None})
    if world.strikes("cancel_refused"):
        return _says(_ENDED, "it cannot be stopped any more")
    ignored = world.strikes("cancel_ignored")
    return _well({"job": _job(world, Seen(job, "running", 50) if ignored else world.cancel(job))})


def _job(world: World, seen: Seen) -> dict[str, Any]:
    job, phase, begun = seen.job, _PHASES[seen.state], seen.state != "queued" and seen.job.begun(world.clock())
    done = phase == _PHASES["ready"]
    withheld = ["take 1 of the scene was withheld: house rules"] if seen.state == "partial" else []
    return {
        "ref": int(job.name), "phase": phase, "cause": _CAUSES.get(seen.state),
        "meter": {"ratio": seen.progress / 100 if seen.state == "running" else float(done)},
        "clock": {
            "in": int(job.accepted_at * 1000),
            "on": int(job.starts_at * 1000) if begun else None,
            "off": int(job.ends_at * 1000) if done else None,
        },
        "reel": {
            "dice": str(job.seed),
            "withheld": withheld,
            "pieces": _pieces(world, job.name, job.samples - len(withheld)) if done and seen.urls else [],
        },
    }  # fmt: skip


def _pieces(world: World, ref: str, takes: int) -> list[dict[str, str]]:
    """Each take, with a still before it."""
    kinds = (("image/jpeg", "still"), ("video/webm", "take"))
    return [
        {"mime": mime, "at": urlsplit(files.url(world, f"{ref}-{kind}{take}")).path}
        for take in range(takes)
        for mime, kind in kinds
    ]


def _throttled(world: World) -> Reply:
    return Reply(200, {"ret": {"code": _THROTTLED, "text": "slow down", "wait": world.faults.retry_after}})


def _says(code: int, text: str) -> Reply:
    return Reply(200, {"ret": {"code": code, "text": text}, "payload": None})


def _well(payload: dict[str, Any]) -> Reply:
    return Reply(200, {"ret": {"code": 0, "text": "well"}, "payload": payload})


BASES = {"/reelworks/v2": answer}
