"""Luma's Dream Machine, version 1: generations that are got one at a time. No id of ours, no cancel.

``DELETE`` removes a generation; nobody says whether it stops one, so it is not called. A video is extended, or
upscaled, by the id of its generation, which only the account knows that made it. An upscale is a generation of its own;
neither model nor prompt is sent with it.

Wire format: lumaai 1.21.0 (``resources/generations``, ``types/generation.py``), Luma's changelog 1.1.0.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from vidpoll.generation import GenerationRequest
from vidpoll.media import Media
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import CannotContinue, Capabilities, Continued, Operation, Parent
from vidpoll.providers.http import NO_REFUSAL, Answer, retry_after, unusable
from vidpoll.providers.outcomes import (
    Ambiguous,
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

#: Fields of the body that are ours to set.
_OURS: Final = frozenset({"model", "prompt", "callback_url", "generation_type", "sync", "sync_timeout"})
#: The parameter that says which generation is upscaled; it becomes part of the path.
_UPSCALED: Final = "generation_id"
_REFUSALS: Final = {400: "invalid_request", 404: "model_not_found", 422: "invalid_input"}

# Inferred, not read in a document of Luma's: the words of a moderated request or video, those of an empty balance,
# and that errors come as ``{"detail": …}``, see ``_words``.
_MODERATED: Final = ("moderat", "nsfw", "policy", "sensitive")
_NO_BALANCE: Final = "insufficient credit"


class Luma(Adapter):
    """One Luma account. One generation per status call."""

    capabilities = Capabilities(webhook="unsigned")

    def problems(self, request: GenerationRequest) -> list[str]:
        """Parameters that vidpoll sets itself, or that an upscale does not have."""
        found = [f"params.{name}: is set by vidpoll" for name in sorted(_OURS & request.params.keys())]
        if request.kind == "upscale":
            others = sorted(request.params.keys() - _OURS - {_UPSCALED, "resolution"})
            found += [f"params.{name}: an upscale has resolution and nothing else" for name in others]
        return found

    def continue_from(self, request: GenerationRequest, parent: Parent) -> Continued:
        """The parent's own id at Luma."""
        if parent.account != self._account.name:
            return CannotContinue("Luma continues only what the same account made")
        if parent.result is not None and parent.result.kind != "video":
            return CannotContinue("it is an image; Luma upscales and extends videos")
        if request.kind == "upscale":
            if _UPSCALED in request.params:
                return CannotContinue(f"params.{_UPSCALED} names another one")
            return {_UPSCALED: parent.operation_name}
        keyframes = request.params.get("keyframes", {})
        if not isinstance(keyframes, dict) or "frame0" in keyframes:
            return CannotContinue("params.keyframes.frame0 names another beginning")
        return {"keyframes": {**keyframes, "frame0": {"type": "generation", "id": parent.operation_name}}}

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """POST a generation. Luma takes no id of ours, so ``replay`` can change nothing here."""
        callback = self._account.callback_url(our_id)
        told = {"callback_url": callback} if callback else {}
        if request.kind == "upscale":
            body = {name: value for name, value in request.params.items() if name != _UPSCALED}
            path = f"/generations/{quote(str(request.params[_UPSCALED]), safe='')}/upscale"
            return self.send(path, {**body, "generation_type": "upscale_video", **told}, _submitted)
        what = "image" if request.kind == "image" else "video"
        body = {**request.params, "model": request.model, "prompt": request.prompt, **told}
        return self.send(f"/generations/{what}", body, _submitted)

    def check_one(self, operation: Operation) -> Looked:
        """GET the generation."""
        return self.look("GET", f"/generations/{quote(operation.name, safe='')}", _outcome)


def _submitted(answer: Answer) -> SubmitOutcome:
    id = answer.object().get("id")
    if answer.status // 100 == 2 and isinstance(id, str) and id:
        return Submitted(id)
    words = _words(answer)
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if 400 <= answer.status < 500 and answer.status not in NO_REFUSAL:
        code = _REFUSALS.get(answer.status, "refused")
        return Refused("content_filtered" if _is_moderated(words) else code, words)
    return Ambiguous(f"HTTP {answer.status} without a generation's id: {words}")


def _outcome(answer: Answer) -> CheckOutcome:
    generation = answer.object()
    if answer.status == 200 and isinstance(generation.get("state"), str):
        return _generation(generation)
    if answer.status == 404:
        return NotFound(_words(answer))
    return _of_the_account(answer) or unusable(answer, _words(answer))


def _generation(generation: Mapping[str, Any]) -> CheckOutcome:
    match generation["state"]:
        case "queued":
            return Pending(stage="queued", queued=True)
        case "dreaming":
            return Pending(stage="dreaming")
        case "completed":
            return _completed(generation)
        case "failed":
            reason = str(generation.get("failure_reason") or "")
            code = "content_filtered" if _is_moderated(reason) else "failed"
            return Failed(code, reason or "Luma says no more than failed")
        case unknown:
            return Unreachable(f"unknown status {unknown!r}", FailureClass.UNKNOWN_STATUS)


def _completed(generation: Mapping[str, Any]) -> CheckOutcome:
    """The result is ``assets.video``, beside which the image and the ``progress_video`` are none.

    Of a generation whose ``generation_type`` is ``image`` it is ``assets.image``.
    """
    assets = generation.get("assets")
    what = "image" if generation.get("generation_type") == "image" else "video"
    url = assets.get(what) if isinstance(assets, dict) else None
    if isinstance(url, str) and url:
        return Ready().of([Media.of(url, asked=what)])
    return Pending(stage=f"done at the provider, the {what} is not there yet")


def _of_the_account(answer: Answer) -> RateLimited | Unauthorized | None:
    """A refusal that concerns every call of the account."""
    if answer.status == 429:
        return RateLimited(retry_after(answer.headers))
    words = _words(answer)
    empty = 400 <= answer.status < 500 and _NO_BALANCE in words.lower()
    return Unauthorized(words) if empty or answer.status in (401, 402, 403) else None


def _is_moderated(words: str) -> bool:
    return any(part in words.lower() for part in _MODERATED)


def _words(answer: Answer) -> str:
    """``detail``: a sentence, or a list of what is wrong with which field."""
    detail = answer.object().get("detail")
    if isinstance(detail, list):
        detail = "; ".join(str(one.get("msg") or one) if isinstance(one, dict) else str(one) for one in detail)
    return str(detail or f"HTTP {answer.status} without a word")


ADAPTER = Luma
