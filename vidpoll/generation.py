"""The domain: what is asked for, what a generation is, which moves it may make."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from vidpoll.errors import InvalidRequest, WrongState

#: Longest prompt accepted, in characters.
PROMPT_LIMIT: Final = 20_000
#: Largest ``params`` accepted, in bytes of compact JSON.
PARAMS_LIMIT: Final = 65_536
#: Longest ``timeout_s`` accepted: one week.
TIMEOUT_LIMIT_S: Final = 7 * 24 * 3600


#: What is to be made: something new, or something out of a generation before (its ``parent``).
Kind = Literal["video", "image", "upscale", "extend"]
#: The kinds that begin with the result of another generation.
CONTINUING: Final[frozenset[Kind]] = frozenset({"upscale", "extend"})
#: Kinds in words.
A: Final[Mapping[Kind, str]] = {
    "video": "a video", "image": "an image", "upscale": "an upscale", "extend": "an extend",
}  # fmt: skip


class Status(StrEnum):
    """Where a generation stands. ``docs/states.md`` draws the moves and who makes them."""

    PENDING = "pending"
    """Accepted, waits for its submit lane. Left by the submit task, or by a cancel."""
    SUBMITTING = "submitting"
    """The paid call is in progress; committed before it starts. Left by the submit task or by restore."""
    PROCESSING = "processing"
    """The provider has it. Left by a check."""
    UNKNOWN = "unknown"
    """The call left us and no answer came. Left by a look-up at the provider, or by a person."""
    COMPLETED = "completed"
    """Final: there is a video."""
    FAILED = "failed"
    """Final, but for ``timed_out`` generations that turn out done: they become ``completed`` with ``late``."""
    CANCELLED = "cancelled"
    """Final."""

    @property
    def final(self) -> bool:
        """Whether nothing more is expected."""
        return self in FINAL


#: The error code of a generation that ended for want of an answer, and may be completed late.
TIMED_OUT: Final = "timed_out"

FINAL: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})

#: Every legal move. The store guards each of its transitions by these, and a test walks all pairs.
MOVES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.PENDING: frozenset({Status.SUBMITTING, Status.UNKNOWN, Status.CANCELLED, Status.FAILED}),
    Status.SUBMITTING: frozenset({Status.PROCESSING, Status.PENDING, Status.UNKNOWN, Status.FAILED}),
    Status.PROCESSING: frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Status.UNKNOWN: frozenset({Status.PROCESSING, Status.PENDING, Status.CANCELLED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset({Status.COMPLETED}),
    Status.CANCELLED: frozenset(),
}


def _storable(text: str) -> str:
    """Refuse what Postgres cannot hold: NUL characters and lone surrogates."""
    if "\x00" in text:
        raise ValueError("contains a NUL character, which cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("contains a lone surrogate, which is not valid text") from None
    return text


def _prompt(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def _json_object(params: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        encoded = json.dumps(params, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        raise ValueError("holds NaN or infinity, which JSON does not have") from None
    if len(_storable(encoded).encode()) > PARAMS_LIMIT:
        raise ValueError(f"is larger than {PARAMS_LIMIT} bytes of JSON")
    if "\\u0000" in encoded:
        raise ValueError("contains a NUL character, which cannot be stored")
    return params


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
Prompt = Annotated[str, Field(max_length=PROMPT_LIMIT), AfterValidator(_prompt), AfterValidator(_storable)]
Params = Annotated[dict[str, JsonValue], AfterValidator(_json_object)]
Priority = Annotated[int, Field(ge=0, le=9)]
TimeoutS = Annotated[float, Field(gt=0, le=TIMEOUT_LIMIT_S, allow_inf_nan=False)]


class GenerationRequest(BaseModel):
    """One video or image asked for. Checked when it is made: wrong values raise, nothing is coerced.

    Use it with :class:`vidpoll.Client`, or as the checked form of a ``vidpoll.generate`` message.

    Attributes:
        provider: the adapter's name, e.g. ``"veo"``; ``docs/providers.md`` has them all.
        model: the provider's own model name, as listed under the account in the providers file.
        prompt: 1 to 20,000 characters.
        kind: ``video``, ``image``, ``upscale`` or ``extend``; a model makes what the catalogue lists for it.
        parent: of an upscale or an extend: the completed generation of the same owner whose result it begins with.
        owner: who asks; scopes ``idempotency_key``, and later who may read.
        account: which account of the providers file pays; if not given, one of those that list the model, by weight and
            by what they have to do.
        params: the provider's own parameters, passed on as they are, e.g. ``{"durationSeconds": 8}``.
        idempotency_key: the same owner and key give the same generation, however often it is sent.
        priority: 0 to 9, 9 most urgent. Among those that wait for the same account's paid calls, the owner's requests
            of one priority leave 1 + priority times as often as another owner's of priority 0.
        timeout_s: seconds from the provider's acceptance until we stop expecting a video; the model's if not given.
        project_id: groups generations.
        retry_of: the generation that failed or was cancelled, and that this one is asked for anew after.
        id: chosen by the sender, or by vidpoll if not given.

    Raises:
        InvalidRequest: naming every field that is wrong.

    Example:
        >>> request = GenerationRequest(provider="veo", model="veo-3.1-lite-generate-001", prompt="a lion at dawn")
        >>> request.priority
        0
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    provider: Name
    model: Name
    prompt: Prompt
    kind: Kind = "video"
    parent: Annotated[UUID, Field(strict=False)] | None = None
    owner: Name = "default"
    account: Name | None = None
    params: Params = Field(default_factory=dict)
    idempotency_key: Name | None = None
    priority: Priority = 0
    timeout_s: TimeoutS | None = None
    project_id: Name | None = None
    retry_of: Annotated[UUID, Field(strict=False)] | None = None
    id: Annotated[UUID, Field(strict=False)] | None = None

    @field_validator("parent")
    @classmethod
    def _parent_of_kind(cls, parent: UUID | None, known: ValidationInfo) -> UUID | None:
        kind = known.data.get("kind")
        if parent is not None and kind is not None and kind not in CONTINUING:
            raise ValueError(f"only an upscale or an extend has one, not {A[kind]}")
        return parent

    if not TYPE_CHECKING:  # type checkers know the fields from the class

        def __init__(self, /, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise InvalidRequest(problems_in(error)) from None

    @classmethod
    def checked(cls, fields: Mapping[str, Any]) -> "GenerationRequest":
        """The request in ``fields``, or :class:`InvalidRequest` naming every problem.

        Example:
            >>> GenerationRequest.checked({"provider": "veo", "model": "m", "prompt": " "})
            Traceback (most recent call last):
            vidpoll.errors.InvalidRequest: prompt: is empty
        """
        return cls(**fields)

    def fingerprint(self) -> str:
        """SHA-256 of everything but the id and the key: equal for equal requests, whoever sent them.

        Fields at their default are left out, so that a field added later changes no stored hash.
        """
        body = self.model_dump(mode="json", exclude={"id", "idempotency_key"}, exclude_defaults=True)
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def problems_in(error: ValidationError) -> list[str]:
    """Pydantic's findings, one sentence each, without the (possibly huge) input."""
    return [f"{_field(found['loc'])}: {_sentence(found['msg'])}" for found in error.errors(include_input=False)]


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "request"


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a generation failed, as stored in ``generations.error``.

    Attributes:
        code: stable word, e.g. ``content_filtered``, ``timed_out``, ``refused``.
        message: for people; the provider's own words where it gave any.
        retryable: whether the same request, submitted anew (and paid anew), may work.
    """

    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Generation:
    """One row of ``generations``, as read. Times are those of the database's clock.

    ``read_at`` is the database's time of the read, so ages need no second clock.
    """

    id: UUID
    owner: str
    provider: str
    model: str
    prompt: str
    status: Status
    created_at: datetime
    updated_at: datetime
    read_at: datetime
    account: str | None = None
    requested_account: str | None = None
    project_id: str | None = None
    idempotency_key: str | None = None
    retry_of: UUID | None = None
    kind: Kind = "video"
    parent_id: UUID | None = None
    from_parent: dict[str, JsonValue] | None = None
    params: dict[str, JsonValue] = field(default_factory=dict)
    priority: int = 0
    timeout_s: float | None = None
    operation_name: str | None = None
    progress: int = 0
    stage: str | None = None
    video_url: str | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    checks: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    failure_counts: dict[str, int] = field(default_factory=dict)
    not_found_in_a_row: int = 0
    submit_attempts: int = 0
    submit_token: UUID | None = None
    traceparent: str | None = None
    maybe_sent: bool = False
    looked_up: dict[str, Any] | None = None
    overdue: bool = False
    version: int = 1
    next_check_at: datetime | None = None
    expected_at: datetime | None = None
    deadline_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    cancel_answered_at: datetime | None = None
    not_found_since: datetime | None = None
    last_pending_at: datetime | None = None
    watch_until: datetime | None = None
    step_of: UUID | None = None
    sent_at: datetime | None = None
    submitted_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def request(self) -> GenerationRequest:
        """What was asked for."""
        return GenerationRequest.model_construct(
            provider=self.provider, model=self.model, prompt=self.prompt, kind=self.kind, parent=self.parent_id,
            owner=self.owner, account=self.requested_account,
            params=self.params, idempotency_key=self.idempotency_key, priority=self.priority,
            timeout_s=self.timeout_s, project_id=self.project_id, retry_of=self.retry_of, id=self.id,
        )  # fmt: skip

    @property
    def as_sent(self) -> GenerationRequest:
        """The same with what its parent brings, as the provider is told it."""
        return self.request.model_copy(update={"params": {**self.params, **(self.from_parent or {})}})

    def anew(self) -> GenerationRequest:
        """The request that asks, and pays, anew for one that failed or was cancelled; sent twice, it makes one.

        Raises:
            WrongState: it did not end so; or it is a step of a project, which would know nothing of it.
        """
        if self.status is Status.UNKNOWN:
            raise WrongState(f"{self.id} may have been paid for: nobody knows; decide with `vidpoll unknown`")
        if self.status not in (Status.FAILED, Status.CANCELLED):
            raise WrongState(f"{self.id}: one that is {self.status} is not asked for anew")
        if self.step_of:
            words = f"it is a step of project {self.step_of}: `vidpoll project retry {self.step_of}` tries it again"
            raise WrongState(f"{self.id}: {words}")
        again = {"id": uuid4(), "idempotency_key": f"retry:{self.id}", "retry_of": self.id}
        return self.request.model_copy(update=again)

    def age_s(self) -> float:
        """Seconds since the provider accepted it; 0 before."""
        return (self.read_at - self.submitted_at).total_seconds() if self.submitted_at else 0.0

    def elapsed_s(self) -> float:
        """Seconds since the paid call, until it ended if it has; while none was made, since it was asked for."""
        called_at = None if self.status is Status.PENDING else self.submitted_at or self.sent_at
        ended_at = self.completed_at or self.read_at
        return max(0.0, (ended_at - (called_at or self.created_at)).total_seconds())

    def next_check_s(self) -> float | None:
        """Seconds until the provider is asked next, 0 when that is due; None when it is final, or none is planned."""
        return None if self.status.final or not self.next_check_at else self.seconds_until(self.next_check_at)

    def past(self, moment: datetime | None) -> bool:
        """Whether ``moment`` has passed on the database's clock."""
        return moment is not None and self.read_at > moment

    @property
    def timed_out(self) -> bool:
        """Failed because no video came in time: it may still be done late."""
        return self.status is Status.FAILED and (self.error or {}).get("code") == TIMED_OUT

    @property
    def is_watched(self) -> bool:
        """At the provider; or timed out, and perhaps done late; or unknown, and to be looked up."""
        if self.status is Status.UNKNOWN:
            return self.next_check_at is not None
        return (self.status is Status.PROCESSING or self.timed_out) and self.operation_name is not None

    @property
    def watched_late(self) -> bool:
        """Timed out, and the provider may still tell that it is done."""
        return self.timed_out and self.watch_until is not None and not self.past(self.watch_until)

    def seconds_since(self, moment: datetime | None) -> float:
        """Seconds since ``moment`` on the database's clock; 0 when it is to come, or there is none."""
        return max(0.0, (self.read_at - moment).total_seconds()) if moment else 0.0

    def seconds_until(self, moment: datetime | None) -> float:
        """Seconds until ``moment`` on the database's clock, 0 when it has passed; endless when there is none."""
        return max(0.0, (moment - self.read_at).total_seconds()) if moment else float("inf")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the column names, for ``--json`` and other machines."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__ if name != "read_at"}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case UUID() | StrEnum():
            return str(value)
        case _:
            return value
