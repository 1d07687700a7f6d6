"""What is believed of an outcome, and what of it can be stored. Providers say what they like."""

import re
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

from vidpoll.media import Image, content_type_of
from vidpoll.providers.outcomes import (
    CancelOutcome,
    CheckOutcome,
    FailureClass,
    Listed,
    Looked,
    LookUpOutcome,
    Pending,
    Ready,
    SubmitOutcome,
    Submitted,
    Unreachable,
)
from vidpoll.redact import redacted, without_keys

#: Longest time told by a provider that is believed, in seconds: a week.
BELIEVED_S: Final = 7 * 24 * 3600.0


def believed(seconds: float | None) -> float | None:
    """A time told by a provider, if it can be one: from 0 to a week.

    Example:
        >>> [believed(told) for told in (61.2, -1, float("nan"), 1e9, None)]
        [61.2, None, None, None, None]
    """
    return seconds if seconds is not None and not isinstance(seconds, bool) and 0 <= seconds <= BELIEVED_S else None


_RESULT: Final = re.compile(r"(?:https?|gs|s3)://\S+")


def plausible(told: Looked) -> Looked:
    """The same without numbers that can be none; Unreachable, where the URL of a result is none.

    Example:
        >>> plausible(Ready(("https://v/1.mp4",), cost=float("nan"))).cost
        >>> plausible(Pending(progress=400)).progress
        >>> plausible(Ready(("javascript:alert(1)",))).failure_class
        <FailureClass.UNREADABLE: 'unreadable'>
    """
    match told:
        case Pending(progress=progress) if not _is_whole(progress, 0, 100):
            return replace(told, progress=None)
        case Ready() if not told.urls or not all(_RESULT.fullmatch(url) for url in told.urls):
            return Unreachable("done, with a result that is no URL", FailureClass.UNREADABLE)
        case Ready(seed=seed, cost=cost):
            believable = cost is not None and 0 <= cost < float("inf")
            content_type = told.content_type or content_type_of(told.urls[0])
            return replace(
                told,
                content_type=content_type,
                seed=seed if _is_whole(seed, -(2**63), 2**63 - 1) else None,
                cost=cost if believable else None,
            )
        case _:
            return told


def _is_whole(number: object, least: int, most: int) -> bool:
    """Whether it is a whole number between these; JSON's ``true`` is none."""
    return isinstance(number, int) and not isinstance(number, bool) and least <= number <= most


Outcome = TypeVar("Outcome", bound="SubmitOutcome | CheckOutcome | CancelOutcome | LookUpOutcome")
#: Longest text of a provider that is kept, in characters, and longest URL of a result: a signature can take thousands.
_TEXT_LIMIT: Final = 2000
_URL_LIMIT: Final = 20_000


def storable(outcome: Outcome) -> Outcome:
    """The outcome with texts that can be stored: no NUL, no lone surrogates, no book, no secret.

    Ids are left as they are. Results' URLs stay signed, since whoever asked for them needs them whole.
    """
    if isinstance(outcome, Submitted | Listed):
        return outcome
    return replace(outcome, **{one.name: _shown(one.name, getattr(outcome, one.name)) for one in fields(outcome)})


def can_be_stored(name: str) -> bool:
    """Whether an id of the provider can be kept as it is; ids are never changed."""
    return bool(name) and _storable(name) == name


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, Image):
        return Image(_shown("videos", value.url), value.content_type)
    clean, limit = (without_keys, _URL_LIMIT) if name == "videos" else (redacted, _TEXT_LIMIT)
    if isinstance(value, str) and not isinstance(value, FailureClass):
        return _storable(clean(value[:_URL_LIMIT]), limit)
    return tuple(_shown(name, one) for one in value) if isinstance(value, tuple) else value


def _storable(text: str, limit: int = _TEXT_LIMIT) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:limit]
