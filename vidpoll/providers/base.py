"""What a provider is to vidpoll: four verbs, what it can do beyond them, and what it is given.

``submit`` answers with a :data:`~vidpoll.providers.outcomes.SubmitOutcome`, ``check`` with a
:data:`~vidpoll.providers.outcomes.CheckOutcome` per operation, ``cancel`` with a
:data:`~vidpoll.providers.outcomes.CancelOutcome`, ``look_up`` with a
:data:`~vidpoll.providers.outcomes.LookUpOutcome`. An adapter translates one vendor's wire format into these and
back; it knows no lane, no store and no schedule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from pydantic import JsonValue

from vidpoll.generation import Generation, GenerationRequest, Kind
from vidpoll.media import Media
from vidpoll.providers.outcomes import CancelOutcome, Looked, LookUpOutcome, More, SubmitOutcome
from vidpoll.providers.quota import Verb


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
        result: its first result, where the provider keeps it; None when that cannot be fetched any more.
        copy: the same in the archive, on the web; None while ``result`` goes on to work, or where there is none.
    """

    provider: str
    account: str
    operation_name: str
    kind: Kind
    result: Media | None
    copy: Media | None = None

    @property
    def fetched(self) -> Media | None:
        """Its first result for a vendor that fetches it, from wherever it is."""
        return self.copy or self.result


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
