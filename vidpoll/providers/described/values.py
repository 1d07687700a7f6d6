"""What values in a vendor's JSON can be, whatever was promised: each of these makes the best of anything, or None."""

import json
import math
from datetime import UTC, datetime
from typing import Any, Final

#: Numbers from here on are Unix time in milliseconds.
_UNIX_MS: Final = 1e11


def text(value: Any) -> str:
    """Words for people: text as it is, anything else as JSON; empty for nothing.

    Example:
        >>> [text(value) for value in ("no", None, [{"msg": "no"}])]
        ['no', '', '[{"msg": "no"}]']
    """
    if value in (None, "", [], {}):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def number(value: Any) -> float | None:
    """A finite number from 0 up, also if written as text or percentage.

    Example:
        >>> [number(value) for value in (0.5, "40 %", True, "soon", -1)]
        [0.5, 40.0, None, None, None]
    """
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found >= 0 else None


def whole(value: Any) -> int | None:
    """A whole number, also if written as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment(value: Any) -> datetime | None:
    """A moment written by ISO 8601 (without a zone: UTC), or as Unix seconds or milliseconds.

    Example:
        >>> moment("2026-11-21T12:00:00Z") == moment(1795262400) == moment(1795262400000)
        True
    """
    try:
        if isinstance(value, str) and number(value) is None:
            read = datetime.fromisoformat(value)
            return read if read.tzinfo else read.replace(tzinfo=UTC)
        unix = number(value)
        return None if unix is None else datetime.fromtimestamp(unix / (1000 if unix >= _UNIX_MS else 1), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def as_list(value: Any) -> list[Any]:
    """A list as it is, one thing as a list of it, nothing as an empty one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
