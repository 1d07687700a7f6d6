"""fal's queue as its documents describe it: submit to a model's path, ask below its app, fetch the result apart."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from vidpoll.simulator import files
from vidpoll.simulator.hooks import Headers, Hook
from vidpoll.simulator.jobs import Job, Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later, with_quota
from vidpoll.simulator.world import Verb, World

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_APP: Final = r"(?:(?:workflows|comfy)/)?[^/]+/[^/]+"
_REQUEST: Final = re.compile(rf"/(?P<app>{_APP})/requests/(?P<id>[^/]+)(?P<what>/status|/cancel)?")
_SUBMIT: Final = re.compile(rf"/(?P<model>(?P<app>{_APP})(?:/[^/]+)*)")
_FAILED: Final = {"error": "The runner disconnected unexpectedly.", "error_type": "runner_disconnected"}
_CANCELLED: Final = {"error": "The request was cancelled.", "error_type": "client_cancelled"}
_POLICY: Final = {
    "loc": ["body", "prompt"], "msg": "The content could not be processed because it was flagged by a content checker.",
    "type": "content_policy_violation", "url": "https://docs.fal.ai/errors#content_policy_violation",
}  # fmt: skip
#: Models that make images.
_IMAGES: Final = ("fal-ai/flux/dev",)


def answer(world: World, call: Call) -> Reply:
    """Answer one request under the base URL."""
    if call.path == "/.well-known/jwks.json":
        return Reply(200, jwks())
    scheme, _, key = call.headers.get("authorization", "").partition(" ")
    if scheme != "Key" or not world.knows(key):
        return _unauthenticated()
    found = _route(world, key, call)
    if found is None:
        return Reply(404, {"detail": "Path not found"})
    verb, reply = found
    if not world.arrives(key, verb):
        return with_quota(world, key, verb, Reply(429, {"detail": "Rate limit exceeded"}, retry_later(world)))
    return through_faults(world, key, verb, reply if verb == "submit" else partial(_unless_refused, world, reply))


def _route(world: World, key: str, call: Call) -> tuple[Verb, Callable[[], Reply]] | None:
    if one := _REQUEST.fullmatch(call.path):
        answers = {("GET", "/status"): _status, ("GET", None): _result, ("PUT", "/cancel"): _cancel}
        found = answers.get((call.method, one["what"]))
        return ("status", partial(found, world, key, one["app"], one["id"])) if found else None
    if call.method == "POST" and (submit := _SUBMIT.fullmatch(call.path)) and "/requests/" not in call.path:
        return "submit", partial(_submit, world, key, call, submit["model"], submit["app"])
    return None


def _submit(world: World, key: str, call: Call, model: str, app: str) -> Reply:
    asked = call.json()
    if not isinstance(asked, dict) or not isinstance(asked.get("prompt"), str) or not asked["prompt"]:
        missing = {"loc": ["body", "prompt"], "msg": "field required: prompt", "type": "missing", "input": asked}
        return Reply(422, {"detail": [missing]})
    if world.strikes("submit_500"):
        return Reply(500, {"detail": "Internal Server Error"})
    reference = hashlib.sha256(json.dumps([model, asked], sort_keys=True).encode()).hexdigest()
    job = world.accept(
        key, model, samples=1, reference=reference, name=str,
        seed=asked.get("seed"), request={"app": app, "input": asked}, hook=_hook(world, call.query),
    )  # fmt: skip
    return Reply(200, {**_about(world, job), "status": "IN_QUEUE", "queue_position": 0})


def _unless_refused(world: World, reply: Callable[[], Reply]) -> Reply:
    if world.strikes("status_unauthorized"):
        return _unauthenticated()
    if world.strikes("status_500"):
        return Reply(503, {"detail": "Service Unavailable"})
    return reply()


def _status(world: World, key: str, app: str, id: str) -> Reply:
    seen = world.look(key, id)
    if seen is None or seen.job.request["app"] != app or _left_the_queue(seen.job):
        return _not_found()
    common = {**_about(world, seen.job), "logs": None}
    match seen.state:
        case "queued":
            return Reply(202, {**common, "status": "IN_QUEUE", "queue_position": 0})
        case "running":
            return Reply(202, {**common, "status": "IN_PROGRESS"})
        case "garbled":
            return Reply(202, {**common, "status": "DAYDREAMING"})
    error = {"failed": _FAILED, "cancelled": _CANCELLED}.get(seen.state, {})
    metrics = {"inference_time": seen.job.ends_at - seen.job.starts_at}
    return Reply(200, {**common, "status": "COMPLETED", "metrics": metrics, **error})


def _result(world: World, key: str, app: str, id: str) -> Reply:
    """What the model said, under the HTTP status it said it with."""
    job = world.job(key, id)
    if job is None or job.lost or job.request["app"] != app:
        return _not_found()
    match world.seen(job).state:
        case "queued" | "running":
            return Reply(400, {"detail": "Request is still in progress"})
        case "filtered":
            return Reply(422, {"detail": [{**_POLICY, "input": job.request["input"]}]})
        case "failed":
            told = {"detail": _FAILED["error"], "error_type": _FAILED["error_type"]}
            return Reply(503, told, {"X-Fal-Error-Type": _FAILED["error_type"], "X-Fal-Retryable": "true"})
        case "cancelled":
            return _not_found()
    if world.strikes("status_no_url"):
        return Reply(200, {"video": None, "seed": job.seed})
    if job.model in _IMAGES:
        names = [f"{job.name}-{number}" for number in range(job.request["input"].get("num_images", 1))]
        images = [{"url": files.url(world, name, "image"), "content_type": "image/png"} for name in names]
        return Reply(200, {"images": images, "seed": job.seed, "has_nsfw_concepts": [False] * len(images)})
    video = {"url": files.url(world, job.name), "content_type": "video/webm", "file_name": "out.webm"}
    return Reply(200, {"video": video, "seed": job.seed})


def _cancel(world: World, key: str, app: str, id: str) -> Reply:
    job = world.job(key, id)
    if job is None or job.lost or job.request["app"] != app:
        return Reply(404, {"status": "NOT_FOUND"})
    if world.strikes("cancel_500"):
        return Reply(500, {"detail": "Internal Server Error"})
    if world.strikes("cancel_refused"):
        return Reply(400, {"status": "ALREADY_COMPLETED"})
    if world.strikes("cancel_ignored"):
        return Reply(202, {"status": "CANCELLATION_REQUESTED"})
    if world.seen(job).state not in ("queued", "running"):
        return Reply(400, {"status": "ALREADY_COMPLETED"})
    world.cancel(job)
    return Reply(200, {"status": "OK"}) if _left_the_queue(job) else Reply(202, {"status": "CANCELLATION_REQUESTED"})


def _left_the_queue(job: Job) -> bool:
    """Whether it was cancelled before it began, and so removed."""
    return job.cancelled_at is not None and not job.begun(job.cancelled_at)


def _about(world: World, job: Job) -> dict[str, Any]:
    url = f"{world.address}/fal/{job.request['app']}/requests/{job.name}"
    return {"request_id": job.name, "response_url": url, "status_url": f"{url}/status", "cancel_url": f"{url}/cancel"}


def _hook(world: World, query: str) -> Hook | None:
    """What is told when a request is completed, as fal's page on webhooks has it."""
    url = parse_qs(query).get("fal_webhook", [""])[0]
    return Hook("fal", url, lambda seen: [json.dumps(_told(world, seen)).encode()], _signed) if url else None


def _told(world: World, seen: Seen) -> dict[str, Any]:
    result = _result(world, seen.job.key, seen.job.request["app"], seen.job.name)
    told = {"request_id": seen.job.name, "gateway_request_id": seen.job.name, "payload": result.body}
    if result.status == 200:
        return {**told, "status": "OK"}
    return {**told, "status": "ERROR", "error": f"Invalid status code: {result.status}"}


def _signed(job: Job, body: bytes, at: float, number: int) -> Headers:
    parts = [job.name, "user-of-the-simulator", str(int(at))]
    message = "\n".join([*parts, hashlib.sha256(body).hexdigest()]).encode()
    names = ("Request-Id", "User-Id", "Timestamp", "Signature")
    values = (*parts, _signing_key().sign(message).hex())
    return {f"X-Fal-Webhook-{name}": value for name, value in zip(names, values, strict=True)}


@cache
def _signing_key() -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  an extra

    return Ed25519PrivateKey.generate()


def jwks() -> dict[str, Any]:
    """The public key of this process, as fal publishes its own."""
    x = base64.urlsafe_b64encode(_signing_key().public_key().public_bytes_raw()).rstrip(b"=").decode()
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "simulator", "use": "sig", "alg": "EdDSA"}]}


def _not_found() -> Reply:
    return Reply(404, {"detail": "Request not found"})


def _unauthenticated() -> Reply:
    return Reply(401, {"detail": "Cannot access application. Authentication is required."})


BASES = {"/fal": answer}
