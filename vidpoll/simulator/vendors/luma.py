"""Luma's Dream Machine as its documents describe it: generations that are made and got one at a time."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from vidpoll.simulator import files
from vidpoll.simulator.hooks import Hook
from vidpoll.simulator.jobs import Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later, with_quota
from vidpoll.simulator.world import Verb, World

#: Models that make images.
_IMAGES: Final = ("photon-1", "photon-flash-1")
_UPSCALE: Final = re.compile(r"/generations/(?P<id>[^/]+)/upscale")
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
    if call.method == "POST" and call.path in ("/generations/video", "/generations/image"):
        return "submit", partial(_submit, world, key, call.json(), call.path.endswith("image"))
    if call.method == "POST" and (upscaled := _UPSCALE.fullmatch(call.path)):
        return "submit", partial(_upscale, world, key, upscaled["id"], call.json())
    if call.method == "GET" and (one := _ONE.fullmatch(call.path)):
        return "status", partial(_get, world, key, one["id"])
    return None


def _submit(world: World, key: str, body: Any, is_image: bool) -> Reply:
    asked = body if isinstance(body, dict) else {}
    for name in ("model", "prompt"):
        if not isinstance(asked.get(name), str) or not asked[name]:
            return _problem(422, [{"loc": ["body", name], "msg": f"{name}: Field required", "type": "missing"}])
    if (asked["model"] in _IMAGES) != is_image:
        return _problem(400, f"Model {asked['model']} is not available here")
    if asked.get("duration", "5s") not in ("5s", "9s"):
        return _problem(400, "Duration must be 5s or 9s")
    if world.strikes("submit_500"):
        return _problem(500, "Internal Server Error")
    first = (asked.get("keyframes") or {}).get("frame0") or {}
    if first.get("type") == "generation" and not _is_video(world, key, first.get("id")):
        return _problem(400, "The generation of frame0 is not there, or not completed")
    return _accepted(world, key, asked["model"], asked)


def _upscale(world: World, key: str, id: str, body: Any) -> Reply:
    asked = body if isinstance(body, dict) else {}
    if asked.get("resolution", "1080p") not in ("540p", "720p", "1080p", "4k"):
        return _problem(400, "Resolution must be 540p, 720p, 1080p or 4k")
    if not _is_video(world, key, id):
        return _problem(400, "The generation is not there, or not completed")
    if world.strikes("submit_500"):
        return _problem(500, "Internal Server Error")
    upscaled = world.job(key, id)
    assert upscaled is not None
    return _accepted(world, key, upscaled.model, {**asked, "id": id, "generation_type": "upscale_video"})


def _is_video(world: World, key: str, id: object) -> bool:
    job = world.job(key, str(id))
    return job is not None and world.seen(job).state == "ready" and job.model not in _IMAGES


def _accepted(world: World, key: str, model: str, asked: dict[str, Any]) -> Reply:
    reference = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    hook = _hook(world, asked.get("callback_url"))
    job = world.accept(key, model, samples=1, reference=reference, name=str, request=asked, hook=hook)
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
        "id": seen.job.name, "generation_type": "image" if _is_image(seen) else "video",
        "model": seen.job.model, "request": seen.job.request,
        "state": _STATES[seen.state], "failure_reason": _REASONS.get(seen.state), "assets": _assets(world, seen),
        "created_at": datetime.fromtimestamp(seen.job.accepted_at, UTC).isoformat(),
    }  # fmt: skip


def _hook(world: World, url: object) -> Hook | None:
    """The whole generation, when it begins and when it ends; unsigned, and tried three times more, 100 ms apart."""
    if not isinstance(url, str) or not url:
        return None
    return Hook(
        "luma", url, lambda seen: [json.dumps(_generation(world, seen)).encode()], begins=True, pauses_s=(0.1, 0.1, 0.1)
    )


def _assets(world: World, seen: Seen) -> dict[str, str | None] | None:
    match seen.state:
        case "running":
            return {"image": None, "video": None, "progress_video": files.url(world, f"{seen.job.name}-progress")}
        case "ready" if _is_image(seen):
            url = files.url(world, seen.job.name, "image")
            return {"image": url if seen.urls else None, "video": None, "progress_video": None}
        case "ready":
            image, video = files.url(world, f"{seen.job.name}-image", "image"), files.url(world, seen.job.name)
            return {"image": image, "video": video if seen.urls else None, "progress_video": None}
        case _:
            return None


def _is_image(seen: Seen) -> bool:
    return seen.job.model in _IMAGES


def _unauthenticated() -> Reply:
    return _problem(401, "Invalid or missing API key")


def _problem(status: int, detail: object) -> Reply:
    return Reply(status, {"detail": detail})


BASES = {"/luma/dream-machine/v1": answer}
