"""A file API: one record per file, with the tasks that make it; the file is there when its URL is.

``GET /api/v1/file/{id}`` answers ``{id, url?, contentType?, tasks: [{id, status}]}`` with ``pending``, ``in_progress``,
``completed`` and ``error``, as its clients' notes describe it. They describe neither how a file is asked for nor how a
call is refused; invented here: ``POST /api/v1/file/generate-video`` and ``…/generate-image`` with ``{config: {prompt,
generation_config_name, seed?}}``, which answer with the record, a Bearer token, and errors as ``{"detail": …}``.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from vidpoll.simulator import files
from vidpoll.simulator.jobs import Job, Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later, with_quota
from vidpoll.simulator.world import Verb, World

_SUBMIT: Final = re.compile(r"/api/v1/file/generate-(?P<media>video|image)")
_FILE: Final = re.compile(r"/api/v1/file/(?P<id>[^/]+)")
_TYPES: Final = {"video": "video/webm", "image": "image/png"}
#: The statuses of the two tasks of a file, rendering and storing it, by what is told of the job.
_TASKS: Final = {
    "queued": ("pending", "pending"),
    "running": ("in_progress", "pending"),
    "storing": ("completed", "in_progress"),
    "ready": ("completed", "completed"),
    "failed": ("completed", "error"),
    "garbled": ("completed", "daydreaming"),
}
#: Percent from which on a file is being stored.
_STORING_FROM: Final = 80


def answer(world: World, call: Call) -> Reply:
    """Answer one request under the base URL."""
    key = call.headers.get("authorization", "").removeprefix("Bearer ")
    if not key:
        return _problem(401, "Not authenticated")
    found = _route(world, key, call)
    if found is None:
        return _problem(404, "Not Found")
    verb, reply = found
    if not world.arrives(key, verb):
        throttled = Reply(429, {"detail": "Too many requests"}, retry_later(world))
        return with_quota(world, key, verb, throttled)
    return through_faults(world, key, verb, reply)


def _route(world: World, key: str, call: Call) -> tuple[Verb, Callable[[], Reply]] | None:
    if call.method == "POST" and (submit := _SUBMIT.fullmatch(call.path)):
        return "submit", partial(_submit, world, key, call.json(), submit["media"])
    if call.method == "GET" and (file := _FILE.fullmatch(call.path)):
        return "status", partial(_get, world, key, file["id"])
    return None


def _submit(world: World, key: str, body: Any, media: str) -> Reply:
    asked = body.get("config") if isinstance(body, dict) else None
    config: dict[str, Any] = asked if isinstance(asked, dict) else {}
    for name in ("prompt", "generation_config_name"):
        if not isinstance(config.get(name), str) or not config[name]:
            missing = {"loc": ["body", "config", name], "msg": f"{name}: field required", "type": "value_error.missing"}
            return _problem(422, [missing])
    if world.strikes("submit_500"):
        return _problem(500, "Internal Server Error")
    reference = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    job = world.accept(
        key, config["generation_config_name"], samples=1, reference=reference, name=str,
        seed=config.get("seed"), request=media,
    )  # fmt: skip
    return Reply(200, _record(world, Seen(job, "queued")))


def _get(world: World, key: str, id: str) -> Reply:
    if world.strikes("status_unauthorized"):
        return _problem(401, "Could not validate credentials")
    if world.strikes("status_500"):
        return _problem(503, "Service Unavailable")
    seen = world.look(key, id)
    return Reply(200, _record(world, seen)) if seen else _problem(404, "File not found")


def _record(world: World, seen: Seen) -> dict[str, Any]:
    """The file. It knows no word for moderation: what was filtered has failed."""
    job, stage = seen.job, seen.state
    if stage in ("filtered", "cancelled"):
        stage = "failed"
    words = _TASKS["storing" if stage == "running" and seen.progress >= _STORING_FROM else stage]
    tasks = [{"id": _task_id(job, number), "status": word} for number, word in enumerate(words)]
    record: dict[str, Any] = {"id": job.name, "tasks": tasks}
    if stage == "ready" and seen.urls:
        record |= {"url": files.url(world, job.name), "contentType": _TYPES[job.request]}
    return record


def _task_id(job: Job, number: int) -> str:
    return str(uuid.uuid5(uuid.UUID(job.name), str(number)))


def _problem(status: int, detail: object) -> Reply:
    return Reply(status, {"detail": detail})


BASES = {"/file-api": answer}
