"""MiniMax (Hailuo), API v1: a video is submitted, asked for, and then its file is; errors come under HTTP 200.

Wire format: live captures in DucAnh0075's ``ENDPOINT_SOLVED.md``, the copy of MiniMax's page in sub0xdai/quantum-cat,
MiniMax's OpenAPI of the query, and the error codes as Baidu and 302.ai list them.

[INFERRED], not read: that 2049 is a wrong key; that 2013 is also how an id is answered that MiniMax does not know; that
a failure by ``_PASSING`` may work later; that ``Preparing`` is before the beginning; how long a task is told of.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from vidpoll.generation import GenerationRequest
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import Capabilities, Operation
from vidpoll.providers.http import NO_REFUSAL, Answer, retry_after, understood, unusable
from vidpoll.providers.outcomes import (
    Ambiguous,
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

_OURS: Final = frozenset({"model", "prompt", "callback_url"})
#: Models of MiniMax's API v2, which has other bodies.
_V2: Final = re.compile(r"MiniMax-H\d.*")
_WAIT: Final = 1002
#: The key, the balance, the key.
_ACCOUNT: Final = frozenset({1004, 1008, 2049})
_INVALID: Final = 2013
#: What was asked for, and what came out, broke a content rule.
_SENSITIVE: Final = frozenset({1026, 1027})
_REFUSALS: Final = {
    1026: "content_filtered", 1027: "content_filtered", 1042: "invalid_input", _INVALID: "invalid_input",
}  # fmt: skip
#: Unknown, timed out, internal, a service behind it.
_PASSING: Final = frozenset({1000, 1001, 1024, 1033})
_NOT_YET: Final = Pending(stage="done at the provider, the video is not there yet")


class MiniMax(Adapter):
    """One MiniMax account. The check that finds a video done makes a second call, for its file, with its own token."""

    #: A file's URL works for nine hours.
    capabilities = Capabilities(retention_s=9 * 3600, result_ttl_s=9 * 3600)

    def problems(self, request: GenerationRequest) -> list[str]:
        """Parameters that vidpoll sets itself; models of the other API."""
        found = [f"params.{name}: is set by vidpoll" for name in sorted(_OURS & request.params.keys())]
        other = f"model: {request.model!r} is one of MiniMax's API v2; this adapter speaks v1"
        return [other, *found] if _V2.fullmatch(request.model) else found

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """POST a task. MiniMax takes no id of ours, so ``replay`` can change nothing here."""
        body = {**request.params, "model": request.model, "prompt": request.prompt}
        return self.send("/v1/video_generation", body, _submitted)

    def check_one(self, operation: Operation) -> Looked:
        """GET the task and, once it is done, with one more call its file, which has the URL."""
        answer = self.ask("GET", f"/v1/query/video_generation?task_id={quote(operation.name, safe='')}")
        if not isinstance(answer, Answer):
            return answer
        file_id = _file_id(answer)
        if file_id:
            return More(lambda: self.look("GET", f"/v1/files/retrieve?file_id={quote(file_id, safe='')}", _file))
        return understood(answer, partial(_outcome, answer))


def _submitted(answer: Answer) -> SubmitOutcome:
    code, id = _code(answer), _id(answer.object().get("task_id"))
    if _fine(answer) and id:
        return Submitted(id)
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if code in _REFUSALS:
        return Refused(_REFUSALS[code], _words(answer))
    if 400 <= answer.status < 500 and answer.status not in NO_REFUSAL and code not in _PASSING:
        return Refused("model_not_found" if answer.status == 404 else "refused", _words(answer))
    return Ambiguous(f"HTTP {answer.status} without a task's id: {_words(answer)}")


def _outcome(answer: Answer) -> CheckOutcome:
    code, word = _code(answer), answer.object().get("status")
    if answer.status == 200 and (word == "Fail" or code in _SENSITIVE):
        return _failed(code, _message(answer))
    if _fine(answer) and isinstance(word, str) and word:
        return _state(word)
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if code == _INVALID or answer.status == 404:
        return NotFound(_words(answer))
    return Unreachable(_words(answer)) if code else unusable(answer)


def _failed(code: int, message: str) -> Failed:
    said = "" if code == 0 else message  # then it says "success", of the call
    if code in _SENSITIVE:
        return Failed("content_filtered", said or "sensitive content")
    return Failed("failed", said or "MiniMax says no more than Fail", retryable=code in _PASSING)


def _state(word: str) -> CheckOutcome:
    match word:
        case "Preparing" | "Queueing":
            return Pending(stage=word.lower(), queued=True)
        case "Processing":
            return Pending()
        case "Success":
            return _NOT_YET
        case unknown:
            return Unreachable(f"unknown status {unknown!r}", FailureClass.UNKNOWN_STATUS)


def _file_id(answer: Answer) -> str:
    """The file of a task that is done; empty for any other."""
    task = answer.object()
    return _id(task.get("file_id")) if _fine(answer) and task.get("status") == "Success" else ""


def _file(answer: Answer) -> CheckOutcome:
    """MiniMax made the video, whatever it says of the file."""
    file = answer.object().get("file")
    url = file.get("download_url") if _fine(answer) and isinstance(file, Mapping) else None
    if isinstance(url, str) and url:
        return Ready((url,))
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if isinstance(file, Mapping) or _code(answer) == _INVALID or answer.status == 404:
        return _NOT_YET
    return Unreachable(_words(answer)) if _code(answer) else unusable(answer)


def _of_the_account(answer: Answer) -> RateLimited | Unauthorized | None:
    """A refusal that concerns every call of the account: told by MiniMax's code, or by the HTTP status."""
    code = _code(answer)
    if code == _WAIT or answer.status == 429:
        return RateLimited(retry_after(answer.headers))
    return Unauthorized(_words(answer)) if code in _ACCOUNT or answer.status in (401, 402, 403) else None


def _fine(answer: Answer) -> bool:
    return answer.status == 200 and _code(answer) == 0


def _id(value: object) -> str:
    """An id, which is a string in one answer and a number in another; empty when it is none."""
    return str(value) if isinstance(value, str | int) and value and not isinstance(value, bool) else ""


def _code(answer: Answer) -> int:
    """MiniMax's code; 0, which is its word for success, where an answer has none."""
    code = _base(answer).get("status_code")
    return code if isinstance(code, int) else 0


def _message(answer: Answer) -> str:
    return str(_base(answer).get("status_msg") or "")


def _words(answer: Answer) -> str:
    code, message = _code(answer), _message(answer)
    return f"{code}: {message or 'without a word'}" if code else f"HTTP {answer.status} {message or 'without a word'}"


def _base(answer: Answer) -> Mapping[str, Any]:
    base = answer.object().get("base_resp")
    return base if isinstance(base, dict) else {}


ADAPTER = MiniMax
