"""fal: a queue before many vendors' models, each under a path of its own; no id of ours, no list.

Wire format: fal-client 1.0.3 (``client.py``), fal's pages on the queue, request errors, model errors, cancelling and
data retention.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote, unquote
from uuid import UUID

from vidpoll.generation import GenerationRequest
from vidpoll.media import Media
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import Capabilities, Operation
from vidpoll.providers.believing import believed
from vidpoll.providers.http import NO_REFUSAL, Answer, retry_after, understood, unusable
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

#: Seconds for which fal keeps a request's input and output.
KEPT_S: Final = 30 * 24 * 3600.0
_MODEL: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)+", re.ASCII)
#: First segments of models whose requests are found under three segments; those of all others under two.
_NAMESPACES: Final = frozenset({"workflows", "comfy"})
_REQUESTS: Final = "/requests/"
_REFUSALS: Final = {400: "invalid_request", 404: "model_not_found", 422: "invalid_input"}
_FILTERED: Final = "content_policy_violation"
_CANCELLED: Final = "client_cancelled"
#: Types of errors of a run, not of the call that asks for its result: final under any HTTP status.
_OF_THE_RUN: Final = re.compile(
    r"runner_\w+|request_timeout|startup_timeout|generation_timeout|internal_server_error|downstream_service_\w+"
)

# Inferred, not read. A typed 5xx for a result is the stored end of the run, since fal has tried it ten times by then;
# one that has no type is trouble with this call. These words of a 400 mean that the result is not there yet:
_NOT_YET: Final = "still in progress"
# And "OK" for a cancel means that the request left the queue before it began:
_LEFT_THE_QUEUE: Final = "OK"


class Fal(Adapter):
    """One fal account. ``COMPLETED`` is not success: the result is fetched with one more call, in the same check.

    An operation's name is the path of its request, ``fal-ai/veo3.1/requests/R``: fal answers with URLs that lack the
    model's subpath (``/fast``). They are used as far as they lie under the account's ``base_url``.
    """

    capabilities = Capabilities(cancel=True, retention_s=KEPT_S, webhook="signed", result_ttl_s=7 * 24 * 3600)
    #: Where fal's public keys are, for those who verify its webhooks.
    options = frozenset({"jwks_url"})

    def headers(self) -> dict[str, str]:
        """``Authorization: Key …``. Raises NotConfigured."""
        return {"Authorization": f"Key {self._account.key()}"}

    def problems(self, request: GenerationRequest) -> list[str]:
        """A model that is no path of an endpoint; the parameter that vidpoll sets itself."""
        fits = _MODEL.fullmatch(request.model) and request.model.count("/") >= _app_length(request.model) - 1
        found = [] if fits else [f"model: {request.model!r} is not of the form owner/app or owner/app/path"]
        return found + (["params.prompt: is set by vidpoll"] if "prompt" in request.params else [])

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """POST the model's own input. fal takes no id of ours, so ``replay`` can change nothing here."""
        read = partial(_submitted, model=request.model, base_url=self._account.base_url)
        callback = self._account.callback_url(our_id)
        path = f"/{quote(request.model)}" + (f"?fal_webhook={quote(callback, safe='')}" if callback else "")
        return self.send(path, {**request.params, "prompt": request.prompt}, read)

    def check_one(self, operation: Operation) -> Looked:
        """GET the status and, once that is ``COMPLETED``, with one more call the result."""
        path = _path(operation.name)
        if path is None:
            return NotFound(f"no request is called {operation.name!r}")
        status = self.ask("GET", f"{path}/status")
        if not isinstance(status, Answer):
            return status
        if status.status // 100 != 2 or status.object().get("status") != "COMPLETED":
            return understood(status, partial(_status, status))
        told = status.object()
        return More(lambda: self.look("GET", path, lambda answer: _with_status(_result(answer), told)))

    def cancel(self, operation: Operation) -> CancelOutcome:
        """PUT ``/cancel``: what waits is removed, what runs is told to stop and may go on."""
        path = _path(operation.name)
        if path is None:
            return CannotCancel(f"no request is called {operation.name!r}")
        answer = self.ask("PUT", f"{path}/cancel")
        return _cancelled(answer) if isinstance(answer, Answer) else answer


def _app(model: str) -> str:
    """The model without its subpath: what the paths of its requests begin with.

    Example:
        >>> _app("fal-ai/veo3.1/fast"), _app("workflows/alice/fox/v2")
        ('fal-ai/veo3.1', 'workflows/alice/fox')
    """
    return "/".join(model.split("/")[: _app_length(model)])


def _app_length(model: str) -> int:
    return 3 if model.partition("/")[0] in _NAMESPACES else 2


def _path(name: str) -> str | None:
    """Where a request is found; None for a name that would lead elsewhere."""
    app, _, id = name.rpartition(_REQUESTS)
    return f"/{quote(app)}{_REQUESTS}{quote(id, safe='')}" if _MODEL.fullmatch(app) else None


def _submitted(answer: Answer, *, model: str, base_url: str) -> SubmitOutcome:
    taken = answer.object()
    id = taken.get("request_id")
    if answer.status // 100 == 2 and isinstance(id, str) and id:
        app = _app_in(taken.get("status_url"), base_url, id) or _app(model)
        return Submitted(f"{app}{_REQUESTS}{id}")
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if 400 <= answer.status < 500 and answer.status not in NO_REFUSAL:
        code = "content_filtered" if _FILTERED in _types(answer) else _REFUSALS.get(answer.status, "refused")
        return Refused(code, _words(answer))
    return Ambiguous(f"HTTP {answer.status} without a request's id: {_words(answer)}")


def _app_in(status_url: object, base_url: str, id: str) -> str | None:
    """The app in a status URL under ``base_url``; None for any other: its host would be told our key."""
    base, end = base_url.rstrip("/") + "/", f"{_REQUESTS}{quote(id, safe='')}/status"
    if isinstance(status_url, str) and status_url.startswith(base) and status_url.endswith(end):
        app = unquote(status_url[len(base) : -len(end)])
        return app if _MODEL.fullmatch(app) else None
    return None


def _status(answer: Answer) -> CheckOutcome:
    told = answer.object()
    if answer.status // 100 == 2 and isinstance(told.get("status"), str):
        match told["status"]:
            case "IN_QUEUE":
                ahead = told.get("queue_position")
                return Pending(stage=f"in queue, {ahead} ahead" if isinstance(ahead, int) else "in queue", queued=True)
            case "IN_PROGRESS":
                return Pending(stage="in progress")
            case unknown:
                return Unreachable(f"unknown status {unknown!r}", FailureClass.UNKNOWN_STATUS)
    return _without_word(answer)


def _result(answer: Answer) -> CheckOutcome:
    """What a request that is completed ended in; a 4xx is the model's own refusal."""
    types = _types(answer)
    if answer.status // 100 == 2 and answer.object():
        return _output(answer.object())
    if _CANCELLED in types:
        return Cancelled()
    if answer.status == 400 and _NOT_YET in _words(answer):
        return Pending(stage="completed at the provider, the result is not there yet")
    refused = 400 <= answer.status < 500 and answer.status not in (401, 402, 403, 404, 408, 429)
    if refused or any(_OF_THE_RUN.fullmatch(type) for type in types):
        told = answer.headers.get("x-fal-retryable", "").lower()
        return _failed(types, _words(answer), told == "true" or (told != "false" and not refused))
    return _without_word(answer)


def _output(output: Mapping[str, Any]) -> CheckOutcome:
    """The model's own answer: ``video``, ``videos``, ``images`` or ``image``; one page shows it inside ``response``."""
    inside = output.get("response")
    found = inside if isinstance(inside, dict) else output
    media = [_media(file, "image" if name.startswith("image") else "video") for name, file in _files(found)]
    if not media or not all(one.url for one in media):
        return Pending(stage="completed at the provider, the result is not there yet")
    seed = found.get("seed")
    return Ready(seed=seed if isinstance(seed, int) else None).of(media)


def _files(found: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The files of the first field that has some, each with the field's name."""
    name = next((name for name in ("videos", "video", "images", "image") if found.get(name)), "video")
    files = found.get(name)
    yield from ((name, file) for file in (files if isinstance(files, list) else [files]))


def _media(file: object, asked: str) -> Media:
    """``{"url", "content_type", …}``, or a mere address."""
    told = file if isinstance(file, dict) else {"url": file}
    url = told.get("url")
    return Media.of(url if isinstance(url, str) else "", told.get("content_type"), asked=asked)


def _with_status(outcome: CheckOutcome, told: Mapping[str, Any]) -> CheckOutcome:
    """The result, with what the status before it told: how long the run took, or the error it ended in."""
    match outcome:
        case Ready():
            metrics = told.get("metrics")
            seconds = metrics.get("inference_time") if isinstance(metrics, dict) else None
            return replace(outcome, run_s=believed(seconds) if isinstance(seconds, int | float) else None)
        case Failed() | Cancelled():
            return outcome
        case _ if told.get("error") or told.get("error_type"):
            type = str(told.get("error_type") or "")
            return _failed([type], str(told.get("error") or type), bool(_OF_THE_RUN.fullmatch(type)))
        case _:
            return outcome


def _failed(types: list[str], words: str, retryable: bool) -> Failed | Cancelled:
    if _CANCELLED in types:
        return Cancelled()
    if _FILTERED in types:
        return Failed("content_filtered", words)
    return Failed(next(filter(None, types), "failed"), words, retryable=retryable)


def _cancelled(answer: Answer) -> CancelOutcome:
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    status = answer.object().get("status")
    if answer.status // 100 == 2 and status == "CANCELLATION_REQUESTED":
        return CancelAccepted()
    if answer.status // 100 == 2 and status == _LEFT_THE_QUEUE:
        return Cancelled()
    if status in ("ALREADY_COMPLETED", "NOT_FOUND"):
        return CannotCancel(f"fal says {status}")
    if 400 <= answer.status < 500 and answer.status != 408:
        return CannotCancel(_words(answer))
    if answer.status // 100 == 2 and isinstance(status, str):
        return Unreachable(f"unknown status {status!r}", FailureClass.UNKNOWN_STATUS)
    return unusable(answer, _words(answer))


def _without_word(answer: Answer) -> CheckOutcome:
    if answer.status == 404:
        return NotFound(_words(answer))
    return _of_the_account(answer) or unusable(answer, _words(answer))


def _of_the_account(answer: Answer) -> RateLimited | Unauthorized | None:
    if answer.status == 429:
        return RateLimited(retry_after(answer.headers))
    return Unauthorized(_words(answer)) if answer.status in (401, 402, 403) else None


def _details(answer: Answer) -> list[dict[str, Any]]:
    detail = answer.object().get("detail")
    return [one for one in detail if isinstance(one, dict)] if isinstance(detail, list) else []


def _types(answer: Answer) -> list[str]:
    """The types of an error: in the body, in the header, and of each of a model's own errors."""
    told = [answer.object().get("error_type"), answer.headers.get("x-fal-error-type")]
    return [type for type in (*told, *(one.get("type") for one in _details(answer))) if isinstance(type, str) and type]


def _words(answer: Answer) -> str:
    """``detail`` is a text, or a list of errors with a place (``loc``) and a message each."""
    detail = answer.object().get("detail")
    if isinstance(detail, str) and detail:
        return detail
    said = "; ".join(f"{_place(one.get('loc'))}{one.get('msg', '')}" for one in _details(answer))
    return said or f"HTTP {answer.status} without a word"


def _place(loc: object) -> str:
    return f"{'.'.join(map(str, loc[1:]))}: " if isinstance(loc, list) and loc[1:] else ""


ADAPTER = Fal
