"""Kling as its documents describe it: tasks of two kinds, a token for every call, a code in every answer.

An access key is an account; the secret key of each is ``SECRET``. One whose access key begins with ``arrears`` owes
money. Tokens are judged by the real clock, whatever the world's is: whoever calls wrote them by that.

[INFERRED], not read: that the list is sorted newest first, and how a used ``external_task_id`` is refused.
"""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

from vidpoll.simulator import files
from vidpoll.simulator.hooks import Hook
from vidpoll.simulator.jobs import Job, Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later, with_quota
from vidpoll.simulator.world import Verb, World

SECRET: Final = "secret"  # noqa: S105
_TASKS: Final = re.compile(r"/v1/videos/(?P<kind>text2video|image2video)")
_TASK: Final = re.compile(r"/v1/videos/(?P<kind>text2video|image2video)/(?P<id>[^/]+)")
_STATUSES: Final = {
    "queued": "submitted", "running": "processing",
    "ready": "succeed", "partial": "succeed", "filtered": "failed", "failed": "failed", "cancelled": "failed",
    "garbled": "daydreaming",
}  # fmt: skip
_REASONS: Final = {
    "filtered": "The result triggered the content security policy.",
    "failed": "The video could not be generated.",
}


def answer(world: World, call: Call) -> Reply:
    """Answer one request under the base URL."""
    key = _access_key(call.headers.get("authorization", "").removeprefix("Bearer "))
    if isinstance(key, Reply):
        return key
    if not world.knows(key):
        return _refusal(401, 1000, "Authentication failed")
    if key.startswith("arrears"):
        return _refusal(429, 1101, "Account in arrears")
    found = _route(world, key, call)
    if found is None:
        return _refusal(404, 1202, "Invalid method")
    verb, reply = found
    if not world.arrives(key, verb):
        return with_quota(world, key, verb, _refusal(429, 1302, "Rate limit exceeded", retry_later(world)))
    return through_faults(world, key, verb, reply if verb == "submit" else partial(_unless_refused, world, reply))


def _access_key(token: str) -> str | Reply:
    """Whose token it is, or why it is refused."""
    if not token:
        return _refusal(401, 1001, "Authorization is empty")
    try:
        head, claims, signature = (part.encode() for part in token.split("."))
        signed = hmac.digest(SECRET.encode(), head + b"." + claims, hashlib.sha256)
        told, said, genuine = json.loads(_plain(head)), json.loads(_plain(claims)), _plain(signature) == signed
        issuer, begins, ends = str(said["iss"]), float(said["nbf"]), float(said["exp"])
    except (ValueError, KeyError, TypeError):
        return _refusal(401, 1002, "Authorization is invalid")
    if told != {"alg": "HS256", "typ": "JWT"} or not genuine:
        return _refusal(401, 1000, "Authentication failed")
    if not begins <= time.time() < ends:
        return _refusal(401, *((1004, "Token expired") if begins <= time.time() else (1003, "Token not yet valid")))
    return issuer


def _plain(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _route(world: World, key: str, call: Call) -> tuple[Verb, Callable[[], Reply]] | None:
    if call.method == "POST" and (tasks := _TASKS.fullmatch(call.path)):
        return "submit", partial(_submit, world, key, tasks["kind"], call.json())
    if call.method == "GET" and (tasks := _TASKS.fullmatch(call.path)):
        return "status", partial(_list, world, key, tasks["kind"], call.query)
    if call.method == "GET" and (task := _TASK.fullmatch(call.path)):
        return "status", partial(_get, world, key, task["kind"], task["id"])
    return None


def _submit(world: World, key: str, kind: str, body: Any) -> Reply:
    problem = _problem(kind, body)
    if problem:
        return _refusal(400, 1201, problem)
    if world.strikes("submit_500"):
        return _refusal(500, 5000, "Server error")
    own_id = body.get("external_task_id")
    reference = own_id or hashlib.sha256(json.dumps([kind, body], sort_keys=True).encode()).hexdigest()
    name = _named(key, own_id) if own_id else None
    if name and world.job(key, name):
        return _refusal(400, 1201, "external_task_id must be unique")
    job = world.accept(
        key, body.get("model_name", "kling-v1"), samples=1, reference=reference, request={**body, "kind": kind},
        name=name or (lambda unique: unique.hex[:18]), hook=_hook(world, body.get("callback_url")),
    )  # fmt: skip
    return _envelope(_task(world, Seen(job, "queued")))


def _problem(kind: str, body: Any) -> str | None:
    if not isinstance(body, dict) or not isinstance(body.get("prompt"), str) or not body["prompt"]:
        return "prompt is required"
    images = [str(body.get(name) or "") for name in ("image", "image_tail")]
    if kind == "image2video" and (not any(images) or any(image.startswith("data:") for image in images)):
        return "image is invalid"
    return None if str(body.get("duration", "5")) in ("5", "10") else "duration value is invalid"


def _named(key: str, own_id: str) -> str:
    return hashlib.sha256(f"{key} {own_id}".encode()).hexdigest()[:18]


def _unless_refused(world: World, reply: Callable[[], Reply]) -> Reply:
    if world.strikes("status_unauthorized"):
        return _refusal(401, 1004, "Token expired")
    return _refusal(503, 5001, "Server unavailable") if world.strikes("status_500") else reply()


def _get(world: World, key: str, kind: str, id: str) -> Reply:
    job = world.job(key, id)
    seen = world.look(key, id) if job and job.request["kind"] == kind else None
    return _envelope(_task(world, seen)) if seen else _refusal(404, 1203, "Resource not found")


def _list(world: World, key: str, kind: str, query: str) -> Reply:
    if world.strikes("lookup_500"):
        return _refusal(500, 5000, "Server error")
    asked = parse_qs(query)
    number, size = (asked.get(name, [otherwise])[0] for name, otherwise in (("pageNum", "1"), ("pageSize", "30")))
    if not (number.isdigit() and size.isdigit() and 1 <= int(number) <= 1000 and 1 <= int(size) <= 500):
        return _refusal(400, 1201, "pageNum or pageSize value is invalid")
    jobs = [job for job in world.newest_first(key) if job.request["kind"] == kind]
    first = (int(number) - 1) * int(size)
    return _envelope([_task(world, world.seen(job)) for job in jobs[first : first + int(size)]])


def _task(world: World, seen: Seen) -> dict[str, Any]:
    job, status = seen.job, _STATUSES[seen.state]
    task: dict[str, Any] = {
        "task_id": job.name, "task_status": status,
        "task_info": {"external_task_id": job.request.get("external_task_id")},
        "created_at": _ms(job.accepted_at), "updated_at": _ms(_changed(job, world.clock())),
    }  # fmt: skip
    if status == "failed":
        task["task_status_msg"] = _REASONS.get(seen.state, "failed")
    if status == "succeed":
        video = {"id": f"v{job.name}", "url": files.url(world, job.name), "duration": job.request.get("duration", "5")}
        task |= {"task_result": {"videos": [video] if seen.urls else []}, "final_unit_deduction": "1"}
    return task


def _hook(world: World, url: object) -> Hook | None:
    """The task alone, at every change of its status; unsigned."""
    if not isinstance(url, str) or not url:
        return None
    return Hook("kling", url, lambda seen: [json.dumps(_task(world, seen)).encode()], begins=True)


def _changed(job: Job, now: float) -> float:
    if now >= job.ends_at:
        return job.ends_at
    return job.starts_at if job.begun(now) else job.accepted_at


def _ms(moment: float) -> int:
    return round(moment * 1000)


def _envelope(data: object) -> Reply:
    return Reply(200, {"code": 0, "message": "SUCCEED", "request_id": "r", "data": data})


def _refusal(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, {"code": code, "message": message, "request_id": "r"}, headers or {})


BASES = {"/kling": answer}
