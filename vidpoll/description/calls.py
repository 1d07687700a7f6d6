"""``[accounts.NAME.http.submit]`` and ``.cancel``: the calls that change something at the vendor."""

from typing import Literal, Self

from pydantic import model_validator

from vidpoll.description.paths import JsonPath
from vidpoll.description.tables import HeaderName, OperationBody, OperationPath, SubmitBody, SubmitPath, Table
from vidpoll.description.templates import PARAM


class Submit(Table):
    """The paid call.

    Attributes:
        id: where the operation's id sits in the answer; text or a whole number.
        id_is: how it is sent back in bodies.
        idempotency_header: the header that carries our id.
        replay_safe: the vendor promises that a second submit with the same id of ours makes and charges nothing new.
    """

    method: Literal["POST", "PUT"] = "POST"
    path: SubmitPath
    body: SubmitBody
    id: JsonPath
    id_is: Literal["text", "number"] = "text"
    idempotency_header: HeaderName | None = None
    replay_safe: bool = False

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if "prompt" not in self.body.names:
            raise ValueError("body: {prompt} must stand in it: else it is not told what to make")
        if self.replay_safe and not self.sends_our_id:
            raise ValueError("replay_safe: nothing tells the vendor that it is the same submit: send {our_id}, "
                             "or name the idempotency_header")  # fmt: skip
        return self

    @property
    def sends_our_id(self) -> bool:
        """Whether the vendor is told an id of ours."""
        return self.idempotency_header is not None or "our_id" in self.path.names | self.body.names

    def id_to_send(self, name: str) -> str | int:
        """The id of an operation as the vendor wants it back."""
        return int(name) if self.id_is == "number" and name.isascii() and name.isdigit() else name

    @property
    def params(self) -> frozenset[str]:
        """Parameters that have a place of their own."""
        names = self.path.names | self.body.names
        return frozenset(name.removeprefix(PARAM) for name in names if name.startswith(PARAM))


class Cancel(Table):
    """How to stop an operation, where the vendor can.

    Attributes:
        at_once: a 2xx means that it is cancelled; if not, its next look tells.
    """

    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: OperationPath
    body: OperationBody | None = None
    at_once: bool = False

    @model_validator(mode="after")
    def _names_the_operation(self) -> Self:
        if "id" not in self.path.names | (self.body.names if self.body else frozenset()):
            raise ValueError("path: {id} must stand in the path or in the body: else it is not told what to stop")
        return self
