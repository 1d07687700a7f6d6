"""What a parameter may be."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

Type = Literal["string", "integer", "number", "boolean", "object", "array", "url"]
_TYPES: Final[dict[Type, tuple[type, ...]]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "object": (dict,),
    "array": (list,), "url": (str,),
}  # fmt: skip


class Param(BaseModel):
    """The values one parameter allows.

    Attributes:
        type: any, if not given.
        values: nothing else, if given.
        min, max: bounds of a number.
        required: whether the vendor refuses without it.

    Example:
        >>> Param(type="integer", min=1, max=4).problem(7)
        'must be at most 4, not 7'
        >>> Param(values=["4s", "8s"]).problem("8s") is None
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Type | None = None
    values: tuple[JsonValue, ...] | None = None
    min: float | None = None
    max: float | None = None
    required: bool = False

    def problem(self, value: JsonValue) -> str | None:
        """What is wrong with this value; None when nothing is known to be."""
        if self.values is not None and not any(_same(value, one) for one in self.values):
            return f"must be one of {', '.join(map(str, self.values))}, not {_shown(value)}"
        if self.type is not None and not _is(value, self.type):
            return f"must be of type {self.type}, not {_shown(value)}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.min is not None and value < self.min:
                return f"must be at least {self.min:g}, not {_shown(value)}"
            if self.max is not None and value > self.max:
                return f"must be at most {self.max:g}, not {_shown(value)}"
        return None

    def shown(self) -> str:
        """What it allows, in few words."""
        if self.values is not None:
            return "|".join(map(str, self.values))
        bounds = f" {self.min:g} to {self.max:g}" if self.min is not None and self.max is not None else ""
        return f"{self.type or 'any'}{bounds}"


def _same(value: JsonValue, one: JsonValue) -> bool:
    """Equal, and of one type: JSON's ``true`` is no 1."""
    return value == one and isinstance(value, bool) == isinstance(one, bool)


def _is(value: JsonValue, type: Type) -> bool:
    return isinstance(value, _TYPES[type]) and (isinstance(value, bool) == (type == "boolean"))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
