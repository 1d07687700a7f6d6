"""Where something sits in a JSON answer: JMESPath expressions (https://jmespath.org), checked when they are read."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from pydantic import PlainValidator


class Expression:
    """One JMESPath expression, ready to be used from many threads.

    Raises:
        ValueError: it is none, or calls a function that JMESPath does not have.

    Example:
        >>> Expression("data.items[-1].state").find({"data": {"items": [{"state": 1}, {"state": 2}]}})
        2
        >>> Expression("length(data)").find({"data": None}) is None
        True
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._parsed = jmespath.compile(text)
        except JMESPathError as error:
            raise ValueError(f"{text!r} is no JMESPath, such as data.items[0].url: {_first_line(error)}") from None
        unknown = sorted(set(_functions(self._parsed.parsed)) - Functions.FUNCTION_TABLE.keys())
        if unknown:
            raise ValueError(f"{text!r}: JMESPath has no function {unknown[0]}()")

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def find(self, body: object) -> Any:
        """What sits there in ``body``; None when there is nothing, or the expression does not fit what is there."""
        try:
            return self._parsed.search(body)
        except Exception:  # its functions raise what they like when given what they were not made for
            return None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].strip().rstrip(":")


def _functions(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield str(node["value"])
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _functions(child)


def _expression(written: object) -> Expression:
    if not isinstance(written, str) or not written.strip():
        raise ValueError("must be a JMESPath in quotes, such as 'data.id'")
    return Expression(written)


#: A JMESPath as the type of a field of a description.
JsonPath = Annotated[Expression, PlainValidator(_expression)]
