"""What is shown to operators of a task's arguments: ids and accounts whole, texts by their beginning, no secrets."""

import ast
import re
from collections.abc import Mapping
from itertools import islice
from typing import Final

from vidpoll.redact import HIDDEN, is_secret, redacted

#: Characters of one text that are shown, and items of one list or table: all ids of the fullest check fit.
TEXT: Final = 200
ITEMS: Final = 200
#: Levels of lists and tables, and characters in all.
DEPTH: Final = 6
ALL: Final = 16_000
#: Characters of one text that are looked at: a secret that begins within TEXT ends here.
_READ: Final = 2 * TEXT + 4_000
#: What begins the line of a task, and when its call is due, which says nothing to a reader.
_IN_LINE: Final = ("account", "ids", "id", "call_at_us")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")


def shown(arguments: object) -> str:
    """A task's positional or keyword arguments as Python would write them, which is what Flower's search reads.

    Example:
        >>> shown({"account": "veo", "ids": ["0b5e"], "params": {"token": "abc", "seed": 7}})
        "{'account': 'veo', 'ids': ['0b5e'], 'params': {'token': '[redacted]', 'seed': 7}}"
        >>> shown({"prompt": "a lion " * 1000})[-26:]
        "lion a lion a li… (7000)'}"
    """
    return shortened(repr(_shown(arguments, DEPTH)), ALL)


def line(arguments: str) -> str:
    """What :func:`shown` wrote of keyword arguments, on one line that begins with the account and the ids.

    Example:
        >>> line("{'account': 'veo', 'ids': ['0b5e', '77aa'], 'call_at_us': 1795283653855572}")
        'veo 0b5e 77aa'
        >>> line("{'owner': 'alice', 'prompt': 'a lion', 'id': '0b5e'}")
        "0b5e owner='alice' prompt='a lion'"
    """
    try:
        named = ast.literal_eval(arguments)
        ids = [str(id) for id in [*named.get("ids", []), *([named["id"]] if "id" in named else [])]]
    except (ValueError, SyntaxError, AttributeError, TypeError, MemoryError, RecursionError):
        return arguments
    if not ids:
        return arguments
    account = [str(named["account"])] if "account" in named else []
    return " ".join([*account, *ids, *(f"{name}={value!r}" for name, value in named.items() if name not in _IN_LINE)])


def shortened(text: str, length: int = TEXT) -> str:
    """At most ``length`` characters of the text, and how long it was."""
    return text if len(text) <= length else f"{text[:length]}… ({len(text)})"


def _shown(value: object, depth: int) -> object:
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            return _text(value)
        case Mapping() | list() | tuple() if depth == 0:
            return "…"
        case Mapping():
            named = islice(value.items(), ITEMS)
            table = {
                _text(str(name)): HIDDEN if is_secret(str(name)) else _shown(one, depth - 1) for name, one in named
            }
            return table if len(value) <= ITEMS else {**table, "…": f"{len(value) - ITEMS} more"}
        case list() | tuple():
            items = [_shown(one, depth - 1) for one in value[:ITEMS]]
            return items if len(value) <= ITEMS else [*items, f"… {len(value) - ITEMS} more"]
        case _:
            return _text(str(value))


def _text(value: str) -> str:
    """Redacted before it is shortened, since half a secret is not recognised."""
    clean = _CONTROL.sub(" ", redacted(value[:_READ]))
    return clean if len(value) <= TEXT else f"{clean[:TEXT]}… ({len(value)})"
