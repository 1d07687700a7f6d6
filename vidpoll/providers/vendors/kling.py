"""Kling: a task per video, under a path of its kind; every call carries a token made of an access and a secret key.

Wire format: the pages "General Information" and "Text to Video" of Kling's API as copied in inference-sh/grid, the
types of kling-sdk 1.0.0, Baidu's page on Kling's list. The code in the body decides, not the HTTP status: a 429 may
mean that the account owes money.

[INFERRED], not read: that the list is sorted newest first; that a used ``external_task_id`` is refused with 1200 or
1201; the words of ``_MODERATED`` but "content security".
"""

import base64
import hmac
import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from vidpoll.errors import NotConfigured
from vidpoll.generation import GenerationRequest
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import Capabilities, Operation, Sent
from vidpoll.providers.http import NO_REFUSAL, Answer, retry_after, unusable
from vidpoll.providers.outcomes import (
    Ambiguous,
    CheckOutcome,
    Failed,
    FailureClass,
    Listed,
    Looked,
    LookUpOutcome,
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

#: Seconds for which a token is valid, and seconds by which our clock may be ahead of Kling's.
TOKEN_S: Final = 1800
AHEAD_S: Final = 5
#: Tasks asked for on one page of the list (Kling allows 500), and the last page there is.
PAGE: Final = 100
LAST_PAGE: Final = 1000
_OURS: Final = frozenset({"model", "model_name", "prompt", "external_task_id", "callback_url"})
_IMAGES: Final = ("image", "image_tail")
_WAIT: Final = frozenset({1302, 1303})
#: The key (1000 to 1004), the account, what it owes, its resource pack, a permission, its IP address.
_ACCOUNT: Final = frozenset({1000, 1001, 1002, 1003, 1004, 1100, 1101, 1102, 1103, 1304})
_REFUSALS: Final = {
    1200: "invalid_input", 1201: "invalid_input", 1202: "invalid_request", 1203: "model_not_found",
    1300: "content_filtered", 1301: "content_filtered",
}  # fmt: skip
_MODERATED: Final = ("content security", "risk control", "sensitive", "policy")


class Kling(Adapter):
    """One Kling account; its key is written as ``ACCESS_KEY:SECRET_KEY``.

    How many tasks it may have at once is bought (1303): set the account's ``max_in_flight`` to it. Our id goes along as
    ``external_task_id`` and is found again in the list. Kling says that it must be unique, not what becomes of a second
    one, so a submit is not sent again by itself.
    """

    #: Videos are removed after 30 days.
    capabilities = Capabilities(
        look_up=True, retention_s=30 * 24 * 3600, webhook="unsigned", result_ttl_s=30 * 24 * 3600
    )

    def headers(self) -> dict[str, str]:
        """A token made for this one call."""
        access_key, colon, secret_key = self._account.key().partition(":")
        if not (access_key and colon and secret_key):
            raise NotConfigured(f"account {self._account.name}: its key must be written as ACCESS_KEY:SECRET_KEY")
        return {"Authorization": f"Bearer {token(access_key, secret_key, int(time.time()))}"}

    def problems(self, request: GenerationRequest) -> list[str]:
        """Parameters that vidpoll sets itself; images as data URLs, of which Kling wants the base64 alone."""
        found = [f"params.{name}: is set by vidpoll" for name in sorted(_OURS & request.params.keys())]
        data_urls = [name for name in _IMAGES if str(request.params.get(name, "")).startswith("data:")]
        return found + [f"params.{name}: must be a URL, or base64 without data: before it" for name in data_urls]

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """POST a task of the request's kind, under our id."""
        kind, callback = _kind(request.params), self._account.callback_url(our_id)
        ours = {"model_name": request.model, "prompt": request.prompt, "external_task_id": str(our_id)}
        ours |= {"callback_url": callback} if callback else {}
        return self.send(f"/v1/videos/{kind}", {**request.params, **ours}, partial(_submitted, kind, replay))

    def check_one(self, operation: Operation) -> Looked:
        """GET the task, under the path of its kind."""
        kind, slash, id = operation.name.partition("/")
        if not slash:  # a person named it, as Kling does
            kind, id = _kind(operation.params), operation.name
        return self.look("GET", f"/v1/videos/{quote(kind, safe='')}/{quote(id, safe='')}", _outcome)

    def look_up(self, sent: Sent, cursor: str | None) -> LookUpOutcome:
        """GET one page of the account's tasks of that kind; the one under our id is it."""
        kind, page = _kind(sent.request.params), int(cursor or 1)
        answer = self.ask("GET", f"/v1/videos/{kind}?pageNum={page}&pageSize={PAGE}")
        return _listed(answer, sent, kind, page) if isinstance(answer, Answer) else answer


def token(access_key: str, secret_key: str, now: int) -> str:
    """A JSON Web Token (RFC 7519), signed with HMAC-SHA-256.

    Example:
        >>> token("AK", "SK", 1_800_000_000).count(".")
        2
    """
    claims = {"iss": access_key, "exp": now + TOKEN_S, "nbf": now - AHEAD_S}
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_base64url(hmac.digest(secret_key.encode(), signed.encode(), 'sha256'))}"


def _part(content: dict[str, Any]) -> str:
    return _base64url(json.dumps(content, separators=(",", ":")).encode())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _kind(params: Mapping[str, Any]) -> str:
    return "image2video" if any(params.get(name) for name in _IMAGES) else "text2video"


def _submitted(kind: str, replay: bool, answer: Answer) -> SubmitOutcome:
    code, id = _code(answer), _task(answer).get("task_id")
    if code == 0 and isinstance(id, str) and id:
        return Submitted(f"{kind}/{id}")
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if replay and code in (1200, 1201):
        return Ambiguous(f"Kling may have our id from an earlier call: {_words(answer)}")
    if code in _REFUSALS:
        return Refused(_REFUSALS[code], _words(answer))
    if 400 <= answer.status < 500 and answer.status not in NO_REFUSAL:
        return Refused("model_not_found" if answer.status == 404 else "refused", _words(answer))
    return Ambiguous(f"HTTP {answer.status} without a task's id: {_words(answer)}")


def _outcome(answer: Answer) -> CheckOutcome:
    code, task = _code(answer), _task(answer)
    if code == 0 and isinstance(task.get("task_status"), str):
        return _state(task)
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if code == 1203 or (code is None and answer.status == 404):
        return NotFound(_words(answer))
    return Unreachable(_words(answer)) if code else unusable(answer)


def _state(task: Mapping[str, Any]) -> CheckOutcome:
    """Kling tells when a task was made and last changed, not when it began: so no times of a run."""
    match task["task_status"]:
        case "submitted":
            return Pending(stage="submitted", queued=True)
        case "processing":
            return Pending()
        case "succeed":
            videos = _videos(task.get("task_result"))
            return Ready(videos) if videos else Pending(stage="done at the provider, the video is not there yet")
        case "failed":
            reason = str(task.get("task_status_msg") or "")
            filtered = any(part in reason.lower() for part in _MODERATED)
            return Failed("content_filtered" if filtered else "failed", reason or "Kling says no more than failed")
        case unknown:
            return Unreachable(f"unknown status {unknown!r}", FailureClass.UNKNOWN_STATUS)


def _videos(result: object) -> tuple[str, ...]:
    videos = result.get("videos") if isinstance(result, dict) else None
    urls = [one.get("url") for one in videos if isinstance(one, dict)] if isinstance(videos, list) else []
    return tuple(url for url in urls if isinstance(url, str) and url)


def _listed(answer: Answer, sent: Sent, kind: str, page: int) -> LookUpOutcome:
    """Only our id counts. One that is not listed may still have been taken: nobody says when the list knows it."""
    tasks = answer.object().get("data")
    if _code(answer) != 0 or not isinstance(tasks, list):
        return _of_the_account(answer) or (Unreachable(_words(answer)) if _code(answer) else unusable(answer))
    found = [task for task in tasks if isinstance(task, dict)]
    for task in found:
        if _our_id(task) == str(sent.our_id) and isinstance(task.get("task_id"), str):
            return Submitted(f"{kind}/{task['task_id']}")
    made_ms = [task["created_at"] for task in found if isinstance(task.get("created_at"), int)]
    back_far_enough = any(moment < sent.after.timestamp() * 1000 for moment in made_ms)
    more = len(tasks) >= PAGE and not back_far_enough and page < LAST_PAGE
    return Listed((), str(page + 1) if more else None)


def _our_id(task: Mapping[str, Any]) -> object:
    info = task.get("task_info")
    return info.get("external_task_id") if isinstance(info, dict) else None


def _of_the_account(answer: Answer) -> RateLimited | Unauthorized | None:
    """A refusal that concerns every call of the account; without a code of Kling's it came from before it."""
    code = _code(answer)
    if code in _WAIT or (code is None and answer.status == 429):
        return RateLimited(retry_after(answer.headers))
    if code in _ACCOUNT or (code is None and answer.status in (401, 402, 403)):
        clock = "; is our clock right?" if code in (1003, 1004) else ""
        return Unauthorized(_words(answer) + clock)
    return None


def _code(answer: Answer) -> int | None:
    code = answer.object().get("code")
    return code if isinstance(code, int) else None


def _task(answer: Answer) -> dict[str, Any]:
    data = answer.object().get("data")
    return data if isinstance(data, dict) else {}


def _words(answer: Answer) -> str:
    code, message = _code(answer), answer.object().get("message")
    told = f"HTTP {answer.status}" if code is None else f"{code}"
    return f"{told}: {message}" if message else f"{told} without a word"


ADAPTER = Kling
