"""Runway as its documents describe it: one endpoint a kind of input, tasks that are got and deleted one at a time."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from vidpoll.simulator import files
from vidpoll.simulator.jobs import Job, Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later, with_quota
from vidpoll.simulator.world import Verb, World

VERSION: Final = "2024-11-06"
#: Credits a task costs, whatever it makes.
CREDITS: Final = 60
#: Seconds for which a URL is said to be good.
URLS_LIVE_S: Final = 24 * 3600
_TASK: Final = re.compile(r"/tasks/(?P<id>[^/]+)")
#: What each endpoint needs: all of the first, one of the second.
_NEEDED: Final = {
    "/text_to_video": (("promptText",), ()),
    "/text_to_image": (("promptText", "ratio"), ()),
    "/image_to_video": (("promptImage",), ()),
    "/video_to_video": ((), ("promptVideo", "videoUri")),
    "/video_upscale": (("videoUri",), ()),
}
#: Models that have one endpoint only; those that make images; those that need a ratio wherever they make a video.
_ONLY: Final = {
    "gen4_turbo": "/image_to_video", "aleph2": "/video_to_video",
    "magnific_video_upscaler_creative": "/video_upscale", "enhance_frame_rate": "/video_upscale",
}  # fmt: skip
_IMAGES: Final = frozenset({"gen4_image", "gen4_image_turbo", "gemini_2.5_flash"})
_WITH_RATIO: Final = frozenset({"gen4.5", "gen4_turbo", "veo3.1", "veo3.1_fast"})
_STATUSES: Final = {
    "queued": "THROTTLED", "running": "RUNNING", "ready": "SUCCEEDED", "partial": "SUCCEEDED",
    "filtered": "FAILED", "failed": "FAILED", "cancelled": "CANCELLED", "garbled": "DAYDREAMING",
}  # fmt: skip
_FAILURES: Final = {
    "filtered": {"failure": "The prompt was rejected by content moderation.", "failureCode": "SAFETY.INPUT.TEXT"},
    "failed": {"failure": "The generation was of poor quality.", "failureCode": "INTERNAL.BAD_OUTPUT.CODE01"},
}


def answer(world: World, call: Call) -> Reply:
    """Answer one request under the base URL."""
    scheme, _, key = call.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not world.knows(key):
        return _unauthenticated()
    if call.headers.get("x-runway-version") != VERSION:
        return Reply(400, {"error": "The X-Runway-Version header is missing or names no version."})
    found = _route(world, key, call)
    if found is None:
        return Reply(404, {"error": "Not found."})
    verb, reply = found
    if not world.arrives(key, verb):
        return with_quota(world, key, verb, Reply(429, {"error": "Too many requests."}, retry_later(world)))
    return through_faults(world, key, verb, reply if verb == "submit" else partial(_unless_refused, world, reply))


def _route(world: World, key: str, call: Call) -> tuple[Verb, Callable[[], Reply]] | None:
    if call.method == "POST" and call.path in _NEEDED:
        return "submit", partial(_submit, world, key, call.json(), call.path)
    task = _TASK.fullmatch(call.path)
    if task and call.method in ("GET", "DELETE"):
        return "status", partial(_get if call.method == "GET" else _delete, world, key, task["id"])
    return None


def _submit(world: World, key: str, asked: Any, endpoint: str) -> Reply:
    problem = _problem(asked, endpoint)
    if problem:
        return Reply(400, {"error": problem})
    if world.strikes("submit_500"):
        return Reply(500, {"error": "Internal server error."})
    reference = hashlib.sha256(json.dumps([endpoint, asked], sort_keys=True).encode()).hexdigest()
    job = world.accept(
        key, asked["model"], samples=1, reference=reference, name=str, seed=asked.get("seed"),
        request={"endpoint": endpoint, "body": asked},
    )  # fmt: skip
    return Reply(200, {"id": job.name, "estimatedCost": {"credits": CREDITS}})


def _problem(asked: Any, endpoint: str) -> str | None:
    if not isinstance(asked, dict) or not isinstance(asked.get("model"), str):
        return "Validation of body failed: model is required."
    model = asked["model"]
    if _ONLY.get(model, endpoint) != endpoint or (endpoint == "/video_upscale" and model not in _ONLY):
        return f"Validation of body failed: model {model} is not available at {endpoint}."
    if (model in _IMAGES) != (endpoint == "/text_to_image"):
        return f"Validation of body failed: model {model} is not available at {endpoint}."
    every, either = _NEEDED[endpoint]
    needed = [*every, *(["ratio"] if model in _WITH_RATIO else []), *(["duration"] if model == "gen4.5" else [])]
    for name in needed:
        if not asked.get(name):
            return f"Validation of body failed: {name} is required."
    if either and not any(asked.get(name) for name in either):
        return f"Validation of body failed: {' or '.join(either)} is required."
    if endpoint == "/video_upscale" and "promptText" in asked:
        return "Validation of body failed: unrecognized key promptText."
    return None


def _unless_refused(world: World, reply: Callable[[], Reply]) -> Reply:
    if world.strikes("status_unauthorized"):
        return _unauthenticated()
    if world.strikes("status_500"):
        return Reply(503, {"error": "Shedding load."})
    return reply()


def _get(world: World, key: str, id: str) -> Reply:
    seen = world.look(key, id)
    return Reply(200, _task(world, seen)) if seen else _not_found()


def _delete(world: World, key: str, id: str) -> Reply:
    """Cancel what has not ended, delete what has; neither is known afterwards."""
    job = world.job(key, id)
    if job is None or job.lost:
        return _not_found()
    if world.strikes("cancel_500"):
        return Reply(500, {"error": "Internal server error."})
    if world.strikes("cancel_refused"):
        return Reply(400, {"error": "The task cannot be cancelled."})
    if not world.strikes("cancel_ignored"):
        world.cancel(job)
        job.lost = True
    return Reply(204, raw=b"")


def _task(world: World, seen: Seen) -> dict[str, Any]:
    job, status = seen.job, _STATUSES[seen.state]
    created = datetime.fromtimestamp(job.accepted_at, UTC).isoformat().replace("+00:00", "Z")
    task: dict[str, Any] = {"id": job.name, "status": status, "createdAt": created}
    match status:
        case "SUCCEEDED":
            task |= {"output": [_signed(world, job)] if seen.urls else [], "cost": {"credits": CREDITS}}
        case "FAILED":
            task |= {**_FAILURES[seen.state], "cost": {"credits": 0}}
        case "CANCELLED":
            task |= {"cost": {"credits": CREDITS}}
        case _:
            task |= {"estimatedCost": {"credits": CREDITS}}
    return {**task, "progress": seen.progress / 100} if status == "RUNNING" else task


def _signed(world: World, job: Job) -> str:
    """The result's URL, which is another one at each look. Nobody checks until when it is good."""
    what: files.What = "image" if job.model in _IMAGES else "video"
    return f"{files.url(world, job.name, what)}?expires={int(world.clock() + URLS_LIVE_S)}"


def _not_found() -> Reply:
    return Reply(404, {"error": "Task not found."})


def _unauthenticated() -> Reply:
    return Reply(401, {"error": "Unauthorized."})


BASES = {"/runway/v1": answer}
