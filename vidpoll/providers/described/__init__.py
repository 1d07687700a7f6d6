"""What answers mean by a description (:mod:`vidpoll.description`): translation alone, of one answer at a time."""

from typing import Final

from vidpoll.description import HttpDescription
from vidpoll.description.errors import NO_REFUSAL
from vidpoll.providers.described import results
from vidpoll.providers.described.said import Said, of_the_account, said
from vidpoll.providers.described.states import State, state
from vidpoll.providers.http import Answer, unusable
from vidpoll.providers.outcomes import (
    Ambiguous,
    CancelAccepted,
    Cancelled,
    CancelOutcome,
    CannotCancel,
    CheckOutcome,
    FailureClass,
    NotFound,
    Pending,
    Refused,
    SubmitOutcome,
    Submitted,
    Unreachable,
)

#: Codes for what a submit was refused with, where the vendor has none of its own.
_REFUSALS: Final = {400: "invalid_request", 404: "model_not_found", 422: "invalid_input"}
#: Ids that would change the path they stand in, quoted or not.
_DOTS: Final = frozenset({".", ".."})
_NOT_THERE: Final = Pending(stage="done at the provider, the result is not there yet")


def submitted(description: HttpDescription, answer: Answer) -> SubmitOutcome:
    """What came of a submit. An id beside the word that it was not taken leaves that open, and so does a 5xx alone."""
    one = said(description, answer)
    id = _id(description.submit.id.find(one.body)) if one.ok else None
    refusal = of_the_account(description.errors, one)
    vague = (answer.status >= 500 or answer.status in NO_REFUSAL) and not one.code
    if vague and (refusal or one.meaning is not None):
        return Ambiguous(f"HTTP {answer.status}: {one.words}")
    if refusal:
        return Ambiguous(f"HTTP {answer.status} with an id, and: {one.words}") if id else refusal
    if id and one.meaning is not None:
        # The operation is there, and may be paid for: looks tell what became of it.
        told = f"HTTP {answer.status} with an id, and: {one.words}"
        return Submitted(id) if one.meaning in ("failed", "filtered") else Ambiguous(told)
    if one.meaning is not None:
        filtered = one.meaning == "filtered"
        code = results.FILTERED if filtered else one.code or _REFUSALS.get(answer.status, "refused")
        return Refused(code, one.words)
    return Submitted(id) if id else Ambiguous(f"HTTP {answer.status} without an id: {one.words}")


def seen(description: HttpDescription, base_url: str, answer: Answer) -> CheckOutcome:
    """What a look saw: an end that the operation tells, else what is said of the call, else how far it is."""
    one = said(description, answer)
    now = state(description.status, one.body) if one.ok else None
    ended = _ended(description, base_url, one, now) if one.ok else None
    if ended:
        return ended
    refusal = of_the_account(description.errors, one)
    if refusal:
        return refusal
    match one.meaning:
        case "not_found":
            return NotFound(one.words)
        case "filtered" | "failed":
            return results.failed(description, one, one.meaning, None)
    if now is None:
        return unusable(answer, one.words)
    if now.kind is None:
        return Unreachable(f"unknown status {now.word!r}", FailureClass.UNKNOWN_STATUS)
    return results.pending(description.status, one, now)


def cancel_seen(description: HttpDescription, answer: Answer, *, at_once: bool) -> CancelOutcome:
    """What came of a cancel; ``at_once``: a 2xx means that it is cancelled. Without a word the next look tells."""
    one = said(description, answer)
    refusal = of_the_account(description.errors, one)
    if refusal:
        return refusal
    if one.meaning is not None or (400 <= answer.status < 500 and answer.status != 408):
        return CannotCancel(one.words)
    if not one.ok:
        return unusable(answer, one.words)
    now = state(description.status, one.body)
    if at_once or (now and now.kind == "cancelled"):
        return Cancelled()
    if now and now.kind in ("done", "failed", "filtered"):
        return CannotCancel(f"it has ended already: {now.word}")
    return CancelAccepted()


def _ended(description: HttpDescription, base_url: str, one: Said, now: State | None) -> CheckOutcome | None:
    """How the operation ended, by its own words, or by what there is or is not; None while it goes on."""
    status = description.status
    kind, word = (now.kind, now.word) if now else (None, None)
    made = results.media(status, base_url, one.body)
    if made and status.done_when_url:
        return results.ready(status, one, made)
    if status.failed_when_found and results.is_there(status.failed_when_found, one.body):
        return results.failed(description, one, "filtered" if kind == "filtered" else "failed", word)
    match kind:
        case "failed" | "filtered":
            return results.failed(description, one, kind, word)
        case "cancelled":
            return Cancelled()
        case "done":
            return results.ready(status, one, made) if made else _NOT_THERE
    return None


def _id(found: object) -> str | None:
    """An id as the vendor gave it: text, or a whole number."""
    text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    return text if text and text not in _DOTS else None
