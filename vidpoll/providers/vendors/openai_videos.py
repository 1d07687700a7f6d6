"""OpenAI's Videos API. OpenAI shut it down on 2026-09-24; gateways and resellers go on speaking it.

An answer holds no URL: the video is at ``…/videos/{id}/content`` below the account's ``base_url``, and whoever
downloads it sends the account's key as a bearer token, for an hour at most. ``Ready.notes`` says so each time.

Wire format: openai 2.54.0 (``resources/videos.py``, ``types/video*.py``, ``_base_client.py``) and OpenAI's guide to
video generation.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from vidpoll.generation import GenerationRequest
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import Capabilities, Operation
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

#: Seconds for which a video can be downloaded.
KEPT_S: Final = 3600.0
#: What is told with every result.
NEEDS_KEY: Final = "the URL needs the account's key, as a bearer token"
_OURS: Final = frozenset({"model", "prompt"})
_REFUSALS: Final = {400: "invalid_request", 404: "model_not_found"}

# Inferred, not read in a document of OpenAI's: the codes of a moderated request or video, and those of an account
# without a balance, which come under 429 and 400.
_MODERATED: Final = ("moderation", "content_policy", "safety")
_NO_BALANCE: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


class OpenaiVideos(Adapter):
    """One account at OpenAI's successor in this format, most likely a gateway. No id of ours, no cancel."""

    capabilities = Capabilities(
        retention_s=KEPT_S, progress=True, access="key", webhook="registered", result_ttl_s=KEPT_S
    )

    def problems(self, request: GenerationRequest) -> list[str]:
        """Parameters that vidpoll sets itself; ``seconds`` that is no string."""
        found = [f"params.{name}: is set by vidpoll" for name in sorted(_OURS & request.params.keys())]
        seconds = request.params.get("seconds", "")
        return found if isinstance(seconds, str) else [*found, f'params.seconds: must be a string, as "{seconds}"']

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """POST a video, as JSON. The format has no id of ours, so ``replay`` can change nothing here."""
        return self.send("/videos", {**request.params, "model": request.model, "prompt": request.prompt}, _submitted)

    def check_one(self, operation: Operation) -> Looked:
        """GET the video's state; the header ``openai-poll-after-ms`` is read where all calls are."""
        path = f"/videos/{quote(operation.name, safe='')}"
        content = f"{self._account.base_url.rstrip('/')}{path}/content"
        return self.look("GET", path, lambda answer: _outcome(answer, content))


def _submitted(answer: Answer) -> SubmitOutcome:
    id = answer.object().get("id")
    if answer.status // 100 == 2 and isinstance(id, str) and id:
        return Submitted(id)
    code, message = _error(answer)
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if 400 <= answer.status < 500 and answer.status not in NO_REFUSAL:
        return Refused(_named(code or _REFUSALS.get(answer.status, "refused")), message)
    return Ambiguous(f"HTTP {answer.status} without a video's id: {message}")


def _outcome(answer: Answer, content: str) -> CheckOutcome:
    video = answer.object()
    if answer.status == 200 and isinstance(video.get("status"), str):
        return _video(video, content, answer.date)
    _, message = _error(answer)
    if answer.status == 404:
        return NotFound(message)
    return _of_the_account(answer) or unusable(answer, message)


def _video(video: Mapping[str, Any], content: str, now: datetime | None) -> CheckOutcome:
    match video["status"]:
        case "queued":
            return Pending(stage="queued", queued=True)
        case "in_progress":
            return Pending(_percent(video.get("progress")), "in_progress")
        case "completed" if _is_gone(video, now):
            return Failed("output_gone", "the video was made and has been removed, as it is an hour after the end")
        case "completed":
            return Ready((content,), notes=(NEEDS_KEY,))
        case "failed":
            told = video.get("error")
            error = told if isinstance(told, dict) else {}
            code = str(error.get("code") or "failed")
            return Failed(_named(code), str(error.get("message") or code))
        case unknown:
            return Unreachable(f"unknown status {unknown!r}", FailureClass.UNKNOWN_STATUS)


def _is_gone(video: Mapping[str, Any], now: datetime | None) -> bool:
    """Whether the vendor's own clock is past the moment it named, where that is one after the video was asked for."""
    asked_at, expires_at = video.get("created_at"), video.get("expires_at")
    if now is None or not isinstance(asked_at, int | float) or not isinstance(expires_at, int | float):
        return False
    return 0 < asked_at <= expires_at < now.timestamp()


def _percent(progress: object) -> int | None:
    return int(progress) if isinstance(progress, int | float) and 0 <= progress <= 100 else None


def _of_the_account(answer: Answer) -> RateLimited | Unauthorized | None:
    """A refusal that concerns every call of the account; not every 429 passes by waiting."""
    code, message = _error(answer)
    if answer.status in (401, 402, 403) or (400 <= answer.status < 500 and code in _NO_BALANCE):
        return Unauthorized(message)
    return RateLimited(retry_after(answer.headers)) if answer.status == 429 else None


def _error(answer: Answer) -> tuple[str, str]:
    """The code (empty when there is none) and the message of the error body."""
    error = answer.object().get("error")
    told = error if isinstance(error, dict) else {}
    return str(told.get("code") or ""), str(told.get("message") or f"HTTP {answer.status} without a word")


def _named(code: str) -> str:
    return "content_filtered" if any(part in code.lower() for part in _MODERATED) else code


ADAPTER = OpenaiVideos
