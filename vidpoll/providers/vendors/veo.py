"""Google Veo as a long-running operation, in its two dialects.

``vertex``: ``:predictLongRunning`` and ``:fetchPredictOperation``, bearer token, results in a bucket of ours.
``gemini``: ``:predictLongRunning`` and a GET of the operation, API key, results behind the same key.

Wire formats: google-genai 3.4.0 and 1.75.0 (``models.py``, ``operations.py``), Google's Veo pages and REST reference.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from vidpoll.accounts import Account
from vidpoll.errors import NotConfigured
from vidpoll.generation import GenerationRequest
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import Access, CannotContinue, Capabilities, Continued, Operation, Parent
from vidpoll.providers.http import NO_REFUSAL, Answer, Http, retry_after, unusable
from vidpoll.providers.outcomes import (
    Ambiguous,
    CheckOutcome,
    Failed,
    Looked,
    NotFound,
    Pending,
    RateLimited,
    Ready,
    Refused,
    SubmitOutcome,
    Submitted,
    Unauthorized,
)

#: Seconds for which the Gemini API keeps a result.
KEPT_S: Final = 48 * 3600.0
#: Parameters that belong to the instance, not to ``parameters``.
_INSTANCE: Final = frozenset({"image", "lastFrame", "referenceImages", "video"})
_OURS: Final = frozenset({"prompt", "labels", "pubsubTopic", "webhookConfig"})
#: Parameters the Gemini API does not take (google-genai 1.75.0 refuses them before sending).
_VERTEX_ONLY: Final = frozenset({"seed", "generateAudio", "fps", "storageUri", "compressionQuality", "resizeMode"})
#: gRPC codes of ``google.rpc.Status`` and whether the same request may work later.
_GRPC: Final = {
    3: ("invalid_argument", False), 4: ("deadline_exceeded", True), 7: ("permission_denied", False),
    8: ("resource_exhausted", True), 13: ("internal", True), 14: ("unavailable", True),
}  # fmt: skip


class Veo(Adapter):
    """One Google account or project. Google documents no batch, no cancel, no list and no id of ours."""

    options = frozenset({"dialect", "storage_uri"})

    def __init__(self, account: Account, http: Http) -> None:
        super().__init__(account, http)
        self._vertex = _dialect(account) == "vertex"
        # Results of the Gemini API are kept for two days; Vertex says nothing, and its results are ours.
        access: Access = "bucket" if self._vertex else "key"
        ttl_s = None if self._vertex else KEPT_S
        self.capabilities = Capabilities(
            retention_s=KEPT_S, access=access, result_ttl_s=ttl_s, results_param="sampleCount"
        )
        self._storage_uri = account.options.get("storage_uri")
        if self._vertex and not self._storage_uri:
            raise NotConfigured(
                f"account {account.name}: options.storage_uri is missing; without a bucket Vertex puts the whole video "
                "into every status answer"
            )

    def problems(self, request: GenerationRequest) -> list[str]:
        """Parameters that vidpoll sets itself, or that the dialect does not have."""
        found = [f"params.{name}: is set by vidpoll" for name in sorted(_OURS & request.params.keys())]
        if not self._vertex:
            refused = sorted(_VERTEX_ONLY & request.params.keys())
            found += [f"params.{name}: the Gemini API does not take it" for name in refused]
        return found

    def continue_from(self, request: GenerationRequest, parent: Parent) -> Continued:
        """An extend takes a video: Vertex one in a bucket, the Gemini API one that the same account made."""
        if "video" in request.params:
            return CannotContinue("params.video names another one")
        if parent.result is None:
            return CannotContinue("the address of its result does not work any more")
        if parent.result.kind != "video":
            return CannotContinue("it is an image, and an extend begins with a video")
        encoding = parent.result.content_type or "video/mp4"
        if not self._vertex:
            if parent.account != self._account.name:
                return CannotContinue("the Gemini API extends only what the same account made")
            return {"video": {"uri": parent.result.url, "encoding": encoding}}
        if not parent.result.url.startswith("gs://"):
            return CannotContinue("Vertex extends only a video in a bucket (gs://)")
        return {"video": {"gcsUri": parent.result.url, "mimeType": encoding}}

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """POST ``:predictLongRunning``. Google takes no id of ours, so ``replay`` can change nothing here."""
        path = f"{self._models()}/{quote(request.model, safe='')}:predictLongRunning"
        return self.send(path, self._body(request, our_id), _submitted)

    def check_one(self, operation: Operation) -> Looked:
        """Vertex fetches by a POST that names the operation, the Gemini API by a GET of it."""
        if not self._vertex:
            if ".." in operation.name.split("/"):  # it would lead to another path
                return NotFound(f"no operation is called {operation.name!r}")
            return self.look("GET", f"/{quote(operation.name)}", _outcome)
        model, _, _ = operation.name.rpartition("/operations/")
        path = f"{self._models()}/{quote(model.rpartition('/')[2], safe='')}:fetchPredictOperation"
        return self.look("POST", path, _outcome, {"operationName": operation.name})

    def _models(self) -> str:
        return "/publishers/google/models" if self._vertex else "/models"

    def headers(self) -> dict[str, str]:
        """A bearer token, or an API key."""
        key = self._account.key()
        return {"Authorization": f"Bearer {key}"} if self._vertex else {"x-goog-api-key": key}

    def _body(self, request: GenerationRequest, our_id: UUID) -> dict[str, Any]:
        instance = {name: value for name, value in request.params.items() if name in _INSTANCE}
        parameters = {name: value for name, value in request.params.items() if name not in _INSTANCE}
        body: dict[str, Any] = {"instances": [{"prompt": request.prompt, **instance}], "parameters": parameters}
        if self._vertex:
            parameters.setdefault("storageUri", self._storage_uri)
            body["labels"] = {"vidpoll_id": str(our_id)}
        return body


def _dialect(account: Account) -> str:
    dialect = account.options.get("dialect", "vertex")
    if dialect not in ("vertex", "gemini"):
        raise NotConfigured(f"account {account.name}: options.dialect is {dialect!r}; it must be vertex or gemini")
    return dialect


def _submitted(answer: Answer) -> SubmitOutcome:
    name = answer.object().get("name")
    if answer.status == 200 and isinstance(name, str) and name:
        return Submitted(name)
    code, message = _error(answer)
    if answer.status == 429:
        return RateLimited(_pause(answer))
    if answer.status in (401, 402, 403):
        return Unauthorized(message, whole_account=answer.status != 403)
    if 400 <= answer.status < 500 and answer.status not in NO_REFUSAL:
        return Refused("model_not_found" if answer.status == 404 else code, message)
    return Ambiguous(f"HTTP {answer.status} without an operation name: {message}")


def _outcome(answer: Answer) -> CheckOutcome:
    body = answer.object()
    if answer.status == 200 and ("name" in body or "done" in body):
        return _operation(body)
    _, message = _error(answer)
    match answer.status:
        case 429:
            return RateLimited(_pause(answer))
        case 401 | 402:
            return Unauthorized(message)
        case 403:
            return Unauthorized(message, whole_account=False)
        case 404:
            return NotFound(message)
        case _:
            return unusable(answer, message if answer.object() else "")


def _operation(body: Mapping[str, Any]) -> CheckOutcome:
    """A ``google.longrunning.Operation``: running, failed, or done with videos, fewer videos, or none."""
    if body.get("done") is not True:
        return Pending()
    error = _dict(body.get("error"))
    if error:
        number = error.get("code")
        code, retryable = _GRPC.get(number if isinstance(number, int) else 0, ("failed", False))
        return Failed(code, str(error.get("message") or code), retryable)
    response = _dict(body.get("response"))
    found = _dict(response.get("generateVideoResponse")) or response
    reasons = tuple(str(reason) for reason in _list(found.get("raiMediaFilteredReasons")))
    videos = _videos(found)
    if videos:
        return Ready(videos, notes=reasons)
    if found.get("raiMediaFilteredCount") or reasons:
        return Failed("content_filtered", "; ".join(reasons) or "filtered by the provider's safety rules")
    return Pending(stage="done at the provider, the video is not there yet")


def _videos(found: Mapping[str, Any]) -> tuple[str, ...]:
    """``videos[].gcsUri`` of Vertex, ``generatedSamples[].video.uri`` of the Gemini API."""
    samples = [_dict(sample).get("video") for sample in _list(found.get("generatedSamples"))]
    entries = [_dict(entry) for entry in (*_list(found.get("videos")), *samples)]
    uris = (entry.get("gcsUri") or entry.get("uri") for entry in entries)
    return tuple(str(uri) for uri in uris if uri)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _error(answer: Answer) -> tuple[str, str]:
    """The code and message of Google's error body; the HTTP status when there is none."""
    error = answer.object().get("error")
    if not isinstance(error, dict):
        return "refused", f"HTTP {answer.status} without a usable body"
    return str(error.get("status") or "refused").lower(), str(error.get("message") or f"HTTP {answer.status}")


def _pause(answer: Answer) -> float | None:
    """``Retry-After``, else ``google.rpc.RetryInfo`` in the error's details."""
    seconds = retry_after(answer.headers)
    error = answer.object().get("error")
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if seconds is None and isinstance(details, list) else ():
        delay = str(detail.get("retryDelay", "")) if isinstance(detail, dict) else ""
        if delay.endswith("s"):
            seconds = retry_after({"retry-after": delay[:-1]})
    return seconds


ADAPTER = Veo
