"""Google's Gemini Omni through the Interactions API: what Google names in place of Veo on the Gemini API.

Answers may echo the whole input, up to tens of megabytes. It is asked for without, and what is echoed all the same is
read over; a body past the limit of ``http.py`` says nothing of its interaction. Results need the account's key too.

Wire format: google-genai 3.4.0 (``_gaos/interactions.py``, ``_gaos/types/interactions``).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from vidpoll.generation import GenerationRequest
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import Capabilities, Operation
from vidpoll.providers.http import NO_REFUSAL, Answer, retry_after, unusable
from vidpoll.providers.outcomes import (
    Ambiguous,
    CancelAccepted,
    Cancelled,
    CancelOutcome,
    CannotCancel,
    CheckOutcome,
    Failed,
    FailureClass,
    Looked,
    NotFound,
    Pending,
    RateLimited,
    Ready,
    Refused,
    SubmitOutcome,
    Submitted,
    Unauthorized,
    Unreachable,
)

#: What is told with every result. That a download needs the key is inferred from Veo's on the same host.
NEEDS_KEY: Final = "the URL needs the account's key, in the header x-goog-api-key"
_OURS: Final = frozenset({"model", "background", "store", "stream", "response_format", "webhook_config"})
#: Parameters that belong to ``response_format``, not beside it.
_FORMAT: Final = frozenset({"aspect_ratio", "resolution", "duration"})
#: Codes of ``google.rpc.Status``, which the error of a step has.
_GRPC: Final = {
    3: "invalid_argument", 4: "deadline_exceeded", 7: "permission_denied", 8: "resource_exhausted", 13: "internal",
    14: "unavailable",
}  # fmt: skip

# Inferred, not read in a document of Google's: that a video may be made in the background, what its errors are called,
# and which states are an end. Nobody answers or continues an interaction here, so those that wait for it go on until
# the deadline; one that is cut short is done, with what there is.
_STALLED: Final = frozenset({"requires_action", "requires_continuation"})
_CUT_SHORT: Final = frozenset({"incomplete", "budget_exceeded"})
_MODERATED: Final = ("safety", "prohibited", "content policy", "content_policy", "filtered", "moderat")
_PASSING: Final = ("internal", "unavailable", "deadline", "timeout", "exhausted", "overloaded")


class GeminiOmni(Adapter):
    """One Google account. One interaction per status call; no list, and no id of ours."""

    capabilities = Capabilities(cancel=True, access="key")

    def headers(self) -> dict[str, str]:
        """An API key."""
        return {"x-goog-api-key": self._account.key()}

    def problems(self, request: GenerationRequest) -> list[str]:
        """Parameters that vidpoll sets itself; an ``input`` that is no list of parts."""
        found = [f"params.{name}: is set by vidpoll" for name in sorted(_OURS & request.params.keys())]
        parts = request.params.get("input", [])
        return found if isinstance(parts, list) else [*found, "params.input: must be a list of parts beside the prompt"]

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """POST an interaction in the background. Google takes no id of ours, so ``replay`` can change nothing here.

        ``params.input`` is a list of images and videos, each ``{"type": "image", "uri": …}``; they follow the prompt.
        ``aspect_ratio``, ``resolution`` and ``duration`` go into the response's format, everything else beside it.
        """
        params = dict(request.params)
        parts = params.pop("input", None)
        form = {name: params.pop(name) for name in sorted(_FORMAT & params.keys())}
        body = {
            **params, "model": request.model, "background": True, "store": True,
            "input": [{"type": "text", "text": request.prompt}, *parts] if isinstance(parts, list) else request.prompt,
            "response_format": {"type": "video", "delivery": "uri", **form},
        }  # fmt: skip
        return self.send("/interactions", body, _submitted)

    def check_one(self, operation: Operation) -> Looked:
        """GET the interaction."""
        return self.look("GET", f"{_path(operation)}?include_input=false", _outcome)

    def cancel(self, operation: Operation) -> CancelOutcome:
        """POST ``/cancel``; Google answers with the interaction as it is then."""
        answer = self.ask("POST", f"{_path(operation)}/cancel")
        return _cancelled(answer) if isinstance(answer, Answer) else answer


def _path(operation: Operation) -> str:
    return f"/interactions/{quote(operation.name, safe='')}"


def _submitted(answer: Answer) -> SubmitOutcome:
    id = answer.object().get("id")
    if answer.status // 100 == 2 and isinstance(id, str) and id:
        return Submitted(id)
    code, message = _error(answer)
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if 400 <= answer.status < 500 and answer.status not in NO_REFUSAL:
        return Refused("model_not_found" if answer.status == 404 else _named(code or "refused", message), message)
    return Ambiguous(f"HTTP {answer.status} without an interaction's id: {message}")


def _outcome(answer: Answer) -> CheckOutcome:
    interaction = answer.object()
    if answer.status == 200 and isinstance(interaction.get("status"), str):
        return _interaction(interaction)
    _, message = _error(answer)
    if answer.status == 404:
        return NotFound(message)
    return _of_the_account(answer) or unusable(answer, message)


def _interaction(interaction: Mapping[str, Any]) -> CheckOutcome:
    match interaction["status"]:
        case "queued":
            return Pending(stage="queued", queued=True)
        case stage if stage == "in_progress" or stage in _STALLED:
            return Pending(stage=stage)
        case "completed":
            return _ended(interaction) or Pending(stage="done at the provider, the video is not there yet")
        case cut_short if cut_short in _CUT_SHORT:
            return _ended(interaction, (f"the interaction ended as {cut_short}",)) or Failed(cut_short, cut_short)
        case "failed":
            return _failed(interaction) or Failed("failed", "Google says no more than failed")
        case "cancelled":
            return Cancelled()
        case unknown:
            return Unreachable(f"unknown status {unknown!r}", FailureClass.UNKNOWN_STATUS)


def _ended(interaction: Mapping[str, Any], notes: tuple[str, ...] = ()) -> CheckOutcome | None:
    """Its videos, else its errors; None when it has neither, as was seen of completed ones whose video came later."""
    videos = tuple(_videos(interaction))
    return Ready(videos, notes=(*notes, NEEDS_KEY)) if videos else _failed(interaction)


def _videos(interaction: Mapping[str, Any]) -> Iterator[str]:
    """URIs that the model put out; those of the input stand beside them. One that came inline has none."""
    for step in _outputs(interaction):
        for part in _dicts(step.get("content")):
            if part.get("type") == "video" and isinstance(part.get("uri"), str) and part["uri"]:
                yield part["uri"]


def _failed(interaction: Mapping[str, Any]) -> Failed | None:
    of_steps = [step["error"] for step in _outputs(interaction) if isinstance(step.get("error"), dict)]
    errors = [_told(error) for error in [*_dicts(interaction.get("errors")), *of_steps]]
    if not errors:
        return None
    code, words = errors[0][0] or "failed", "; ".join(message for _, message in errors)
    named = _named(code, words)
    return Failed(named, words or code, named == code and any(part in code.lower() for part in _PASSING))


def _cancelled(answer: Answer) -> CancelOutcome:
    _, message = _error(answer)
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if 400 <= answer.status < 500 and answer.status != 408:
        return CannotCancel(message)
    status = answer.object().get("status")
    if answer.status // 100 != 2 or not isinstance(status, str):
        return unusable(answer, message)
    if status == "cancelled":
        return Cancelled()
    if status in ("completed", "failed") or status in _CUT_SHORT:
        return CannotCancel(f"it has ended already: {status}")
    if status in ("queued", "in_progress") or status in _STALLED:
        return CancelAccepted()
    return Unreachable(f"unknown status {status!r}", FailureClass.UNKNOWN_STATUS)


def _of_the_account(answer: Answer) -> RateLimited | Unauthorized | None:
    """A refusal that concerns every call of the account; of a 403 nobody can tell."""
    if answer.status == 429:
        return RateLimited(retry_after(answer.headers))
    _, message = _error(answer)
    return Unauthorized(message, answer.status != 403) if answer.status in (401, 402, 403) else None


def _error(answer: Answer) -> tuple[str, str]:
    """The code (empty when there is none) and the message of the error body."""
    error = answer.object().get("error")
    code, message = _told(error) if isinstance(error, dict) else ("", "")
    return code, message or f"HTTP {answer.status} without a word"


def _told(error: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message of an error; its code is a word, a URI that ends in one, or a number of gRPC's."""
    code = error.get("code")
    named = _GRPC.get(code) if isinstance(code, int) else None
    word = str(error.get("status") or named or code or "").rpartition("/")[2].lower()
    return word, str(error.get("message") or word)


def _named(code: str, message: str) -> str:
    return "content_filtered" if any(part in f"{code} {message}".lower() for part in _MODERATED) else code


def _outputs(interaction: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [step for step in _dicts(interaction.get("steps")) if step.get("type") == "model_output"]


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


ADAPTER = GeminiOmni
