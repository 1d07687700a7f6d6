"""What a provider is to vidpoll: three verbs, and answers as values. No answer of a provider is an exception.

``submit`` answers with a :data:`SubmitOutcome`, ``check`` with a :data:`CheckOutcome` per operation, ``cancel`` with a
:data:`CancelOutcome`; ``lifecycle.py`` matches on them. An adapter translates one vendor's wire format into these and
back; it knows no lane, no store and no schedule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from pydantic import JsonValue

from vidpoll.generation import GenerationRequest

# -- what a submit can end in ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submitted:
    """The provider took it; ``operation_name`` is what to ask for from now on."""

    operation_name: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider said no to this request; sending it again unchanged cannot help."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request provably did not reach the provider (no connection, no TLS): sending it again is safe."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The request left us and nobody can tell whether it was taken: sending it again may pay twice."""

    reason: str


# -- what a check can end in -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pending:
    """Not done yet.

    Attributes:
        progress: percent; None when the provider tells none.
        stage: the provider's state in words.
    """

    progress: int | None = None
    stage: str = "processing"


@dataclass(frozen=True, slots=True)
class Ready:
    """Done: at least one video.

    Attributes:
        videos: their URLs, in the provider's order.
        cost: in US dollars, where the provider tells it.
        notes: what was asked for and is missing, e.g. why a sample was filtered.
    """

    videos: tuple[str, ...]
    seed: int | None = None
    cost: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """Done, without a video."""

    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class NotFound:
    """The provider knows no such operation: too young to be visible, or forgotten."""

    reason: str = "the provider does not know the operation"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No usable answer: network, 5xx, rubbish. Says nothing about the generation."""

    reason: str


# -- what any call can end in ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RateLimited:
    """The provider wants no calls for ``retry_after`` seconds; None when it did not say how long."""

    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """The account is refused: its key, or its balance. Says nothing about the generation."""

    reason: str


# -- what a cancel can end in ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The provider stopped it."""


@dataclass(frozen=True, slots=True)
class CannotCancel:
    """The provider does not stop it; it goes on, and is paid for."""

    reason: str


SubmitOutcome = Submitted | Refused | RateLimited | Unauthorized | NotSent | Ambiguous
CheckOutcome = Pending | Ready | Failed | NotFound | RateLimited | Unauthorized | Unreachable
CancelOutcome = Cancelled | CannotCancel


@dataclass(frozen=True, slots=True)
class Operation:
    """What is to be checked: the provider's id, and the parameters it was submitted with."""

    name: str
    params: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do beyond the minimum.

    Attributes:
        client_supplied_id: it takes an id of ours, so a submit may safely be sent again.
        check_batch: operations one status call can carry.
        cancel: it can stop an operation.
    """

    client_supplied_id: bool = False
    check_batch: int = 1
    cancel: bool = False


Outcome = TypeVar("Outcome", bound="SubmitOutcome | CheckOutcome")
#: Longest text of a provider that is kept, in characters.
_TEXT_LIMIT: Final = 2000


def storable(outcome: Outcome) -> Outcome:
    """The outcome with texts that can be stored: no NUL, no lone surrogates, no book. Ids are left as they are."""
    if isinstance(outcome, Submitted):
        return outcome
    return replace(outcome, **{one.name: _storable(getattr(outcome, one.name)) for one in fields(outcome)})


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:_TEXT_LIMIT]
    return tuple(map(_storable, value)) if isinstance(value, tuple) else value


class Provider(Protocol):
    """One account at one vendor. Adapters are used from many threads at once."""

    capabilities: Capabilities

    def problems(self, request: GenerationRequest) -> list[str]:
        """Why the vendor could not take this request, as far as can be told without asking it; empty when it can."""

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """Make the paid call, once; nothing in here tries again. ``replay``: one with this id may have left before."""

    def check(self, operations: Sequence[Operation]) -> dict[str, CheckOutcome]:
        """Look at operations; an outcome for every one, under its name."""

    def cancel(self, operation: Operation) -> CancelOutcome:
        """Ask the vendor to stop an operation."""
