"""Words of a status, as a description lists them and as answers hold them."""

from typing import Annotated, Any, Final

from pydantic import Field, PlainValidator

#: What a status word can mean.
KINDS: Final = ("queued", "running", "done", "failed", "filtered", "cancelled")


def word(value: Any) -> str | None:
    """A status word as text: numbers and booleans are words too, so ``2`` and ``"2"`` are one; None if it is none.

    Example:
        >>> [word(value) for value in ("done", 2, 2.0, True, None, ["done"])]
        ['done', '2', '2', 'true', None, None]
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else str(value)
        case str() if value:
            return value
        case _:
            return None


def _word(written: Any) -> str:
    found = word(written)
    if found is None:
        raise ValueError("must be a word: text, a number, true or false")
    return found


Word = Annotated[str, PlainValidator(_word)]
Words = Annotated[tuple[Word, ...], Field(strict=False)]


def meanings(listed: dict[str, tuple[Any, ...]]) -> dict[Any, str]:
    """What each word means.

    Raises:
        ValueError: a word is listed twice.
    """
    found: dict[Any, str] = {}
    for meaning, words in listed.items():
        for one in words:
            if found.get(one, meaning) != meaning:
                raise ValueError(f"{one!r} is listed as {found[one]} and as {meaning}")
            found[one] = meaning
    return found
