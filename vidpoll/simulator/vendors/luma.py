"""Luma's Dream Machine as its documents describe it: generations that are made and got one at a time."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from vidpoll.simulator import files
from vidpoll.simulator.jobs import Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later, with_quota
from vidpoll.simulator.world import Verb, World

_ONE: Final = re.compile(r"/generations/(?P<id>[^/]+)")
_STATES: Final = {
    "queued": "queued", "running": "dreaming", "ready": "completed", "filtered": "failed", "failed": "failed",
    "garbled": "daydreaming",
}  # fmt: skip
_REASONS: Final = {
    "filtered": "The video was held back by content moderation.",
    "failed": "The model could not make the video.",
}


def answer(world: World, call: Call) -> Reply:
    """Answer one request under the base URL."""
    key = call.headers.get("authorization", "").removeprefix("Bearer ")
    if not world.knows(key):
        return _unauthenticated()
    found = _route(world, key, call)
    if found is None:
        return _problem(404, "Not Found")
    verb, reply = found
    if not world.arrives(key, verb):
        refusal = Reply(429, {"detail": "Too many requests"}, retry_later(world))
        return with_quota(world, key, verb, refusal)
    return through_faults(world, key, verb, reply)


def _route(world: World, key: str, call: Call) -> tuple[Verb, Callable[[], Reply]] | None:
    if call.method == "POST" and call.path == "/generations/video":
        return "submit", partial(_submit, world, key, call.json())
    if call.method == "GET" and (one := _ONE.fullmatch(call.path)):
        return "status", partial(_get, world, key, one["id"])
    return None


def _submit(world: World, key: str, body: Any) -> Reply:
    asked = body if isinstance(body, dict) else {}
    for name in ("model", "prompt"):
        if not isinstance(asked.get(name), str) or not asked[name]:
            return _problem(422, [{"loc": ["body", name], "msg": f"{name}: Field required", "type": "missing"}])
    if asked.get("duration", "5s") not in ("5s", "9s"):
        return _problem(400, "Duration must be 5s or 9s")
    if world.strikes("submit_500"):
        return _problem(500, "Internal Server Error")
    reference = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    job = world.accept(key, asked["model"], samples=1, reference=reference, name=str, request=asked)
    return Reply(201, _generation(world, Seen(job, "queued")))


def _get(world: World, key: str, id: str) -> Reply:
    if world.strikes("status_unauthorized"):
        return _unauthenticated()
    if world.strikes("status_500"):
        return _problem(503, "Service Unavailable")
    seen = world.look(key, id)
    return Reply(200, _generation(world, seen)) if seen else _problem(404, "Generation not found")


def _generation(world: World, seen: Seen) -> dict[str, Any]:
    return {
        "id": seen.job.name, "generation_type": "video", "model": seen.job.model, "request": seen.job.request,
        "state": _STATES[seen.state], "failure_reason": _REASONS.get(seen.state), "assets": _assets(world, seen),
        "created_at": datetime.fromtimestamp(seen.job.accepted_at, UTC).isoformat(),
    }  # fmt: skip


def _assets(world: World, seen: Seen) -> dict[str, str | None] | None:
    match seen.state:
        case "running":
            return {"image": None, "video": None, "progress_video": files.url(world, f"{seen.job.name}-progress")}
        case "ready":
            image, video = files.url(world, f"{seen.job.name}-image"), files.url(world, seen.job.name)
            return {"image": image, "video": video if seen.urls else None, "progress_video": None}
        case _:
            return None


def _unauthenticated() -> Reply:
    return _problem(401, "Invalid or missing API key")


def _problem(status: int, detail: object) -> Reply:
    return Reply(status, {"detail": detail})


BASES = {"/luma/dream-machine/v1": answer}
