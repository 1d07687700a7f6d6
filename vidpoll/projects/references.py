"""Results handed on: ``{"from": KEY, "path": "videos.0.url"}``, at any depth of a step's ``params``.

A step's ``parent`` may be ``{"from": KEY}``: the generation of that step itself.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from pydantic import JsonValue

_FIELDS: Final = {"from", "path"}
#: Digits of a place in a list, at most.
_PLACE_DIGITS: Final = 9
#: How deep a result may be nested, and how many characters of JSON it may have.
DEPTH_LIMIT: Final = 100
SIZE_LIMIT: Final = 1_048_576


class Reference(NamedTuple):
    """Stands for the value at a dotted path of an earlier step's result; numbers are places in a list.

    Example:
        >>> Reference("scene-1", "videos.0.url").of({"videos": [{"url": "https://v/1.mp4"}]})
        'https://v/1.mp4'
    """

    key: str
    path: str

    def of(self, document: JsonValue) -> JsonValue:
        """The value it stands for.

        Raises:
            ReferenceMissing: the document has none there.
        """
        value: Any = document
        for part in self.path.split("."):
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, list) and _is_place(part) and int(part) < len(value):
                value = value[int(part)]
            else:
                raise ReferenceMissing(f"the result of {self.key} has no {self.path}{_having(value)}")
        if value is None:
            raise ReferenceMissing(f"the result of {self.key} has no {self.path}: it is null")
        found: JsonValue = value
        return found


class ReferenceMissing(Exception):
    """A result has nothing where a reference points to; the text says what it has instead."""


class TooLarge(Exception):
    """References made more of a value than may be handed on."""


def _is_place(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= _PLACE_DIGITS


def _having(value: object) -> str:
    """What there is instead, for whoever mends the path."""
    if isinstance(value, Mapping):
        return f"; there is {', '.join(sorted(map(str, value))[:12])}"
    return f"; the list has {len(value)}" if isinstance(value, list) else ""


def within(value: JsonValue) -> Iterator[Reference]:
    """Every reference in a value.

    Example:
        >>> list(within({"inputs": {"video": {"from": "scene-1", "path": "url"}}}))
        [Reference(key='scene-1', path='url')]
    """
    if reference := _read(value):
        yield reference
    elif isinstance(value, dict):
        for one in value.values():
            yield from within(one)
    elif isinstance(value, list):
        for one in value:
            yield from within(one)


def broken(value: JsonValue, keys: Collection[str], at: str) -> Iterator[str]:
    """Where a value has what was meant as a reference and is none, which would be sent to the provider as it stands.

    That is an object with ``from`` that is no whole reference, and names one of ``keys`` there or has a ``path``.

    Example:
        >>> list(broken({"video": {"from": "scene-1"}}, {"scene-1"}, "params"))
        ['params.video']
    """
    if isinstance(value, dict) and "from" in value and not _read(value):
        key = value["from"]
        if "path" in value or (isinstance(key, str) and key in keys):
            yield at
            return
    if isinstance(value, dict):
        for name, one in value.items():
            yield from broken(one, keys, f"{at}.{name}")
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from broken(one, keys, f"{at}.{place}")


def resolved(value: JsonValue, documents: Mapping[str, JsonValue]) -> JsonValue:
    """The value with each reference replaced by what it stands for.

    Raises:
        ReferenceMissing: a result has nothing there.
    """
    if reference := _read(value):
        return reference.of(documents[reference.key])
    if isinstance(value, dict):
        return {name: resolved(one, documents) for name, one in value.items()}
    if isinstance(value, list):
        return [resolved(one, documents) for one in value]
    return value


def lasting(value: JsonValue, addresses: Mapping[str, str | None]) -> JsonValue:
    """The value with addresses that do not last replaced by those of their copies.

    Args:
        addresses: of results that have ended, or soon do; None where there is no copy.

    Raises:
        ReferenceMissing: one has ended, and there is no copy.

    Example:
        >>> lasting({"images": ["https://v/1.png"]}, {"https://v/1.png": "https://copies/1.png"})
        {'images': ['https://copies/1.png']}
    """
    if isinstance(value, str) and value in addresses:
        copy = addresses[value]
        if copy is None:
            words = f"the address of a result it takes has ended: {value.partition('?')[0][:200]}"
            raise ReferenceMissing(f"{words}; with an archive, its copy would be taken")
        return copy
    if isinstance(value, dict):
        return {name: lasting(one, addresses) for name, one in value.items()}
    if isinstance(value, list):
        return [lasting(one, addresses) for one in value]
    return value


def size(value: JsonValue, most: int = SIZE_LIMIT) -> int:
    """How many characters of JSON a value has, about. Counted no further than ``most``, and nothing is written.

    References repeat what they stand for: a few steps can make gigabytes of a line.

    Raises:
        TooLarge: they are more, or it is nested deeper than ``DEPTH_LIMIT``.

    Example:
        >>> size({"a": [True, "xy"]})
        19
    """
    counted, left = 0, [(value, 1)]
    while left:
        one, depth = left.pop()
        if depth > DEPTH_LIMIT:
            raise TooLarge(f"it is nested deeper than {DEPTH_LIMIT}")
        counted += _own_size(one)
        if counted > most:
            raise TooLarge(f"it would have more than {most:,} characters of JSON")
        if isinstance(one, dict | list):
            inner = one.values() if isinstance(one, dict) else one
            left += [(each, depth + 1) for each in inner]
    return counted


def _own_size(value: JsonValue) -> int:
    """Without what is in it."""
    if isinstance(value, dict):
        return 2 + sum(len(name) + 4 for name in value)
    if isinstance(value, str | list):
        return 2 + len(value)
    return 4 + value.bit_length() // 3 if isinstance(value, int) else 8


def parent_reference(value: object) -> object:
    """A step's parent as it is kept: a generation's id, or ``{"from": KEY}``.

    Raises:
        ValueError: it is neither.

    Example:
        >>> parent_reference({"from": "scene-1"})
        {'from': 'scene-1'}
    """
    if value is None or (isinstance(value, dict) and value.keys() == {"from"} and isinstance(value["from"], str)):
        return value
    try:
        return str(UUID(str(value) if isinstance(value, str | UUID) else ""))
    except ValueError:
        raise ValueError('must be the id of a generation, or {"from": KEY} for a step') from None


def _read(value: JsonValue) -> Reference | None:
    if isinstance(value, dict) and value.keys() == _FIELDS:
        key, path = value["from"], value["path"]
        if isinstance(key, str) and isinstance(path, str):
            return Reference(key, path)
    return None
