"""What a call to a provider can end in, as values: ``lifecycle.py`` matches on them. No answer is an exception."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from vidpoll.media import Image, Media


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


def broken(error: Exception) -> Unreachable:
    """What an adapter that raised tells: nothing."""
    return Unreachable(f"{type(error).__name__}: the answer cannot be used", FailureClass.BROKEN)
