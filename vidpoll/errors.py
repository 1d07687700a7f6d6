"""Everything vidpoll raises, in one tree.

::

    VidpollError
    ├── InvalidRequest          the request itself is wrong          never retry it unchanged
    │   └── UnknownTarget       no such provider, account or model   never retry it unchanged
    ├── IdempotencyConflict     same key or id, another body         never retry it unchanged
    ├── PartlyRefused           some of many; the others are in      see each error
    ├── GenerationNotFound      no row with this id                  retry only if it was just enqueued by message
    ├── ProjectNotFound         no project with this id              never retry it unchanged
    ├── EndpointNotFound        no webhook endpoint with this id     never retry it unchanged
    ├── WrongState              its state does not allow this       look at its state first
    ├── WaitTimeout             not final yet                        wait again
    ├── NotConfigured           a setting is missing or wrong        mend the setting first
    │   └── StackHeld           another process holds the folder     stop the other process first
    └── Unavailable             a server of ours does not answer     retry, with backoff
        ├── StoreUnavailable    Postgres
        ├── LanesUnavailable    Redis (lanes)
        └── BrokerUnavailable   Redis or RabbitMQ (Celery's broker)

What a *provider* answers is never an exception: see :mod:`vidpoll.providers.outcomes`.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID


class VidpollError(Exception):
    """The root: ``except VidpollError`` catches all that vidpoll raises on purpose."""

    #: Stable machine-readable name, used by ``--json`` output and dead letters.
    code = "vidpoll_error"


class InvalidRequest(VidpollError):
    """The request cannot be accepted as it is; every problem found is listed.

    Attributes:
        problems: one sentence per problem, each opening with the field's name.
    """

    code = "invalid_request"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class UnknownTarget(InvalidRequest):
    """The provider, account or model named is not in the providers file."""

    code = "unknown_target"


class IdempotencyConflict(VidpollError):
    """The idempotency key (or the id) was already used for a request with another body.

    Attributes:
        existing_id: the generation, or the project, that holds the key.
    """

    code = "idempotency_conflict"

    def __init__(
        self,
        what: str,
        existing_id: UUID,
        kind: str = "generation",
        go_on: str = "use a new key for a new request, or send the same request again",
    ) -> None:
        self.existing_id = existing_id
        super().__init__(f"{what} already belongs to {kind} {existing_id}, whose request differs; {go_on}")


class PartlyRefused(VidpollError):
    """Some of several requests were refused; the others were submitted.

    Attributes:
        ids: the generations in the requests' order, None where one was refused.
        errors: the refusal of each refused request, by its place.
    """

    code = "partly_refused"

    def __init__(self, ids: Sequence[UUID | None], errors: Mapping[int, VidpollError]) -> None:
        self.ids = list(ids)
        self.errors = dict(errors)
        refusals = "; ".join(f"request {place}: {error}" for place, error in self.errors.items())
        super().__init__(f"{len(errors)} of {len(ids)} requests refused: {refusals}")


class GenerationNotFound(VidpollError):
    """No generation has this id."""

    code = "not_found"

    def __init__(self, generation_id: UUID) -> None:
        self.generation_id = generation_id
        super().__init__(f"no generation {generation_id}")


class ProjectNotFound(VidpollError):
    """No project has this id."""

    code = "not_found"

    def __init__(self, project_id: UUID) -> None:
        self.project_id = project_id
        super().__init__(f"no project {project_id}")


class EndpointNotFound(VidpollError):
    """No webhook endpoint has this id."""

    code = "not_found"

    def __init__(self, endpoint_id: UUID) -> None:
        self.endpoint_id = endpoint_id
        super().__init__(f"no webhook endpoint {endpoint_id}")


class WrongState(VidpollError):
    """The state of the generation, the project or the webhook endpoint does not allow what was asked for."""

    code = "wrong_state"


class WaitTimeout(VidpollError):
    """``Client.wait`` gave up waiting; the generations themselves go on."""

    code = "wait_timeout"


class NotConfigured(VidpollError):
    """A setting is missing or cannot be used; the text says which and what to set."""

    code = "not_configured"


class StackHeld(NotConfigured):
    """Another process holds this embedded stack's folder."""

    code = "stack_held"


class Unavailable(VidpollError):
    """A server vidpoll depends on does not answer; the same call may work later."""

    code = "unavailable"


class StoreUnavailable(Unavailable):
    """Postgres does not answer."""

    code = "store_unavailable"


class LanesUnavailable(Unavailable):
    """The Redis that holds the lanes does not answer; no provider is called meanwhile."""

    code = "lanes_unavailable"


class BrokerUnavailable(Unavailable):
    """Celery's broker does not answer."""

    code = "broker_unavailable"
