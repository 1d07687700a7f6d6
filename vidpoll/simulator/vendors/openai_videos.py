"""OpenAI's Videos API as its documents describe it: made and got one at a time, downloaded with the same key.

There is no URL that could be missing, so the fault ``status_no_url`` changes nothing here.
"""

import email
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from typing import Any, Final

from vidpoll.simulator import files
from vidpoll.simulator.hooks import Headers, Hook, standard_headers
from vidpoll.simulator.jobs import Job, Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later, with_quota
from vidpoll.simulator.world import Verb, World

#: Seconds after its end when a video is removed.
KEPT_S: Final = 3600
#: Milliseconds after which the vendor wants to be asked again; scaled as the jobs' durations are.
POLL_AFTER_MS: Final = 1000
#: What makes a video when no model is named (``types/video_create_params.py``).
DEFAULT_MODEL: Final = "sora-2"
_ONE: Final = re.compile(r"/videos/(?P<id>[^/]+)")
_CONTENT: Final = re.compile(r"/videos/(?P<id>[^/]+)/content")
_STATUSES: Final = {
    "queued": "queued", "running": "in_progress", "ready": "completed", "filtered": "failed", "failed": "failed",
    "garbled": "daydreaming",
}  # fmt: skip
_ERRORS: Final = {
    "filtered": {"code": "moderation_blocked", "message": "The request was blocked by our moderation system."},
    "failed": {"code": "video_generation_failed", "message": "The video could not be made."},
}


def answer(world: World, call: Call) -> Reply:
    """Answer one request under the base URL; its ``Date`` is the world's. A download counts as no call."""
    reply = _answer(world, call)
    return replace(reply, headers={"Date": formatdate(world.clock(), usegmt=True), **reply.headers})


def _answer(world: World, call: Call) -> Reply:
    key = call.headers.get("authorization", "").removeprefix("Bearer ")
    if not world.knows(key):
        return _unauthenticated()
    if content := _CONTENT.fullmatch(call.path):
        return _download(world, key, call, content["id"])
    found = _route(world, key, call)
    if found is None:
        return _error(404, "not_found", f"Invalid URL ({call.method} {call.path})")
    verb, reply = found
    if not world.arrives(key, verb):
        refusal = _error(429, "rate_limit_exceeded", "Rate limit reached.")
        return with_quota(world, key, verb, replace(refusal, headers=retry_later(world)))
    return through_faults(world, key, verb, reply)


def _route(world: World, key: str, call: Call) -> tuple[Verb, Callable[[], Reply]] | None:
    if call.method == "POST" and call.path == "/videos":
        return "submit", partial(_submit, world, key, _body(call))
    if call.method == "GET" and (one := _ONE.fullmatch(call.path)):
        return "status", partial(_get, world, key, one["id"])
    return None


def _body(call: Call) -> Any:
    """A form, as openai 3.54.0 sends it always (``resources/videos.py``), or JSON."""
    kind = call.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return call.json()
    form: Any = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + call.body)
    parts = form.get_payload() if form.is_multipart() else []
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode(errors="replace")
        for part in parts
    }


def _submit(world: World, key: str, body: Any) -> Reply:
    asked = {"model": DEFAULT_MODEL, **body} if isinstance(body, dict) else {}
    if not isinstance(asked.get("prompt"), str) or not asked["prompt"]:
        return _error(400, "missing_required_parameter", "Missing required parameter: 'prompt'.", "prompt")
    for name in ("model", "seconds", "size"):
        if not isinstance(asked.get(name, ""), str):
            return _error(400, "invalid_type", f"Invalid type for '{name}': expected a string.", name)
    if world.strikes("submit_500"):
        return _error(500, "server_error", "The server had an error.")
    reference = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    job = world.accept(
        key, asked["model"], samples=1, reference=reference, name=lambda unique: f"video_{unique.hex}", request=asked,
        hook=_hook(world.registered.get("openai_videos")),
    )  # fmt: skip
    return Reply(200, _video(Seen(job, "queued")))


def _hook(url: str | None) -> Hook | None:
    """What is told when a video is done or has failed, at the address that was registered."""
    return Hook("openai_videos", url, lambda seen: [json.dumps(_event(seen)).encode()], _signed) if url else None


def _event(seen: Seen) -> dict[str, Any]:
    """The event names the video, and no more: its own state has to be asked for."""
    word = "completed" if _STATUSES[seen.state] == "completed" else "failed"
    return {
        "id": _event_id(seen.job), "object": "event", "created_at": int(seen.job.ends_at),
        "type": f"video.{word}", "data": {"id": seen.job.name},
    }  # fmt: skip


def _event_id(job: Job) -> str:
    return f"evt_{hashlib.sha256(job.name.encode()).hexdigest()[:20]}"


def _signed(job: Job, body: bytes, at: float, number: int) -> Headers:
    return standard_headers(_event_id(job), body, at)


def _get(world: World, key: str, id: str) -> Reply:
    if world.strikes("status_unauthorized"):
        return _unauthenticated()
    if world.strikes("status_500"):
        return _error(503, "server_error", "The server is overloaded.")
    seen = world.look(key, id)
    if seen is None:
        return _not_found(id)
    hint = {"openai-poll-after-ms": str(int(POLL_AFTER_MS * world.durations.scale))}
    return Reply(200, _video(seen), hint)


def _video(seen: Seen) -> dict[str, Any]:
    job, status = seen.job, _STATUSES[seen.state]
    done = status == "completed"
    return {
        "id": job.name, "object": "video", "model": job.model, "prompt": job.request["prompt"], "status": status,
        "progress": 100 if done else seen.progress, "error": _ERRORS.get(seen.state),
        "seconds": job.request.get("seconds", "4"), "size": job.request.get("size", "720x1280"),
        "created_at": int(job.accepted_at), "completed_at": int(job.ends_at) if done else None,
        "expires_at": int(job.ends_at) + KEPT_S if done else None,
    }  # fmt: skip


def _download(world: World, key: str, call: Call, id: str) -> Reply:
    job = world.job(key, id)
    done = job is not None and not job.lost and world.seen(job).state == "ready"
    if job is None or not done or world.clock() > job.ends_at + KEPT_S:
        return _not_found(id)
    return files.answer(call)


def _unauthenticated() -> Reply:
    return _error(401, "invalid_api_key", "Incorrect API key provided.")


def _not_found(id: str) -> Reply:
    return _error(404, "not_found", f"Video with id '{id}' not found.")


def _error(status: int, code: str, message: str, param: str | None = None) -> Reply:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return Reply(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})


BASES = {"/openai_videos/v1": answer}
