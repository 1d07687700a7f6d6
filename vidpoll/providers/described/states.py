"""From the status word of an answer, or a list of them, to what they mean together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from vidpoll.description.status import Status
from vidpoll.description.words import word

_ENDS: Final = ("failed", "filtered", "cancelled")


@dataclass(frozen=True, slots=True)
class State:
    """What the words say.

    Attributes:
        kind: one of ``vidpoll.description.words.KINDS``; None when an unknown word leaves it open.
        word: the one that says so; None where there is none.
    """

    kind: str | None
    word: str | None


def state(status: Status, body: Any) -> State | None:
    """What the words of an answer say; None when it has none, and that means nothing."""
    where = status.words or status.word
    found = where.find(body) if where else None
    if found in (None, "", []):
        is_answer = isinstance(body, dict) and len(body) > 0
        return State(status.without_word, None) if status.without_word and is_answer else None
    if status.words is not None and not isinstance(found, list):
        return None
    words = [word(one) for one in (found if status.words else [found])]
    told = [one for one in words if one is not None]
    return _together(status, told) if len(told) == len(words) else None


def _together(status: Status, words: Sequence[str]) -> State:
    kinds = [status.kinds.get(one) for one in words]
    latest = kinds[-1:]
    for end in _ENDS:
        if end in (latest if status.failed_when == "latest" else kinds):
            return State(end, words[_last(kinds, end)])
    if all(kind == "done" for kind in (latest if status.done_when == "latest" else kinds)):
        return State("done", words[-1])
    if None in kinds:
        return State(None, words[_last(kinds, None)])
    if all(kind == "queued" for kind in kinds):
        return State("queued", words[-1])
    return State("running", words[_last(kinds, "running")])


def _last(kinds: Sequence[str | None], kind: str | None) -> int:
    """The place of the last word of this kind; of the very last one when there is none."""
    return max((place for place, one in enumerate(kinds) if one == kind), default=len(kinds) - 1)
