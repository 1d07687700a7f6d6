"""Where events are sent: what is asked for, how an endpoint stands, and what was sent to it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vidpoll import urls
from vidpoll.errors import InvalidRequest
from vidpoll.urls import LookUp
from vidpoll.webhooks.events import TYPES
from vidpoll.webhooks.retrying import is_down

#: Endpoints one owner may have.
MOST_ENDPOINTS: Final = 20
#: Secrets of an endpoint that may be valid at once: each is one more signature in a header.
MOST_SECRETS: Final = 5

DeliveryStatus = Literal["waiting", "delivered", "failed"]
#: Why an endpoint is disabled: somebody asked for it, it answered 410, or it failed for days.
DisabledCode = Literal["asked", "gone", "failing"]


class EndpointRequest(BaseModel):
    """An endpoint somebody asks for. Make it with :meth:`checked`, which tells everything that is wrong at once.

    Attributes:
        event_types: what it is told; everything if not given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    owner: str = Field(min_length=1, max_length=200)
    url: str = Field(min_length=1, max_length=2000)
    event_types: list[str] = Field(default_factory=lambda: list(TYPES), min_length=1)
    description: str = Field(default="", max_length=200)

    @field_validator("event_types")
    @classmethod
    def _known(cls, types: list[str]) -> list[str]:
        if unknown := sorted(set(types) - set(TYPES)):
            raise ValueError(f"there is no {', '.join(map(repr, unknown))}; there are {', '.join(TYPES)}")
        return sorted(set(types))

    @field_validator("owner", "url", "description")
    @classmethod
    def _text(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("must be one line of printable characters")
        return text

    @classmethod
    def checked(cls, fields: dict[str, Any], *, local: bool, look_up: LookUp = lambda _: ()) -> "EndpointRequest":
        """The request, if it can be accepted.

        Args:
            local: http and this machine are allowed.
            look_up: tells the addresses of names, none of which may be private. It is asked again by every try.

        Raises:
            InvalidRequest: naming every problem.

        Example:
            >>> EndpointRequest.checked({"owner": "alice", "url": "http://10.0.0.1/"}, local=False)
            Traceback (most recent call last):
            vidpoll.errors.InvalidRequest: url: must begin with https://
        """
        try:
            made = cls(**fields)
        except ValidationError as error:
            raise InvalidRequest(
                f"{'.'.join(str(part) for part in one['loc'][:1])}: {one['msg'].removeprefix('Value error, ')}"
                for one in error.errors()
            ) from None
        if words := url_problem(made.url, local=local, look_up=look_up):
            raise InvalidRequest([f"url: {words}"])
        return made


def url_problem(url: str, *, local: bool, look_up: LookUp = lambda _: ()) -> str | None:
    """Why nothing may be sent to this address; None when nothing is known against it.

    Example:
        >>> url_problem("https://127.0.0.1/hook", local=False)
        'must be a public address'
    """
    allowed = ("https", "http") if local else ("https",)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "cannot be read as an address"
    if not url.startswith(tuple(f"{scheme}://" for scheme in allowed)) or not parts.hostname:
        return f"must begin with {' or '.join(f'{scheme}://' for scheme in allowed)}"
    if parts.fragment or " " in url:
        return "must have no # and no blank"
    return urls.problem(url, local=local, look_up=look_up)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, without its secrets.

    Attributes:
        disabled_code: why it is disabled, None while it is enabled; ``disabled_reason`` says it in words.
        failing_since: when it failed first since it last took something.
        failures_in_a_row: tries that failed since.
        rests_until: nothing is sent to it before.
        secrets: how many are valid now.
        waiting, failed: deliveries that wait for it, and that were given up.
        waiting_since: when the oldest event that waits happened.
    """

    id: UUID
    owner: str
    url: str
    event_types: list[str]
    description: str
    status: Literal["enabled", "disabled"]
    disabled_code: DisabledCode | None
    disabled_reason: str | None
    failing_since: datetime | None
    failures_in_a_row: int
    rests_until: datetime | None
    last_delivered_at: datetime | None
    created_at: datetime
    updated_at: datetime
    secrets: int
    waiting: int
    failed: int
    waiting_since: datetime | None

    @property
    def health(self) -> Literal["ok", "failing", "down", "disabled"]:
        """``failing``: the last try failed; ``down``: several did, so it is only probed."""
        if self.status == "disabled":
            return "disabled"
        if is_down(self.failures_in_a_row):
            return "down"
        return "failing" if self.failing_since else "ok"

    def to_json(self) -> dict[str, Any]:
        """What its owner is told, as plain values."""
        return _plain(asdict(self)) | {"health": self.health}


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to an endpoint.

    Attributes:
        event_id: its ``webhook-id``.
        subject: the generation or the project it tells of.
        version: which of the subject's; the order in which they are sent.
        tries: POSTs made, probes included; ``attempts``: those that count for its schedule.
        last_status: the HTTP status of the last one, None if there was no answer.
        last_words: what the endpoint said, or why there was no answer.
        next_at: when it is tried next, unless something of the same subject waits before it, or the endpoint rests.
    """

    id: int
    event_id: str
    event_type: str
    subject: UUID
    version: int
    status: DeliveryStatus
    attempts: int
    tries: int
    next_at: datetime
    last_tried_at: datetime | None
    last_status: int | None
    last_words: str | None
    created_at: datetime
    ended_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        """The same, as plain values; without a ``next_at`` when it has ended."""
        told = _plain(asdict(self))
        return told if self.status == "waiting" else told | {"next_at": None}


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be sent now.

    Attributes:
        counts: its own moment has come, so the try is one of its schedule.
    """

    id: int
    event_id: str
    event_type: str
    body: str
    attempts: int
    counts: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """An endpoint that one worker has for itself for a while.

    Attributes:
        owner: whose it is.
        keys: its secrets that are valid now.
        failing_s: seconds for which everything failed; None while it works.
    """

    id: UUID
    owner: str
    url: str
    keys: Sequence[str]
    failures_in_a_row: int
    failing_s: float | None

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"Hold({self.id})"


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain_value(value) for name, value in values.items()}


def _plain_value(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case _:
            return value
