"""What the tables of a description share: strict values, and the fields in which templates stand."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator

from vidpoll.description.templates import PARAM, Body, Template

#: What is known of a request, of an operation, and of the account.
OF_REQUEST: Final = frozenset({"model", "our_id", PARAM})
OF_OPERATION: Final = frozenset({"id"})
KEY: Final = frozenset({"key"})
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Table(BaseModel):
    """A table of the description: no other keys, no other types, nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


def _path(allowed: frozenset[str]) -> Callable[[Any], Template]:
    def read(written: Any) -> Template:
        if not isinstance(written, str) or not written.startswith("/"):
            raise ValueError("must be a path that begins with /; it is added to base_url")
        if "{key}" in written:
            raise ValueError("a key in a URL ends up in logs: send it in a header or in the body")
        return Template(written, allowed)

    return read


def _body(allowed: frozenset[str]) -> Callable[[Any], Body]:
    def read(written: Any) -> Body:
        if not isinstance(written, dict):
            raise ValueError("must be a table, which is sent as JSON")
        return Body(written, allowed)

    return read


def _header_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a header")
    return name


def _header_value(written: Any) -> Template:
    if not isinstance(written, str) or not written.isprintable() or not written.isascii():
        raise ValueError("must be one line of ASCII text")
    return Template(written, KEY)


SubmitPath = Annotated[Template, PlainValidator(_path(OF_REQUEST))]
SubmitBody = Annotated[Body, PlainValidator(_body(OF_REQUEST | KEY | {"prompt", "params"}))]
OperationPath = Annotated[Template, PlainValidator(_path(OF_OPERATION))]
OperationBody = Annotated[Body, PlainValidator(_body(OF_OPERATION | KEY))]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[Template, PlainValidator(_header_value)]
