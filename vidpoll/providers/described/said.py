"""What an answer says of the call itself: that it is refused, too early, or about nothing the vendor knows."""

from dataclasses import dataclass
from typing import Any

from vidpoll.description import HttpDescription
from vidpoll.description.errors import NO_REFUSAL, Errors
from vidpoll.description.words import word
from vidpoll.providers.described.values import text
from vidpoll.providers.http import Answer, retry_after
from vidpoll.providers.outcomes import RateLimited, Unauthorized


@dataclass(frozen=True, slots=True)
class Said:
    """One answer, read once.

    Attributes:
        code: the vendor's own code of the error, if there is one.
        meaning: of the code, else of the HTTP status: ``rate_limited``, ``unauthorized``, ``not_found``, ``refused``,
            ``filtered``, ``failed``; None when neither means anything.
        words: for people; never empty.
    """

    answer: Answer
    body: Any
    code: str | None
    meaning: str | None
    words: str

    @property
    def ok(self) -> bool:
        """A 2xx."""
        return self.answer.status // 100 == 2


def said(description: HttpDescription, answer: Answer) -> Said:
    """Read an answer."""
    errors, body = description.errors, answer.json()
    code = word(errors.code.find(body)) if errors.code else None
    meaning = errors.codes.meanings.get(code or "") or _of_status(errors, answer.status)
    words = text(errors.message.find(body)) if errors.message else ""
    words = words or (f"code {code}" if code else f"HTTP {answer.status} without a word")
    return Said(answer, body, code, meaning, words)


def _of_status(errors: Errors, status: int) -> str | None:
    for meaning in ("rate_limited", "unauthorized", "not_found"):
        if status in getattr(errors.statuses, meaning):
            return meaning
    refused = errors.statuses.refused
    is_refused = (400 <= status < 500 and status not in NO_REFUSAL) if refused is None else status in refused
    return "refused" if is_refused else None


def of_the_account(errors: Errors, said: Said) -> RateLimited | Unauthorized | None:
    """A refusal that concerns every call of the account."""
    if said.meaning == "unauthorized":
        return Unauthorized(said.words)
    if said.meaning != "rate_limited":
        return None
    seconds = retry_after(said.answer.headers)
    if seconds is None and errors.retry_after:
        seconds = retry_after({"retry-after": text(errors.retry_after.find(said.body))})
    return RateLimited(seconds)
