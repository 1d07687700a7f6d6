"""Replicate: predictions of ``owner/name`` models, got one at a time; no id of ours, but a list to find a lost one in.

Wire format: replicate 1.0.7 (``prediction.py``, ``client.py``, ``exceptions.py``), Replicate's HTTP reference and its
pages on the prediction's life, rate limits and data retention.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID

from vidpoll.generation import GenerationRequest, Kind
from vidpoll.media import Media
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import Capabilities, Operation, Sent
from vidpoll.providers.believing import believed
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

#: Seconds after its end when Replicate removes the input, output and logs of a prediction.
KEPT_S: Final = 3600.0
_MODEL: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_UNDER_WAY: Final = frozenset({"starting", "queued", "processing"})
_ENDED: Final = frozenset({"succeeded", "failed", "aborted"})
_MODERATED: Final = ("sensitive", "flagged", "nsfw", "moderat")
_REFUSALS: Final = {400: "invalid_request", 404: "model_not_found", 422: "invalid_input"}


class Replicate(Adapter):
    """One Replicate account. One prediction per status call."""

    capabilities = Capabilities(
        cancel=True, look_up=True, retention_s=KEPT_S, progress=True, webhook="signed", result_ttl_s=KEPT_S
    )

    def problems(self, request: GenerationRequest) -> list[str]:
        """A model that is no ``owner/name``; the parameter that vidpoll sets itself."""
        found = [] if _MODEL.fullmatch(request.model) else [f"model: {request.model!r} is not of the form owner/name"]
        return found + (["params.prompt: is set by vidpoll"] if "prompt" in request.params else [])

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """POST a prediction of the model. Replicate takes no id of ours, so ``replay`` can change nothing here."""
        path = f"/models/{quote(request.model)}/predictions"
        callback = self._account.callback_url(our_id)
        told = {"webhook": callback, "webhook_events_filter": ["completed"]} if callback else {}
        return self.send(path, {"input": _input(request), **told}, _submitted)

    def check_one(self, operation: Operation) -> Looked:
        """GET the prediction."""
        return self.look(
            "GET", f"/predictions/{quote(operation.name, safe='')}", partial(_outcome, kind=operation.kind)
        )

    def cancel(self, operation: Operation) -> CancelOutcome:
        """POST ``/cancel``; Replicate answers with the prediction as it is then."""
        answer = self.ask("POST", f"/predictions/{quote(operation.name, safe='')}/cancel")
        return _cancelled(answer) if isinstance(answer, Answer) else answer

    def look_up(self, sent: Sent, cursor: str | None) -> LookUpOutcome:
        """GET one page of the account's predictions, newest first."""
        answer = self.ask("GET", "/predictions" + (f"?cursor={quote(cursor, safe='')}" if cursor else ""))
        return _listed(answer, sent) if isinstance(answer, Answer) else answer


def _input(request: GenerationRequest) -> dict[str, Any]:
    return {**request.params, "prompt": request.prompt}


def _submitted(answer: Answer) -> SubmitOutcome:
    id = answer.object().get("id")
    if answer.status // 100 == 2 and isinstance(id, str) and id:
        return Submitted(id)
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if 400 <= answer.status < 500 and answer.status not in NO_REFUSAL:
        return Refused(_REFUSALS.get(answer.status, "refused"), _words(answer))
    return Ambiguous(f"HTTP {answer.status} without a prediction's id: {_words(answer)}")


def _outcome(answer: Answer, kind: Kind = "video") -> CheckOutcome:
    prediction = answer.object()
    if answer.status == 200 and isinstance(prediction.get("status"), str):
        return _prediction(prediction, answer.date, kind)
    if answer.status == 404:
        return NotFound(_words(answer))
    return _of_the_account(answer) or unusable(answer, _words(answer))


def _prediction(prediction: Mapping[str, Any], now: datetime | None, kind: Kind) -> CheckOutcome:
    error = str(prediction.get("error") or "")
    match prediction["status"]:
        case "starting" | "queued" as stage:
            return Pending(stage=stage, queued=True)
        case "processing":
            return Pending(_progress(prediction.get("logs")), running_s=_running_s(prediction, now))
        case "succeeded":
            return _succeeded(prediction, now or datetime.now(UTC), kind)
        case "failed":
            filtered = any(part in error.lower() for part in _MODERATED)
            return Failed("content_filtered" if filtered else "failed", error or "Replicate says no more than failed")
        case "canceled":
            return Cancelled()
        case "aborted":
            return Failed("aborted", error or "Replicate gave it up before it began", retryable=True)
        case unknown:
            return Unreachable(f"unknown status {unknown!r}", FailureClass.UNKNOWN_STATUS)


def _succeeded(prediction: Mapping[str, Any], now: datetime, kind: Kind) -> CheckOutcome:
    output = prediction.get("output")
    urls = [one for one in (output if isinstance(output, list) else [output]) if isinstance(one, str) and one]
    if urls:
        ready = Ready(
            queued_s=_seconds_between(prediction, "created_at", "started_at"),
            run_s=_seconds_between(prediction, "started_at", "completed_at"),
        )
        return ready.of([Media.of(url, asked=kind) for url in urls])
    ended = _moment(prediction.get("completed_at"))
    if prediction.get("data_removed") is True or (ended and now - ended > timedelta(seconds=KEPT_S)):
        return Failed("output_gone", "Replicate made it and has removed it, as it does an hour after the end")
    return Pending(stage="done at the provider, the result is not there yet")


def _cancelled(answer: Answer) -> CancelOutcome:
    refusal = _of_the_account(answer)
    if refusal:
        return refusal
    if 400 <= answer.status < 500 and answer.status != 408:
        return CannotCancel(_words(answer))
    status = answer.object().get("status")
    if answer.status // 100 != 2 or not isinstance(status, str):
        return unusable(answer, _words(answer))
    if status == "canceled":
        return Cancelled()
    if status in _ENDED:
        return CannotCancel(f"it has ended already: {status}")
    if status in _UNDER_WAY:
        return CancelAccepted()
    return Unreachable(f"unknown status {status!r}", FailureClass.UNKNOWN_STATUS)


def _listed(answer: Answer, sent: Sent) -> LookUpOutcome:
    page = answer.object()
    results = page.get("results")
    if answer.status != 200 or not isinstance(results, list):
        return _of_the_account(answer) or unusable(answer, _words(answer))
    predictions = [one for one in results if isinstance(one, dict)]
    made = [_moment(one.get("created_at")) for one in predictions]
    back_far_enough = any(moment and moment < sent.after for moment in made)
    return Listed(
        tuple(
            str(one["id"])
            for one, moment in zip(predictions, made, strict=True)
            if one.get("id") and _fits(one, sent) and moment and sent.after <= moment <= sent.before
        ),
        None if back_far_enough else _cursor(page.get("next")),
    )


def _fits(prediction: Mapping[str, Any], sent: Sent) -> bool:
    return prediction.get("model") == sent.request.model and prediction.get("input") == _input(sent.request)


def _cursor(following: object) -> str | None:
    """The cursor in the URL of the next page. Only that: the URL's host would be told our key."""
    try:
        return parse_qs(urlsplit(following).query).get("cursor", [None])[0] if isinstance(following, str) else None
    except ValueError:
        return None


def _of_the_account(answer: Answer) -> RateLimited | Unauthorized | None:
    """A refusal that concerns every call of the account; how long a 429 lasts is mostly told in its text."""
    if answer.status == 429:
        told = re.search(r"resets in ~?([\d.]+) ?s", _words(answer))
        seconds = retry_after(answer.headers)
        return RateLimited(retry_after({"retry-after": told[1]}) if seconds is None and told else seconds)
    return Unauthorized(_words(answer)) if answer.status in (401, 402, 403) else None


def _words(answer: Answer) -> str:
    problem = answer.object()
    return str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status} without a word")


def _progress(logs: object) -> int | None:
    """The last percentage in the logs: progress bars are all that Replicate tells."""
    told = re.findall(r"(\d{1,3})%", logs) if isinstance(logs, str) else []
    return min(int(told[-1]), 100) if told else None


def _moment(written: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _seconds_between(prediction: Mapping[str, Any], begin: str, end: str) -> float | None:
    began, ended = _moment(prediction.get(begin)), _moment(prediction.get(end))
    return believed((ended - began).total_seconds()) if began and ended else None


def _running_s(prediction: Mapping[str, Any], now: datetime | None) -> float | None:
    """Seconds since it began. ``now`` is cut to the second, so one that just began may begin up to a second later."""
    began = _moment(prediction.get("started_at"))
    seconds = (now - began).total_seconds() if now and began else None
    return 0.0 if seconds is not None and -1 < seconds < 0 else believed(seconds)


ADAPTER = Replicate
