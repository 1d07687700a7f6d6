"""Runware as its documents describe it: POST an array of tasks, get ``{"data": […], "errors": […]}``."""

import json
from functools import partial
from typing import Any, Final

from vidpoll.simulator import files
from vidpoll.simulator.hooks import Hook
from vidpoll.simulator.jobs import Job, Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later, with_quota
from vidpoll.simulator.world import Verb, World

#: Tasks that are paid for.
_PAID: Final = ("videoInference", "imageInference", "upscale")


def answer(world: World, call: Call) -> Reply:
    """Answer one POST."""
    tasks = call.json()
    if not isinstance(tasks, list) or not tasks or not all(isinstance(task, dict) for task in tasks):
        return _refusal(400, "invalidJSON", "The body must be an array of task objects.")
    verb: Verb = "submit" if any(task.get("taskType") in _PAID for task in tasks) else "status"
    key = call.headers.get("authorization", "").removeprefix("Bearer ")
    if not world.knows(key):
        return _refusal(401, "invalidApiKey", "Invalid API key.", parameter="apiKey", taskType="authentication")
    if not world.arrives(key, verb):
        refusal = _refusal(429, "rateLimitExceeded", "Too many requests.", headers=retry_later(world))
        return with_quota(world, key, verb, refusal)
    return through_faults(world, key, verb, partial(_submit if verb == "submit" else _status, world, key, tasks))


def _submit(world: World, key: str, tasks: list[dict[str, Any]]) -> Reply:
    if world.strikes("submit_500"):
        return _refusal(500, "internalServerError", "Internal server error.")
    data, errors = [], []
    for task in tasks:
        problem = _problem(world, key, task)
        if problem:
            errors.append(problem)
            continue
        task_uuid = task["taskUUID"]
        job = world.accept(
            key,
            task["model"],
            samples=task.get("numberResults", 1),
            reference=task_uuid,
            name=task_uuid,
            seed=task.get("seed"),
            request=task,
            hook=_hook(world, task.get("webhookURL")),
        )
        data.append({"taskType": _task_type(job), "taskUUID": task_uuid})
    return Reply(400 if errors else 200, {"data": data, "errors": errors} if errors else {"data": data})


def _problem(world: World, key: str, task: dict[str, Any]) -> dict[str, Any] | None:
    task_uuid, upscale = task.get("taskUUID"), task.get("taskType") == "upscale"
    common = {"taskUUID": task_uuid, "taskType": task.get("taskType")}
    inputs = task.get("inputs")
    needed = {**task, "inputs.video": inputs.get("video") if isinstance(inputs, dict) else None}
    for name in ("taskUUID", "model", "inputs.video" if upscale else "positivePrompt"):
        if not isinstance(needed.get(name), str) or not needed[name]:
            return {"code": "missingParameter", "message": f"{name} is required.", "parameter": name, **common}
    if upscale and "numberResults" in task:
        message = "numberResults is not a parameter of upscale."
        return {"code": "unsupportedParameter", "message": message, "parameter": "numberResults", **common}
    if task.get("deliveryMethod") != "async":
        return {
            "code": "invalidDeliveryMethod",
            "message": "This task needs deliveryMethod async here.",
            "parameter": ["deliveryMethod"],
            **common,
        }
    if world.job(key, str(task_uuid)):
        return {
            "code": "conflictTaskUUID",
            "message": "This taskUUID was already used.",
            "parameter": "taskUUID",
            **common,
        }
    return None


def _status(world: World, key: str, tasks: list[dict[str, Any]]) -> Reply:
    if world.strikes("status_unauthorized"):
        return _refusal(401, "invalidApiKey", "Invalid API key.", parameter="apiKey")
    if world.strikes("status_500"):
        return _refusal(503, "serviceUnavailable", "Try again later.")
    if any(task.get("taskType") == "getTaskDetails" for task in tasks):
        return _details(world, key, tasks)
    data: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for task in tasks:
        if task.get("taskType") != "getResponse":
            errors.append({"code": "invalidTaskType", "message": "Unknown taskType.", "taskUUID": task.get("taskUUID")})
            continue
        seen = world.look(key, str(task.get("taskUUID")))
        if seen:
            _describe(world, seen, data, errors)
    return Reply(200, {"data": data, "errors": errors} if errors else {"data": data})


def _details(world: World, key: str, tasks: list[dict[str, Any]]) -> Reply:
    """``getTaskDetails``: the stored request and response of ids, whether they have ended or not."""
    if world.strikes("lookup_500"):
        return _refusal(500, "internalServerError", "Internal server error.")
    data, errors = [], []
    for task in tasks:
        task_uuid = task.get("taskUUID")
        about = {"taskType": "getTaskDetails", "taskUUID": task_uuid}
        job = world.job(key, str(task_uuid))
        if job is None or job.lost:
            errors.append({"code": "taskNotFound", "message": "There is no task of this taskUUID.", **about})
        else:
            response = {"data": [{"taskType": _task_type(job), "taskUUID": task_uuid}]}
            data.append({**about, "request": job.request, "response": response})
    return Reply(400 if errors else 200, {"data": data, "errors": errors} if errors else {"data": data})


def _describe(world: World, seen: Seen, data: list[dict[str, Any]], errors: list[dict[str, Any]]) -> None:
    """What is told of a task. If only some results of it failed they are items of ``data``: runware-sdk 1.8.0
    (``client.py``) forgets every result of an answer that has ``errors``.
    """
    job = seen.job
    common = {"taskType": _task_type(job), "taskUUID": job.name}
    if seen.state in ("queued", "running", "garbled"):
        status = "daydreaming" if seen.state == "garbled" else "processing"
        data.append({**common, "status": status, "progress": seen.progress})
        return
    if seen.state in ("failed", "filtered"):
        errors += [{**_error(seen.state), "status": "error", **common} for _ in range(job.samples)]
        return
    filtered = seen.state == "partial"
    for number in range(job.samples - filtered):
        result = f"{job.name[:-2]}{number:02d}"
        what: files.What = "image" if common["taskType"] == "imageInference" else "video"
        url = {f"{what}URL": files.url(world, result, what)} if seen.urls else {}
        made = {} if common["taskType"] == "upscale" else {"seed": job.seed + number, "NSFWContent": False}
        data.append({**common, "status": "success", f"{what}UUID": result, **url, "cost": 0.18, **made})
    if filtered:
        data.append({**common, "status": "error", "error": _error("filtered")})


def _hook(world: World, url: object) -> Hook | None:
    """What a status call would tell, each result in a webhook of its own; unsigned."""
    return Hook("runware", url, partial(_told, world)) if isinstance(url, str) and url else None


def _told(world: World, seen: Seen) -> list[bytes]:
    data: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    _describe(world, seen, data, errors)
    each = [{"data": [one]} for one in data] + [{"errors": [one]} for one in errors]
    return [json.dumps(one).encode() for one in each]


def _error(state: str) -> dict[str, str]:
    if state == "failed":
        return {"code": "timeoutProvider", "message": "The provider did not answer in time."}
    return {"code": "providerContentPolicyViolation", "message": "The result broke a content rule."}


def _task_type(job: Job) -> str:
    return str((job.request or {}).get("taskType", "videoInference"))


def _refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: str) -> Reply:
    return Reply(status, {"errors": [{"code": code, "message": message, **more}]}, headers or {})


BASES = {"/runware/v1": answer}
