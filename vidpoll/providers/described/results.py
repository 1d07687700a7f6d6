"""What a look tells of an operation: how far it is, what it made, why it failed."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from vidpoll.description import HttpDescription
from vidpoll.description.paths import Expression
from vidpoll.description.status import Status
from vidpoll.description.words import word
from vidpoll.media import Media
from vidpoll.providers.believing import believed
from vidpoll.providers.described.said import Said
from vidpoll.providers.described.states import State
from vidpoll.providers.described.values import as_list, moment, number, text, whole
from vidpoll.providers.outcomes import Failed, Pending, Ready

FILTERED: Final = "content_filtered"
_SCHEMES: Final = frozenset({"http", "https", "gs", "s3"})
#: What is kept of results whose content types are told: videos, else images, else whatever there is.
_MEDIA: Final = ("video/", "image/")


def media(status: Status, base_url: str, body: Any) -> tuple[Media, ...]:
    """What was made, in the vendor's order; without stills beside a video."""
    found = as_list(status.urls.find(body))
    types = as_list(status.content_types.find(body)) if status.content_types else []
    if len(types) == len(found):
        for kind in _MEDIA:
            of_it = [(one, type) for one, type in zip(found, types, strict=True) if str(type).lower().startswith(kind)]
            if made := _absolute(of_it, base_url):
                return made
    return _absolute([(one, None) for one in found], base_url)


def _absolute(found: Sequence[tuple[Any, Any]], base_url: str) -> tuple[Media, ...]:
    """Those that are URLs, or paths at the vendor's own host; each with its content type, where that is told."""
    joined = ((_joined(base_url, one), type) for one, type in found if isinstance(one, str))
    return tuple(Media.of(one, type) for one, type in joined if one)


def _joined(base_url: str, written: str) -> str | None:
    try:
        url = urljoin(base_url, written) if written.startswith("/") else written
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in _SCHEMES and parts.netloc else None


def ready(status: Status, said: Said, made: tuple[Media, ...]) -> Ready:
    """Done, and there is something."""
    queued_s = _took(status.queued_s, status.created_at, status.started_at, said.body)
    run_s = _took(status.run_s, status.started_at, status.ended_at, said.body)
    notes = as_list(status.notes.find(said.body)) if status.notes else []
    seed = whole(status.seed.find(said.body)) if status.seed else None
    told = Ready(seed=seed, notes=tuple(filter(None, map(text, notes))), queued_s=queued_s, run_s=run_s)
    return told.of(made)


def failed(description: HttpDescription, said: Said, kind: str, word_said: str | None) -> Failed:
    """It ended without a result; ``kind`` is ``failed`` or ``filtered``."""
    status, errors = description.status, description.errors
    code = word(status.error_code.find(said.body)) if status.error_code else said.code
    message = text(status.error_message.find(said.body)) if status.error_message else ""
    if not message and errors.message:
        message = text(errors.message.find(said.body))
    if kind == "filtered" or errors.codes.meanings.get(code or "") == "filtered":
        code = FILTERED
    return Failed(code or "failed", message or f"the provider says no more than {word_said or code or 'that'!r}")


def pending(status: Status, said: Said, state: State) -> Pending:
    """Not done yet."""
    told = _number(status.progress, said.body)
    percent = told * 100 if told is not None and status.progress_is == "fraction" else told
    return Pending(
        None if percent is None else int(min(percent, 100.0)),
        state.word or str(state.kind),
        queued=state.kind == "queued",
        running_s=_running_s(status, said),
    )


def _running_s(status: Status, said: Said) -> float | None:
    """Seconds since it began. The answer's date is cut to the second, so that may seem to be just ahead."""
    began, now = moment(status.started_at.find(said.body)) if status.started_at else None, said.answer.date
    seconds = (now - began).total_seconds() if now and began else None
    return 0.0 if seconds is not None and -1 < seconds < 0 else believed(seconds)


def is_there(where: Expression, body: Any) -> bool:
    """Whether something is there: not null, false, zero or empty."""
    return bool(where.find(body))


def _number(where: Expression | None, body: Any) -> float | None:
    return number(where.find(body)) if where else None


def _took(seconds: Expression | None, begin: Expression | None, end: Expression | None, body: Any) -> float | None:
    """Seconds as told, else between two moments."""
    told = believed(_number(seconds, body))
    if told is not None or begin is None or end is None:
        return told
    began, ended = moment(begin.find(body)), moment(end.find(body))
    return believed((ended - began).total_seconds()) if began and ended else None
