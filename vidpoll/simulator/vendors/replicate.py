"""Replicate as its documents describe it: predictions that are made, got, listed and cancelled one at a time."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, quote

from vidpoll.simulator import files
from vidpoll.simulator.hooks import SECRET, Headers, Hook, standard_headers
from vidpoll.simulator.jobs import Job, Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, with_quota
from vidpoll.simulator.world import Verb, World

#: Predictions on one page of the list.
PAGE: Final = 100
#: Seconds after its end when inputs, outputs and logs of a prediction are removed.
KEPT_S: Final = 3600.0
_SUBMIT: Final = re.compile(r"/models/(?P<model>[^/]+/[^/]+)/predictions")
_ONE: Final = re.compile(r"/predictions/(?P<id>[^/]+)")
_CANCEL: Final = re.compile(r"/predictions/(?P<id>[^/]+)/cancel")
_STATUSES: Final = {
    "queued": "starting", "running": "processing",
    "ready": "succeeded", "partial": "succeeded", "filtered": "failed", "failed": "failed", "cancelled": "canceled",
    "garbled": "daydreaming",
}  # fmt: skip
_ERRORS: Final = {
    "filtered": "The input or output was flagged as sensitive. Please try again with different inputs.",
    "failed": "The model could not make the video.",
}
#: Models that make images.
_IMAGES: Final = ("black-forest-labs/flux-dev",)


def answer(world: World, call: Call) -> Reply:
    """Answer one request under the base URL; its ``Date`` is the world's."""
    reply = _answer(world, call)
    return replace(reply, headers={"Date": formatdate(world.clock(), usegmt=True), **reply.headers})


def _answer(world: World, call: Call) -> Reply:
    key = call.headers.get("authorization", "").removeprefix("Bearer ")
    if not world.knows(key):
        return _unauthenticated()
    found = _route(world, key, call)
    if found is None:
        return _not_found()
    verb, reply = found
    if not world.arrives(key, verb):
        return with_quota(world, key, verb, _throttled(world))
    return through_faults(world, key, verb, reply if verb == "submit" else partial(_unless_refused, world, reply))


def _route(world: World, key: str, call: Call) -> tuple[Verb, Callable[[], Reply]] | None:
    if call.method == "POST" and (submit := _SUBMIT.fullmatch(call.path)):
        return "submit", partial(_submit, world, key, call.json(), submit["model"])
    if call.method == "POST" and (cancel := _CANCEL.fullmatch(call.path)):
        return "status", partial(_cancel, world, key, cancel["id"])
    if call.method == "GET" and call.path == "/predictions":
        return "status", partial(_list, world, key, call)
    if call.method == "GET" and call.path == "/webhooks/default/secret":
        return "status", lambda: Reply(200, {"key": SECRET})
    if call.method == "GET" and (one := _ONE.fullmatch(call.path)):
        return "status", partial(_get, world, key, one["id"])
    return None


def _submit(world: World, key: str, body: Any, model: str) -> Reply:
    asked = body.get("input") if isinstance(body, dict) else None
    if not isinstance(asked, dict) or not isinstance(asked.get("prompt"), str) or not asked["prompt"]:
        return _problem(422, "Input validation failed", "- input: prompt is required")
    if world.strikes("submit_500"):
        return _problem(500, "Internal server error", "Something went wrong.")
    reference = hashlib.sha256(json.dumps([model, body], sort_keys=True).encode()).hexdigest()
    job = world.accept(
        key, model, samples=1, reference=reference, name=lambda unique: unique.hex[:26],
        seed=asked.get("seed"), request=asked, hook=_hook(world, body),
    )  # fmt: skip
    return Reply(201, _prediction(world, Seen(job, "queued")))


def _unless_refused(world: World, reply: Callable[[], Reply]) -> Reply:
    if world.strikes("status_unauthorized"):
        return _unauthenticated()
    if world.strikes("status_500"):
        return _problem(503, "Service unavailable", "Try again later.")
    return reply()


def _get(world: World, key: str, id: str) -> Reply:
    seen = world.look(key, id)
    return Reply(200, _prediction(world, seen)) if seen else _not_found()


def _cancel(world: World, key: str, id: str) -> Reply:
    job = world.job(key, id)
    if job is None or job.lost:
        return _not_found()
    if world.strikes("cancel_500"):
        return _problem(500, "Internal server error", "Something went wrong.")
    if world.strikes("cancel_refused"):
        return _problem(409, "Conflict", "The prediction cannot be canceled.")
    ignored = world.strikes("cancel_ignored")
    return Reply(200, _prediction(world, Seen(job, "running", 50) if ignored else world.cancel(job)))


def _list(world: World, key: str, call: Call) -> Reply:
    if world.strikes("lookup_500"):
        return _problem(500, "Internal server error", "Something went wrong.")
    jobs = world.newest_first(key)
    cursor = parse_qs(call.query).get("cursor", [""])[0]
    first = next((place for place, job in enumerate(jobs, 1) if _cursor(job) == cursor), 0)
    if cursor and not first:
        return _problem(400, "Bad request", "Invalid cursor.")
    page, rest = jobs[first : first + PAGE], jobs[first + PAGE :]
    following = f"{_base(world)}/predictions?cursor={quote(_cursor(page[-1]), safe='')}" if rest else None
    results = [_prediction(world, world.seen(job)) for job in page]
    return Reply(200, {"next": following, "previous": None, "results": results})


def _cursor(job: Job) -> str:
    """Where the page after this job begins; opaque, so it holds what a URL must quote."""
    return f"r={job.name}&o=+"


def _output(world: World, job: Job) -> str | list[str]:
    """A video's address; a list of those of images."""
    if job.model not in _IMAGES:
        return files.url(world, job.name)
    numbers = range(job.request.get("num_outputs", 1))
    return [files.url(world, f"{job.name}-{number}", "image") for number in numbers]


def _prediction(world: World, seen: Seen) -> dict[str, Any]:
    job, status, running = seen.job, _STATUSES[seen.state], seen.state in ("queued", "running", "garbled")
    started = status != "starting" and job.begun(world.clock())
    removed = not running and world.clock() - job.ends_at > KEPT_S
    url = f"{_base(world)}/predictions/{job.name}"
    return {
        "id": job.name, "model": job.model, "version": "hidden", "source": "api", "status": status,
        "input": {} if removed else job.request,
        "output": _output(world, job) if status == "succeeded" and seen.urls and not removed else None,
        "error": _ERRORS.get(seen.state),
        "logs": "" if removed or status == "starting" else _logs(seen.progress if running else 100),
        "metrics": {"predict_time": job.ends_at - job.starts_at} if started and not running else {},
        "data_removed": removed,
        "created_at": _iso(job.accepted_at),
        "started_at": _iso(job.starts_at) if started else None,
        "completed_at": None if running else _iso(job.ends_at),
        "urls": {"get": url, "cancel": f"{url}/cancel"},
    }  # fmt: skip


def _hook(world: World, body: dict[str, Any]) -> Hook | None:
    """What is told when a prediction is completed; the other events are not played."""
    url, wanted = body.get("webhook"), body.get("webhook_events_filter") or ["completed"]
    if not isinstance(url, str) or not url or "completed" not in wanted:
        return None
    return Hook("replicate", url, lambda seen: [json.dumps(_prediction(world, seen)).encode()], _signed)


def _signed(job: Job, body: bytes, at: float, number: int) -> Headers:
    """As Standard Webhooks are; every try of one webhook has the same id."""
    return standard_headers(f"msg_{hashlib.sha256(job.name.encode()).hexdigest()[:20]}", body, at)


def _logs(progress: int) -> str:
    """A progress bar as tqdm writes it: replicate 1.0.7 reads one only if the counts follow it."""
    steps = (0, progress // 2, progress)
    return "\n".join(f" {percent:3}%|{'#' * (percent // 10):10}| {percent}/100" for percent in steps)


def _base(world: World) -> str:
    """Where this vendor is: its own clients follow the URLs in its answers."""
    return f"{world.address}/replicate/v1"


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def _unauthenticated() -> Reply:
    return _problem(401, "Unauthenticated", "You did not pass a valid authentication token.")


def _not_found() -> Reply:
    return _problem(404, "Not found", "The requested resource could not be found.")


def _throttled(world: World) -> Reply:
    """Replicate says how long in words only."""
    seconds = world.faults.retry_after
    when = f" Your rate limit resets in ~{seconds}s." if seconds else ""
    return Reply(429, {"detail": f"Request was throttled.{when}", "status": 429})


def _problem(status: int, title: str, detail: str) -> Reply:
    return Reply(status, {"title": title, "detail": detail, "status": status}, content_type="application/problem+json")


BASES = {"/replicate/v1": answer}
