"""MiniMax's API v1 as its documents and captures of it describe it: almost every answer, refusals too, is HTTP 200.

[INFERRED], not read: what an unknown id is answered, and that looking for a file counts as a status call.
"""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

from vidpoll.simulator import files
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later
from vidpoll.simulator.world import Verb, World

_STATUSES: Final = {
    "queued": "Queueing", "running": "Processing",
    "ready": "Success", "partial": "Success", "filtered": "Fail", "failed": "Fail", "cancelled": "Fail",
    "garbled": "daydreaming",
}  # fmt: skip
_REASONS: Final = {"filtered": (1027, "output sensitive"), "failed": (1000, "unknown error")}
#: What a file's id has more than its task's.
_FILE: Final = "7"


def answer(world: World, call: Call) -> Reply:
    """Answer one request under the base URL."""
    key = call.headers.get("authorization", "").removeprefix("Bearer ")
    if not world.knows(key):
        return _refusal(1004, "login fail: please carry the API secret key")
    found = _route(world, key, call)
    if found is None:
        return Reply(404, raw=b"404 page not found", content_type="text/plain")
    verb, reply = found
    if not world.arrives(key, verb):
        return _refusal(1002, "rate limit exceeded", headers=retry_later(world))
    return through_faults(world, key, verb, reply if verb == "submit" else partial(_unless_refused, world, reply))


def _route(world: World, key: str, call: Call) -> tuple[Verb, Callable[[], Reply]] | None:
    asked = parse_qs(call.query)
    match call.method, call.path:
        case "POST", "/v1/video_generation":
            return "submit", partial(_submit, world, key, call.json())
        case "GET", "/v1/query/video_generation":
            return "status", partial(_query, world, key, asked.get("task_id", [""])[0])
        case "GET", "/v1/files/retrieve":
            return "status", partial(_retrieve, world, key, asked.get("file_id", [""])[0])
        case _:
            return None


def _submit(world: World, key: str, body: Any) -> Reply:
    problem = _problem(body)
    if problem:
        return _refusal(2013, f"invalid params, {problem}")
    if world.strikes("submit_500"):
        return _refusal(1000, "unknown error", status=500)
    reference = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    job = world.accept(
        key, body["model"], samples=1, reference=reference, request=body,
        name=lambda unique: str(10**14 + unique.int % (9 * 10**14)),
    )  # fmt: skip
    return _said({"task_id": job.name})


def _problem(body: Any) -> str | None:
    if not isinstance(body, dict) or not isinstance(body.get("model"), str) or not body["model"]:
        return "model is required"
    if not (body.get("prompt") or body.get("first_frame_image")):
        return "prompt is required"
    return None if body.get("duration", 6) in (6, 10) else "duration must be 6 or 10"


def _unless_refused(world: World, reply: Callable[[], Reply]) -> Reply:
    if world.strikes("status_unauthorized"):
        return _refusal(1004, "login fail: please check the API secret key")
    return _refusal(1033, "system error", status=503) if world.strikes("status_500") else reply()


def _query(world: World, key: str, task_id: str) -> Reply:
    seen = world.look(key, task_id)
    if seen is None:
        return _refusal(2013, "invalid params, task_id does not exist")
    task: dict[str, Any] = {"task_id": task_id, "status": _STATUSES[seen.state], "file_id": ""}
    if task["status"] == "Success" and seen.urls:
        task |= {"file_id": task_id + _FILE, "video_width": 1366, "video_height": 768}
    return _said(task, *_REASONS.get(seen.state, ()))


def _retrieve(world: World, key: str, file_id: str) -> Reply:
    """Here a file's id is a number."""
    job = world.job(key, file_id.removesuffix(_FILE)) if file_id.endswith(_FILE) else None
    if job is None or job.lost or world.clock() < job.ends_at:
        return _refusal(2013, "invalid params, file_id does not exist")
    file = {"file_id": int(file_id), "bytes": 0, "created_at": int(job.ends_at), "filename": "output.mp4"}
    return _said({"file": {**file, "purpose": "video_generation", "download_url": files.url(world, job.name)}})


def _refusal(code: int, message: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, {"base_resp": {"status_code": code, "status_msg": message}}, headers or {})


def _said(body: dict[str, Any], code: int = 0, message: str = "success") -> Reply:
    return Reply(200, {**body, "base_resp": {"status_code": code, "status_msg": message}})


BASES = {"/minimax": answer}
