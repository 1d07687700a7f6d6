"""Runway: tasks of its own and resold models, got one at a time and at most every five seconds; no id of ours, no list.

Wire format: runwayml 5.24.0 (``types/task_retrieve_response.py``, ``types/*_create_params.py``,
``resources/tasks.py``), Runway's pages on HTTP errors, task failures and pricing.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from vidpoll.generation import GenerationRequest, Kind
from vidpoll.media import Media
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import CannotContinue, Capabilities, Continued, Operation, Parent
from vidpoll.providers.http import NO_REFUSAL, Answer, retry_after, unusable
from vidpoll.providers.outcomes import (
    Ambiguous,
    Cancelled,
    CancelOutcome,
    CannotCancel,
    CheckOutcome,
    Failed,
    FailureClass,
    Looked,
    More,
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

#: The version of the API this is written for; Runway refuses calls that name none.
VERSION: Final = "2024-11-06"
#: US dollars a credit costs.
CREDIT: Final = 0.01
#: Endpoints by the parameter that only they take; the first that is there decides.
_BY_PARAM: Final = {
    "videoUri": "video_to_video",
    "promptVideo": "video_to_video",
    "promptImage": "image_to_video",
}
#: Models that have one endpoint only, and the parameter it needs.
_BY_MODEL: Final = {
    "magnific_video_upscaler_creative": ("video_upscale", "videoUri"),
    "enhance_frame_rate": ("video_upscale", "videoUri"),
    "aleph2": ("video_to_video", "videoUri"),
    "gen4_turbo": ("image_to_video", "promptImage"),
}
_OURS: Final = frozenset({"model", "promptText"})
_UNDER_WAY: Final = ("PENDING", "THROTTLED", "RUNNING")
_REFUSALS: Final = {400: "invalid_request", 404: "model_not_found"}
#: Begin the codes of failures that may be tried again.
_PASSING: Final = ("INTERNAL", "INPUT_PREPROCESSING.INTERNAL")

# Inferred, not read: an empty balance is told as a 400 with these words; progress goes from 0 to 1 (what is above is
# taken for percent); a task is told of at least as long as its first URLs live.
_NO_CREDITS: Final = "enough credits"
_WHOLE: Final = 1.0
_KEPT_S: Final = 24 * 3600.0


class Runway(Adapter):
    """One Runway account. One task per status call.

    The endpoint follows from the request: models that have one only go there (the upscalers to ``video_upscale``,
    ``aleph2`` to ``video_to_video``, ``gen4_turbo`` to ``image_to_video``); of the others, one with ``videoUri`` or
    ``promptVideo`` goes to ``video_to_video``, one with ``promptImage`` to ``image_to_video``, the rest to
    ``text_to_video``, or to ``text_to_image`` when an image is asked for. The upscalers take no prompt, so none is sent
    to them.
    """

    capabilities = Capabilities(
        cancel=True, retention_s=_KEPT_S, min_interval_s=5.0, progress=True, result_ttl_s=24 * 3600
    )

    def headers(self) -> dict[str, str]:
        """The bearer, and the API's version. Raises NotConfigured."""
        return {**super().headers(), "X-Runway-Version": VERSION}

    def problems(self, request: GenerationRequest) -> list[str]:
        """Parameters that vidpoll sets itself; one that the model cannot do without."""
        found = [f"params.{name}: is set by vidpoll" for name in sorted(_OURS & request.params.keys())]
        endpoint, needed = _BY_MODEL.get(request.model, ("", ""))
        missing = needed and needed not in request.params
        return found + ([f"params.{needed}: {request.model} needs it for {endpoint}"] if missing else [])

    def continue_from(self, request: GenerationRequest, parent: Parent) -> Continued:
        """An upscale takes a video by its address, whoever made it."""
        if "videoUri" in request.params:
            return CannotContinue("params.videoUri names another video")
        if parent.fetched is None:
            return CannotContinue("the address of its result does not work any more")
        if parent.fetched.kind != "video":
            return CannotContinue("it is an image, and an upscale here begins with a video")
        if not parent.fetched.url.startswith(("https://", "http://")):
            return CannotContinue("its result is not on the web, where Runway would fetch it")
        return {"videoUri": parent.fetched.url}

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """POST the task. Runway takes no id of ours, so ``replay`` can change nothing here."""
        endpoint = _endpoint(request)
        prompt = {} if endpoint == "video_upscale" else {"promptText": request.prompt}
        return self.send(f"/{endpoint}", {**request.params, **prompt, "model": request.model}, _submitted)

    def check_one(self, operation: Operation) -> Looked:
        """GET the task."""
        return self.look("GET", _path(operation.name), partial(_outcome, kind=operation.kind))

    def cancel(self, operation: Operation) -> CancelOutcome | More:
        """Look first, and with one more call DELETE it, unless it has ended: that would delete its video.

        Afterwards Runway does not know it. One that ends between the look and the DELETE loses its video all the same.
        """
        seen = self.ask("GET", _path(operation.name))
        if not isinstance(seen, Answer):
            return seen
        if seen.status != 200 or seen.object().get("status") not in _UNDER_WAY:
            return _left_alone(seen)
        return More(lambda: self._delete(operation))

    def _delete(self, operation: Operation) -> CancelOutcome:
        answer = self.ask("DELETE", _path(operation.name))
        return _cancelled(answer) if isinstance(answer, Answer) else answer


def _path(id: str) -> str:
    return f"/tasks/{quote(id, safe='')}"


def _endpoint(request: GenerationRequest) -> str:
    if request.kind == "image":
        return "text_to_image"
    if request.model in _BY_MODEL:
        return _BY_MODEL[request.model][0]
    return next((endpoint for name, endpoint in _BY_PARAM.items() if name in request.params), "text_to_video")


def _submitted(answer: Answer) -> SubmitOutcome:
    id = answer.object().get("id")
    if answer.status // 100 == 2 and isinstance(id, str) and id:
        return Submitted(id)
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if answer.status == 400 and _NO_CREDITS in _words(answer):
        return Unauthorized(_words(answer))
    if 400 <= answer.status < 500 and answer.status not in NO_REFUSAL:
        return Refused(_REFUSALS.get(answer.status, "refused"), _words(answer))
    return Ambiguous(f"HTTP {answer.status} without a task's id: {_words(answer)}")


def _outcome(answer: Answer, kind: Kind = "video") -> CheckOutcome:
    task = answer.object()
    if answer.status == 200 and isinstance(task.get("status"), str):
        return _task(task, kind)
    if answer.status == 404:
        return NotFound(_words(answer))
    return _of_the_account(answer) or unusable(answer, _words(answer))


def _task(task: Mapping[str, Any], kind: Kind) -> CheckOutcome:
    match task["status"]:
        case "PENDING" | "THROTTLED" as stage:
            # Throttled is accepted: it waits until this account has fewer tasks running.
            return Pending(stage=stage.lower(), queued=True)
        case "RUNNING":
            return Pending(_percent(task.get("progress")), stage="running")
        case "SUCCEEDED":
            return _succeeded(task, kind)
        case "FAILED":
            return _failed(str(task.get("failureCode") or "failed"), str(task.get("failure") or ""))
        case "CANCELLED":
            return Cancelled()
        case unknown:
            return Unreachable(f"unknown status {unknown!r}", FailureClass.UNKNOWN_STATUS)


def _succeeded(task: Mapping[str, Any], kind: Kind) -> CheckOutcome:
    output, cost = task.get("output"), task.get("cost")
    urls = [one for one in output if isinstance(one, str) and one] if isinstance(output, list) else []
    if not urls:
        return Pending(stage="succeeded at the provider, the result is not there yet")
    credits = cost.get("credits") if isinstance(cost, dict) else None
    told = credits if isinstance(credits, int | float) and 0 <= credits < float("inf") else None
    ready = Ready(cost=None if told is None else round(told * CREDIT, 4))
    return ready.of([Media.of(url, asked=kind) for url in urls])


def _failed(code: str, words: str) -> Failed:
    """Safety may stand anywhere in the code: ``SAFETY.INPUT.TEXT``, ``INPUT_PREPROCESSING.SAFETY.TEXT``."""
    if "SAFETY" in code.split("."):
        return Failed("content_filtered", f"{code}: {words}" if words else code)
    return Failed(code, words or "Runway says no more than failed", retryable=code.startswith(_PASSING))


def _percent(progress: object) -> int | None:
    if isinstance(progress, bool) or not isinstance(progress, int | float) or not progress >= 0:
        return None
    return int(min(progress * 100 if progress <= _WHOLE else progress, 100))


def _left_alone(seen: Answer) -> CancelOutcome:
    """What a cancel answers that deleted nothing."""
    match _outcome(seen):
        case Cancelled() | RateLimited() | Unauthorized() | Unreachable() as outcome:
            return outcome
        case NotFound(reason):
            return CannotCancel(reason)
        case _:
            return CannotCancel(f"it has ended already: {seen.object()['status']}")


def _cancelled(answer: Answer) -> CancelOutcome:
    if answer.status == 204:
        return Cancelled()
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if 400 <= answer.status < 500 and answer.status != 408:
        return CannotCancel(_words(answer))
    return unusable(answer, _words(answer))


def _of_the_account(answer: Answer) -> RateLimited | Unauthorized | None:
    if answer.status == 429:
        return RateLimited(retry_after(answer.headers))
    return Unauthorized(_words(answer)) if answer.status in (401, 402, 403) else None


def _words(answer: Answer) -> str:
    return str(answer.object().get("error") or f"HTTP {answer.status} without a word")


ADAPTER = Runway
