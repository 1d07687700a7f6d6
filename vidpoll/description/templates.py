"""What is sent, with gaps in braces: ``"/jobs/{id}"``, ``{ text = "{prompt}", seconds = "{params.duration}" }``.

A text that is one placeholder and nothing else becomes the value itself, number or object; a text that names a
parameter which was not given is left out, with its key. The key ``*`` merges an object into its table. ``{{`` and
``}}`` stand for braces.
"""

import json
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from string import Formatter
from typing import Any, Final
from urllib.parse import quote

#: The key whose object is merged into the table it stands in.
MERGED: Final = "*"
#: The placeholder of one parameter opens with this.
PARAM: Final = "params."
_ABSENT: Final = object()


class Template:
    """A text with placeholders, of which only those in ``allowed`` may occur (``params.`` allows any parameter).

    Raises:
        ValueError: another placeholder, or a single brace.

    Example:
        >>> Template("/jobs/{id}/frames", {"id"}).in_url({"id": "a/b"})
        '/jobs/a%2Fb/frames'
        >>> Template("{params.seed}", {"params."}).value({"params.seed": 7})
        7
    """

    def __init__(self, text: str, allowed: set[str] | frozenset[str]) -> None:
        try:
            pieces = list(Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f"{error}; write {{{{ and }}}} for braces") from None
        self._parts: list[tuple[str, str | None]] = []
        for literal, name, detail, conversion in pieces:
            if name is not None and (detail or conversion or not _is_allowed(name, allowed)):
                written = "{" + name + (f"!{conversion}" if conversion else "") + (f":{detail}" if detail else "") + "}"
                raise ValueError(f"unknown placeholder {written}; {_known(allowed)}")
            self._parts.append((literal, name))
        if "params" in self.names and self.alone is None:
            raise ValueError("{params} is an object, it must stand alone")

    def __repr__(self) -> str:
        # Not its text: a header may hold a secret that came from the environment.
        return f"Template(names={sorted(self.names)})"

    @cached_property
    def names(self) -> frozenset[str]:
        """The placeholders in it."""
        return frozenset(name for _, name in self._parts if name is not None)

    @property
    def alone(self) -> str | None:
        """The placeholder that is all of it, if one is."""
        return self._parts[0][1] if len(self._parts) == 1 and not self._parts[0][0] else None

    def value(self, values: Mapping[str, Any]) -> Any:
        """What stands there with these values; KeyError when one is missing."""
        return values[self.alone] if self.alone is not None else self.in_text(values)

    def in_text(self, values: Mapping[str, Any]) -> str:
        """As text, always."""
        return "".join(literal + (_text(values[name]) if name else "") for literal, name in self._parts)

    def in_url(self, values: Mapping[str, Any]) -> str:
        """As part of a URL: whatever is filled in is quoted."""
        return "".join(literal + (quote(_text(values[name]), safe="") if name else "") for literal, name in self._parts)


class Body:
    """A body to be sent as JSON: a table whose texts are templates.

    Raises:
        ValueError: with the place of what is wrong in it.
    """

    def __init__(self, table: Mapping[str, Any], allowed: set[str] | frozenset[str]) -> None:
        self._tree: dict[str, Any] = {name: _node(value, allowed, name) for name, value in table.items()}

    @cached_property
    def names(self) -> frozenset[str]:
        """The placeholders in it."""
        return frozenset(name for template in _templates(self._tree) for name in template.names)

    @cached_property
    def fixed(self) -> frozenset[str]:
        """Keys beside a ``*`` that vidpoll fills in; constants beside it are defaults."""
        return frozenset(
            name for table in _tables(self._tree) if MERGED in table
            for name, value in table.items() if name != MERGED and any(True for _ in _templates(value))
        )  # fmt: skip

    def filled(self, values: Mapping[str, Any]) -> Any:
        """The body with these values."""
        return _filled(self._tree, values)


def _node(value: Any, allowed: set[str] | frozenset[str], place: str) -> Any:
    """A value of the table, its texts read as templates."""
    last = place.rpartition(".")[2]
    if last == MERGED and not (isinstance(value, str) and value == "{params}"):
        raise ValueError(f'{place}: the key * takes "{{params}}" and nothing else')
    match value:
        case dict():
            return {name: _node(one, allowed, f"{place}.{name}") for name, one in value.items()}
        case list():
            return [_node(one, allowed, f"{place}[{number}]") for number, one in enumerate(value)]
        case str():
            try:
                return Template(value, allowed)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from None
        case bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            raise ValueError(f"{place}: {value!r} has no form in JSON; put it in quotes")


def _filled(node: Any, values: Mapping[str, Any]) -> Any:
    match node:
        case Template():
            return node.value(values) if all(name in values for name in node.names) else _ABSENT
        case list():
            return [one for one in (_filled(one, values) for one in node) if one is not _ABSENT]
        case dict():
            filled = {name: _filled(one, values) for name, one in node.items()}
            merged = filled.pop(MERGED, {})
            own = {name: one for name, one in filled.items() if one is not _ABSENT}
            return {**own, **(merged if isinstance(merged, dict) else {})}
        case _:
            return node


def _templates(node: Any) -> Iterator[Template]:
    match node:
        case Template():
            yield node
        case dict() | list():
            for one in node.values() if isinstance(node, dict) else node:
                yield from _templates(one)


def _tables(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    if isinstance(node, dict | list):
        for one in node.values() if isinstance(node, dict) else node:
            yield from _tables(one)


def _is_allowed(name: str, allowed: set[str] | frozenset[str]) -> bool:
    return name in allowed or (PARAM in allowed and name.startswith(PARAM) and len(name) > len(PARAM))


def _known(allowed: set[str] | frozenset[str]) -> str:
    names = ", ".join("{" + name + ("NAME" if name == PARAM else "") + "}" for name in sorted(allowed))
    return f"here there are {names}" if names else "none may stand here"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
