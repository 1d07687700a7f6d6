"""Google's Interactions API as its documents describe it: made, got and cancelled one at a time.

An interaction echoes its whole input, whatever ``include_input`` says, as was reported of Google's.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from vidpoll.simulator import files
from vidpoll.simulator.jobs import Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later, with_quota
from vidpoll.simulator.world import Verb, World

_ONE: Final = re.compile(r"/interactions/(?P<id>[^/]+)")
_CANCEL: Final = re.compile(r"/interactions/(?P<id>[^/]+)/cancel")
_STATUSES: Final = {
    "queued": "queued", "running": "in_progress", "ready": "completed", "filtered": "failed", "failed": "failed",
    "cancelled": "cancelled", "garbled": "daydreaming",
}  # fmt: skip
_ERRORS: Final = {
    "filtered": {"code": "safety_violation", "message": "The video was blocked by safety filters."},
    "failed": {"code": "internal", "message": "The video could not be made."},
}


def answer(world: World, call: Call) -> Reply:
    """Answer one request under the base URL."""
    key = call.headers.get("x-goog-api-key", "")
    if not world.knows(key):
        return _unauthenticated()
    found = _route(world, key, call)
    if found is None:
        return _error(404, "not_found", f"No such method: {call.method} {call.path}")
    verb, reply = found
    if not world.arrives(key, verb):
        refusal = _error(429, "resource_exhausted", "Quota exceeded.")
        return with_quota(world, key, verb, replace(refusal, headers=retry_later(world)))
    return through_faults(world, key, verb, reply if verb == "submit" else partial(_unless_refused, world, reply))


def _route(world: World, key: str, call: Call) -> tuple[Verb, Callable[[], Reply]] | None:
    if call.method == "POST" and call.path == "/interactions":
        return "submit", partial(_submit, world, key, call.json())
    if call.method == "POST" and (cancel := _CANCEL.fullmatch(call.path)):
        return "status", partial(_cancel, world, key, cancel["id"])
    if call.method == "GET" and (one := _ONE.fullmatch(call.path)):
        return "status", partial(_get, world, key, one["id"])
    return None


def _submit(world: World, key: str, body: Any) -> Reply:
    problem = _problem(body if isinstance(body, dict) else {})
    if problem:
        return _error(400, "invalid_argument", problem)
    if world.strikes("submit_500"):
        return _error(500, "internal", "Internal error encountered.")
    reference = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    job = world.accept(
        key, body["model"], samples=1, reference=reference, name=lambda unique: f"int_{unique.hex}", request=body
    )
    return Reply(200, _interaction(world, Seen(job, "queued")))


def _problem(body: dict[str, Any]) -> str | None:
    if not isinstance(body.get("model"), str) or not body["model"]:
        return "The model is missing."
    if not any(part.get("text") or part.get("type") != "text" for part in _parts(body.get("input"))):
        return "The prompt is missing."
    form = body.get("response_format")
    if not isinstance(form, dict) or form.get("type") != "video":
        return "The response format of this model is video."
    if form.get("delivery") not in ("inline", "uri") or not isinstance(form.get("duration", ""), str):
        return "The response format is malformed."
    if body.get("background") is not True or body.get("store") is not True:
        return "Videos are made in the background and stored."
    return None


def _parts(asked: Any) -> list[dict[str, Any]]:
    """The input as a list of parts, whichever way it was written."""
    if isinstance(asked, str):
        return [{"type": "text", "text": asked}]
    return [part for part in asked if isinstance(part, dict)] if isinstance(asked, list) else []


def _unless_refused(world: World, reply: Callable[[], Reply]) -> Reply:
    if world.strikes("status_unauthorized"):
        return _unauthenticated()
    if world.strikes("status_500"):
        return _error(503, "unavailable", "The service is currently unavailable.")
    return reply()


def _get(world: World, key: str, id: str) -> Reply:
    seen = world.look(key, id)
    return Reply(200, _interaction(world, seen)) if seen else _not_found(id)


def _cancel(world: World, key: str, id: str) -> Reply:
    job = world.job(key, id)
    if job is None or job.lost:
        return _not_found(id)
    if world.strikes("cancel_500"):
        return _error(500, "internal", "Internal error encountered.")
    if world.strikes("cancel_refused"):
        return _error(400, "failed_precondition", "The interaction cannot be cancelled.")
    ignored = world.strikes("cancel_ignored")
    return Reply(200, _interaction(world, Seen(job, "running", 50) if ignored else world.cancel(job)))


def _interaction(world: World, seen: Seen) -> dict[str, Any]:
    job, status = seen.job, _STATUSES[seen.state]
    steps: list[dict[str, Any]] = [{"type": "user_input", "content": _parts(job.request["input"])}]
    if status == "completed" and seen.urls:
        video = {"type": "video", "mime_type": "video/mp4", "uri": files.url(world, job.name)}
        steps.append({"type": "model_output", "content": [video]})
    error = _ERRORS.get(seen.state)
    return {
        "id": job.name, "model": job.model, "status": status, "steps": steps,
        "created": datetime.fromtimestamp(job.accepted_at, UTC).isoformat().replace("+00:00", "Z"),
        **({"errors": [error]} if error else {}),
    }  # fmt: skip


def _unauthenticated() -> Reply:
    return _error(401, "unauthenticated", "Request had invalid authentication credentials.")


def _not_found(id: str) -> Reply:
    return _error(404, "not_found", f"Interaction {id} not found.")


def _error(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"error": {"code": code, "message": message}})


BASES = {"/gemini_omni/v1": answer, "/gemini_omni/v1beta": answer}
