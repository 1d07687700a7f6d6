"""A provider described in the providers file: the table ``[accounts.NAME.http]``, checked when the file is read.

``docs/providers-http.md`` explains every key; the adapter is ``providers/vendors/http.py``.
"""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from vidpoll.description.calls import Cancel, Submit
from vidpoll.description.errors import Errors
from vidpoll.description.status import Status
from vidpoll.description.tables import KEY, HeaderName, HeaderValue, Table
from vidpoll.description.templates import Template

#: Longest time for which a provider can be said to tell of an operation that has ended, in seconds: thirty days.
RETENTION_LIMIT_S: Final = 30 * 24 * 3600


class HttpDescription(Table):
    """A video or image API in words: what to send, where its answers hold what, and what its words mean.

    Attributes:
        headers: sent with every call.
        min_interval_s: seconds between two looks at one operation below which the vendor forbids them.
        retention_s: seconds for which the vendor still tells of an operation that has ended.
        cancel: None where it cannot.
    """

    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=lambda: {"Authorization": Template("Bearer {key}", KEY)}
    )
    min_interval_s: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = 0.0
    retention_s: Annotated[float, Field(ge=0, le=RETENTION_LIMIT_S, allow_inf_nan=False)] = 24 * 3600.0
    submit: Submit
    status: Status
    cancel: Cancel | None = None
    errors: Errors = Errors()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.status.tells_failed and not self.errors.codes.failed:
            raise ValueError("status.failed: nothing tells that it failed: list words in failed, or say where an "
                             "error sits with failed_when_found")  # fmt: skip
        if self.cancel is not None and not self.cancel.at_once and not self.status.cancelled:
            raise ValueError("status.cancelled: with a cancel, list the words of what was cancelled (or set "
                             "cancel.at_once = true)")  # fmt: skip
        names = {name.lower() for name in self.headers}
        if len(names) < len(self.headers) or (self.submit.idempotency_header or "").lower() in names:
            raise ValueError("headers: a header is named twice")
        return self

    @property
    def uses_key(self) -> bool:
        """Whether any call carries the account's key."""
        bodies = [self.submit.body, self.status.body, self.cancel.body if self.cancel else None]
        return any("key" in part.names for part in (*self.headers.values(), *bodies) if part is not None)
