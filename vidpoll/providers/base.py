"""What a provider is to vidpoll: four verbs, and answers as values. No answer of a provider is an exception.

``submit`` answers with a :data:`SubmitOutcome`, ``check`` with a :data:`CheckOutcome` per operation, ``cancel`` with a
:data:`CancelOutcome`, ``look_up`` with a :data:`LookUpOutcome`; ``lifecycle.py`` matches on them. An adapter translates
one vendor's wire format into these and back; it knows no lane, no store and no schedule.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal, Protocol, TypeVar
from uuid import UUID

from pydantic import JsonValue

from vidpoll.generation import Generation, GenerationRequest, Kind
from vidpoll.media import Image, Media, content_type_of
from vidpoll.providers.quota import Verb
from vidpoll.redact import redacted, without_keys


class FailureClass(StrEnum):
    """Why a call brought no usable answer: the classes that are counted apart in ``generations.failure_counts``."""

    RATE_LIMITED = "rate_limited"
    """429, or the vendor's own word for it."""
    UNAUTHORIZED = "unauthorized"
    """401, 403, 402: the key, a permission, the balance."""
    NOT_FOUND = "not_found"
    """The provider does not know the operation (yet, or any more)."""
    SERVER_ERROR = "server_error"
    """5xx, or another HTTP status that says nothing about the operation."""
    NETWORK = "network"
    """No connection, or it broke."""
    TOO_SLOW = "too_slow"
    """The answer did not come, or not completely, in time."""
    TOO_LARGE = "too_large"
    """The answer is longer than we read."""
    UNREADABLE = "unreadable"
    """HTML, an empty body, half a body, JSON of another shape."""
    UNKNOWN_STATUS = "unknown_status"
    """A status word that the adapter does not know."""
    BROKEN = "broken"
    """The adapter, or what acts on its answer, raised."""


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
        queued: the provider says that it has not begun.
        running_s: seconds since it began, both moments by the provider's clock; None when it does not tell.
        poll_after_s: seconds after which the provider wants to be asked again; None when it does not say.
    """

    progress: int | None = None
    stage: str = "processing"
    queued: bool = False
    running_s: float | None = None
    poll_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """Done: at least one video or image.

    Attributes:
        videos: their URLs, in the provider's order.
        cost: in US dollars, where the provider tells it.
        notes: what was asked for and is missing, e.g. why a sample was filtered.
        queued_s: seconds it waited at the provider, by the provider's clock; None when it does not tell.
        run_s: seconds it took from then on, likewise.
        images: likewise, each with its content type.
        content_type: that of the first result, as far as it is known.
    """

    videos: tuple[str, ...] = ()
    seed: int | None = None
    cost: float | None = None
    notes: tuple[str, ...] = ()
    queued_s: float | None = None
    run_s: float | None = None
    images: tuple[Image, ...] = ()
    content_type: str | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of all results, videos first."""
        return (*self.videos, *(image.url for image in self.images))

    def of(self, media: Sequence[Media]) -> "Ready":
        """The same with these results.

        Example:
            >>> Ready(seed=7).of([Media.of("https://v/1.png")]).images
            (Image(url='https://v/1.png', content_type='image/png'),)
        """
        first = sorted(media, key=lambda one: one.kind == "image")[:1]
        return replace(
            self,
            videos=tuple(one.url for one in media if one.kind == "video"),
            images=tuple(Image(one.url, one.content_type) for one in media if one.kind == "image"),
            content_type=first[0].content_type if first else None,
        )


@dataclass(frozen=True, slots=True)
class Failed:
    """Done, without a result."""

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
    failure_class: FailureClass = FailureClass.SERVER_ERROR


# -- what any call can end in ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RateLimited:
    """The provider wants no calls for ``retry_after`` seconds; None when it did not say how long."""

    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """The account is refused: its key, or its balance. Says nothing about the generation.

    Attributes:
        whole_account: False where the vendor may mean this operation only, as Google's 403 sometimes does.
    """

    reason: str
    whole_account: bool = True


@dataclass(frozen=True, slots=True)
class More:
    """One more call tells: a result that is fetched apart from its status, a look before a cancel.

    It is made with a token of its own, so an adapter does not make it itself.

    Attributes:
        call: makes it, and says what it told.
        stage: the state in words, should it have to wait.
    """

    call: Callable[[], Any]
    stage: str = "done at the provider, its result is fetched next"


# -- what a cancel can end in ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The provider says that it is cancelled: the answer of a cancel, or of a later check."""


@dataclass(frozen=True, slots=True)
class CancelAccepted:
    """The provider will try; a later check tells what became of it."""


@dataclass(frozen=True, slots=True)
class CannotCancel:
    """The provider does not stop it; it goes on, and is paid for."""

    reason: str


# -- what looking up a submit of unknown outcome can end in ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Absent:
    """The provider keeps our ids, and has none of this submit: it was not taken."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of what the provider has.

    Attributes:
        fitting: operations on this page that this submit may have made.
        cursor: where the next page begins; None when the list was read back to before the submit.
    """

    fitting: tuple[str, ...]
    cursor: str | None = None


SubmitOutcome = Submitted | Refused | RateLimited | Unauthorized | NotSent | Ambiguous
CheckOutcome = Pending | Ready | Failed | Cancelled | NotFound | RateLimited | Unauthorized | Unreachable
#: What a look answers with: an outcome, or that it takes one more call.
Looked = CheckOutcome | More
CancelOutcome = Cancelled | CancelAccepted | CannotCancel | RateLimited | Unauthorized | Unreachable
LookUpOutcome = Submitted | Absent | Listed | RateLimited | Unauthorized | Unreachable


@dataclass(frozen=True, slots=True)
class Operation:
    """What is to be checked: the provider's id, the parameters it was submitted with, and what was asked for."""

    name: str
    params: dict[str, JsonValue] = field(default_factory=dict)
    kind: Kind = "video"

    @classmethod
    def of(cls, generation: Generation) -> "Operation":
        """The one of a generation that the provider has."""
        return cls(str(generation.operation_name), generation.as_sent.params, generation.kind)


@dataclass(frozen=True, slots=True)
class Parent:
    """The completed generation that an upscale or an extend begins with.

    Attributes:
        account: who paid for it; only there its ``operation_name`` means something.
        result: its first result; None when that cannot be fetched any more.
    """

    provider: str
    account: str
    operation_name: str
    kind: Kind
    result: Media | None


@dataclass(frozen=True, slots=True)
class NoParent:
    """Why there is no parent to begin with."""

    reason: str


@dataclass(frozen=True, slots=True)
class CannotContinue:
    """Why the provider cannot begin with this parent."""

    reason: str


#: What a parent brings: parameters, which are sent over those of the request; or why it brings none.
Continued = dict[str, JsonValue] | CannotContinue


#: Who may download a result: anyone who has its URL; whoever sends the account's key along; whoever may read the bucket
#: of the account's own that it was written to.
Access = Literal["anyone", "key", "bucket"]


#: How a vendor tells that something is done: at an address that goes along with the request, signed by it or not; at
#: one that a person registers there, signed.
Webhook = Literal["signed", "unsigned", "registered"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do beyond the minimum.

    Attributes:
        client_supplied_id: it takes an id of ours, so a submit may safely be sent again.
        check_batch: operations one status call can carry.
        cancel: it can stop an operation.
        look_up: it can be asked whether it took a submit.
        retention_s: seconds for which it still tells of an operation that has ended.
        min_interval_s: seconds between two looks at one operation below which it forbids them.
        progress: it tells how far a running operation is, in percent.
        access: who may download a result.
        result_ttl_s: seconds for which a result's URL works, of models the catalogue knows nothing of; None where
            nobody tells, or where it does not end.
        results_param: the parameter that asks for several results at once; None where one is all there is.
        webhook: how it tells that something is done; None when it does not.
    """

    client_supplied_id: bool = False
    check_batch: int = 1
    cancel: bool = False
    look_up: bool = False
    retention_s: float = 24 * 3600.0
    min_interval_s: float = 0.0
    progress: bool = False
    access: Access = "anyone"
    result_ttl_s: float | None = None
    results_param: str | None = None
    webhook: Webhook | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A submit nobody knows the outcome of.

    Attributes:
        after, before: between these moments the provider must have made the operation, clocks' differences included.
    """

    request: GenerationRequest
    our_id: UUID
    after: datetime
    before: datetime


#: Longest time told by a provider that is believed, in seconds: a week.
BELIEVED_S: Final = 7 * 24 * 3600.0


def believed(seconds: float | None) -> float | None:
    """A time told by a provider, if it can be one: from 0 to a week.

    Example:
        >>> [believed(told) for told in (61.2, -1, float("nan"), 1e9, None)]
        [61.2, None, None, None, None]
    """
    return seconds if seconds is not None and not isinstance(seconds, bool) and 0 <= seconds <= BELIEVED_S else None


_RESULT: Final = re.compile(r"(?:https?|gs|s3)://\S+")


def plausible(told: Looked) -> Looked:
    """The same without numbers that can be none; Unreachable, where the URL of a result is none.

    Example:
        >>> plausible(Ready(("https://v/1.mp4",), cost=float("nan"))).cost
        >>> plausible(Pending(progress=400)).progress
        >>> plausible(Ready(("javascript:alert(1)",))).failure_class
        <FailureClass.UNREADABLE: 'unreadable'>
    """
    match told:
        case Pending(progress=progress) if not _is_whole(progress, 0, 100):
            return replace(told, progress=None)
        case Ready() if not told.urls or not all(_RESULT.fullmatch(url) for url in told.urls):
            return Unreachable("done, with a result that is no URL", FailureClass.UNREADABLE)
        case Ready(seed=seed, cost=cost):
            believable = cost is not None and 0 <= cost < float("inf")
            content_type = told.content_type or content_type_of(told.urls[0])
            return replace(
                told,
                content_type=content_type,
                seed=seed if _is_whole(seed, -(2**63), 2**63 - 1) else None,
                cost=cost if believable else None,
            )
        case _:
            return told


def _is_whole(number: object, least: int, most: int) -> bool:
    """Whether it is a whole number between these; JSON's ``true`` is none."""
    return isinstance(number, int) and not isinstance(number, bool) and least <= number <= most


Outcome = TypeVar("Outcome", bound="SubmitOutcome | CheckOutcome | CancelOutcome | LookUpOutcome")
#: Longest text of a provider that is kept, in characters, and longest URL of a result: a signature can take thousands.
_TEXT_LIMIT: Final = 2000
_URL_LIMIT: Final = 20_000


def storable(outcome: Outcome) -> Outcome:
    """The outcome with texts that can be stored: no NUL, no lone surrogates, no book, no secret.

    Ids are left as they are. Results' URLs stay signed, since whoever asked for them needs them whole.
    """
    if isinstance(outcome, Submitted | Listed):
        return outcome
    return replace(outcome, **{one.name: _shown(one.name, getattr(outcome, one.name)) for one in fields(outcome)})


def can_be_stored(name: str) -> bool:
    """Whether an id of the provider can be kept as it is; ids are never changed."""
    return bool(name) and _storable(name) == name


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, Image):
        return Image(_shown("videos", value.url), value.content_type)
    clean, limit = (without_keys, _URL_LIMIT) if name == "videos" else (redacted, _TEXT_LIMIT)
    if isinstance(value, str) and not isinstance(value, FailureClass):
        return _storable(clean(value[:_URL_LIMIT]), limit)
    return tuple(_shown(name, one) for one in value) if isinstance(value, tuple) else value


def _storable(text: str, limit: int = _TEXT_LIMIT) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:limit]


def broken(error: Exception) -> Unreachable:
    """What an adapter that raised tells: nothing."""
    return Unreachable(f"{type(error).__name__}: the answer cannot be used", FailureClass.BROKEN)


class Provider(Protocol):
    """One account at one vendor. Adapters are used from many threads at once."""

    capabilities: Capabilities

    def problems(self, request: GenerationRequest) -> list[str]:
        """Why the vendor could not take this request, as far as can be told without asking it; empty when it can."""

    def continue_from(self, request: GenerationRequest, parent: Parent) -> Continued:
        """What the parent of an upscale or an extend brings; asked once, before the paid call, without a call."""

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """Make the paid call, once; nothing in here tries again. ``replay``: one with this id may have left before."""

    def check(self, operations: Sequence[Operation]) -> dict[str, Looked]:
        """Look at operations; an outcome for every one, under its name."""

    def cancel(self, operation: Operation) -> CancelOutcome | More:
        """Ask the vendor to stop an operation; called only where ``capabilities.cancel`` says so."""

    def look_up(self, sent: Sent, cursor: str | None) -> LookUpOutcome:
        """Ask the vendor whether it took a submit, with one call; called only where ``capabilities.look_up`` says so.

        ``cursor`` is that of the :class:`Listed` before, None at first.
        """

    def download_headers(self, url: str) -> Mapping[str, str]:
        """What is to be sent along to download a result from this URL; nothing to where the key is not for."""

    def out_of_quota(self, verb: Verb) -> float | None:
        """Seconds until the vendor takes calls of this verb again, where an answer said that none are left.

        None when no answer did so since this was asked last.
        """
