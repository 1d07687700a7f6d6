"""Google's long-running video operations as documented: the Vertex AI dialect and the Gemini API dialect."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal

from vidpoll.simulator import files
from vidpoll.simulator.jobs import Seen
from vidpoll.simulator.trouble import through_faults
from vidpoll.simulator.wire import Call, Reply, retry_later, with_quota
from vidpoll.simulator.world import Verb, World

Dialect = Literal["vertex", "gemini"]
_SUBMIT: Final = re.compile(r"(?P<prefix>.*)/models/(?P<model>[^/:]+):predictLongRunning")
_FETCH: Final = re.compile(r".*/models/(?P<model>[^/:]+):fetchPredictOperation")
_GEMINI_LIMITS: Final = frozenset({"seed", "generateAudio", "fps", "storageUri"})


def answer(world: World, call: Call, dialect: Dialect) -> Reply:
    """Answer one request under the dialect's base URL."""
    key = _key(call, dialect)
    if not world.knows(key):
        return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
    if call.method == "POST" and (submit := _SUBMIT.fullmatch(call.path)):
        if not world.arrives(key, "submit"):
            return _too_many(world, key, "submit")
        taking = partial(_submit, world, key, call.json(), submit["prefix"], submit["model"], dialect)
        return through_faults(world, key, "submit", taking)
    name = _operation_name(call, dialect)
    if name is None:
        return _error(404, "NOT_FOUND", f"No such method: {call.method} {call.path}")
    if not world.arrives(key, "status"):
        return _too_many(world, key, "status")
    return through_faults(world, key, "status", partial(_status, world, key, name, dialect))


def _key(call: Call, dialect: Dialect) -> str:
    if dialect == "gemini":
        return call.headers.get("x-goog-api-key", "")
    return call.headers.get("authorization", "").removeprefix("Bearer ")


def _operation_name(call: Call, dialect: Dialect) -> str | None:
    """Vertex: in the body of a POST to the model the name speaks of. Gemini: the path of a GET."""
    if dialect == "gemini":
        return call.path.lstrip("/") if call.method == "GET" and "/operations/" in call.path else None
    fetch = _FETCH.fullmatch(call.path) if call.method == "POST" else None
    name = (call.json() or {}).get("operationName") if fetch else None
    return name if fetch and isinstance(name, str) and f"/models/{fetch['model']}/" in name else None


def _submit(world: World, key: str, body: Any, prefix: str, model: str, dialect: Dialect) -> Reply:
    problem = _problem(body, dialect)
    if problem:
        return _error(400, "INVALID_ARGUMENT", problem)
    if world.strikes("submit_500"):
        return _error(500, "INTERNAL", "Internal error encountered.")
    label = body.get("labels", {}).get("vidpoll_id")
    reference = label or hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    parameters = body.get("parameters", {})
    path = f"{prefix}/models/{model}/operations/".lstrip("/")
    job = world.accept(
        key, model, samples=parameters.get("sampleCount", 1), reference=reference, seed=parameters.get("seed"),
        name=lambda unique: path + (unique.hex[:12] if dialect == "gemini" else str(unique)),
    )  # fmt: skip
    return Reply(200, {"name": job.name})


def _problem(body: Any, dialect: Dialect) -> str | None:
    instances = body.get("instances") if isinstance(body, dict) else None
    if not isinstance(instances, list) or len(instances) != 1 or not isinstance(instances[0], dict):
        return "instances must hold one instance."
    if not isinstance(instances[0].get("prompt"), str) or not instances[0]["prompt"]:
        return "The prompt is missing."
    video, named = instances[0].get("video"), "gcsUri" if dialect == "vertex" else "uri"
    if video is not None and (not isinstance(video, dict) or not isinstance(video.get(named), str)):
        return f"video.{named} is missing."
    parameters = body.get("parameters", {})
    if dialect == "gemini" and (unknown := _GEMINI_LIMITS & parameters.keys()):
        return f"`{min(unknown)}` isn't supported by this model."
    if parameters.get("durationSeconds", 8) not in (4, 5, 6, 7, 8):
        return "durationSeconds is out of bound."
    if parameters.get("sampleCount", 1) not in (1, 2, 3, 4):
        return "sampleCount must be in [1, 4]."
    return None


def _status(world: World, key: str, name: str, dialect: Dialect) -> Reply:
    if world.strikes("status_unauthorized"):
        return _error(403, "PERMISSION_DENIED", "The caller does not have permission.")
    if world.strikes("status_500"):
        return _error(503, "UNAVAILABLE", "The service is currently unavailable.")
    seen = world.look(key, name)
    if seen is None:
        return _error(404, "NOT_FOUND", f"Operation {name} not found.")
    if seen.state == "garbled":
        return Reply(200, {"metadata": {"state": "daydreaming"}})
    if seen.state in ("queued", "running"):
        return Reply(200, {"name": name})
    if seen.state == "failed":
        return Reply(200, {"name": name, "done": True, "error": {"code": 13, "message": "Video generation failed."}})
    return Reply(200, {"name": name, "done": True, "response": _response(world, seen, dialect)})


def _response(world: World, seen: Seen, dialect: Dialect) -> dict[str, Any]:
    job = seen.job
    filtered = {"partial": 1, "filtered": job.samples}.get(seen.state, 0)
    unique = job.name.rpartition("/")[2]
    found: dict[str, Any] = {}
    if filtered:
        reason = "The video was filtered because it may break the usage guidelines. Support codes: 15236754"
        found |= {"raiMediaFilteredCount": filtered, "raiMediaFilteredReasons": [reason] * filtered}
    numbers = range(job.samples - filtered if seen.urls else 0)
    if dialect == "vertex":
        type_url = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
        videos = [
            {"gcsUri": f"gs://simulated-bucket/{unique}/sample_{number}.mp4", "mimeType": "video/mp4"}
            for number in numbers
        ]
        return {"@type": type_url, **found, **({"videos": videos} if videos else {})}
    type_url = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
    samples = [{"video": {"uri": files.url(world, f"{unique}{number}")}} for number in numbers]
    return {"@type": type_url, "generateVideoResponse": {**found, "generatedSamples": samples}}


def _too_many(world: World, key: str, verb: Verb) -> Reply:
    reply = _error(429, "RESOURCE_EXHAUSTED", "Quota exceeded.")
    return with_quota(world, key, verb, replace(reply, headers=retry_later(world)))


def _error(status: int, word: str, message: str) -> Reply:
    return Reply(status, {"error": {"code": status, "message": message, "status": word}})


BASES: Final[dict[str, Callable[[World, Call], Reply]]] = {
    "/vertex/v1": lambda world, call: answer(world, call, "vertex"),
    "/vertex/v1beta1": lambda world, call: answer(world, call, "vertex"),
    "/gemini/v1beta": lambda world, call: answer(world, call, "gemini"),
}
