"""From nothing to ``pending``, however often the same request is sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import Connection, func, or_, select, tuple_
from sqlalchemy.dialects import postgresql

from vidpoll.errors import IdempotencyConflict
from vidpoll.generation import GenerationRequest, Status
from vidpoll.store.engine import EngineBound, answering, transaction
from vidpoll.store.moving import event_of
from vidpoll.store.tables import generation_events, generations

#: Rows one INSERT carries.
_CHUNK: Final = 500
_ROW: Final = generations.c


@dataclass(frozen=True, slots=True)
class Accepted:
    """The generation that answers a request.

    Attributes:
        new: this request made the row; False when it was there already.
        status: where it stands.
        traceparent: the trace context on its row.
    """

    id: UUID
    new: bool
    status: Status
    traceparent: str | None = None


class Accepting(EngineBound):
    """Idempotent acceptance: by id, and by owner and idempotency key."""

    def accept(
        self,
        request: GenerationRequest,
        account: str | None = None,
        *,
        traceparent: str | None = None,
        from_parent: Mapping[str, JsonValue] | None = None,
    ) -> Accepted:
        """The generation for ``request``, made if it is not there yet, with the sender's ``traceparent``.

        ``from_parent`` is what its parent brings with this account.

        Raises:
            IdempotencyConflict: its id or key belongs to a request with another body.
        """
        with transaction(self._engine) as connection:
            [outcome] = accept_in(connection, [(request, account)], traceparent=traceparent, from_parent=from_parent)
        if isinstance(outcome, IdempotencyConflict):
            raise outcome
        if outcome.new:
            self._on_events()
        return outcome

    def has(self, request: GenerationRequest) -> bool:
        """Whether a generation has this request's id or key, so that it is answered by what is there."""
        with answering(self._engine) as connection:
            return bool(_existing(connection, [request]))

    def accept_many(
        self, requests: Sequence[tuple[GenerationRequest, str | None]], *, traceparent: str | None = None
    ) -> list[Accepted | IdempotencyConflict]:
        """The same for many pairs of request and account, in their order; conflicts are values, the others go on.

        One transaction: when it raises, nothing was accepted. Every request must carry an id.
        """
        with transaction(self._engine) as connection:
            outcomes = accept_in(connection, requests, traceparent=traceparent)
        if any(isinstance(one, Accepted) and one.new for one in outcomes):
            self._on_events()
        return outcomes


def accept_in(
    connection: Connection,
    requests: Sequence[tuple[GenerationRequest, str | None]],
    *,
    step_of: UUID | None = None,
    traceparent: str | None = None,
    from_parent: Mapping[str, JsonValue] | None = None,
) -> list[Accepted | IdempotencyConflict]:
    """The same as a part of the caller's transaction; ``step_of`` is the project whose steps they are."""
    outcomes: list[Accepted | IdempotencyConflict] = []
    for start in range(0, len(requests), _CHUNK):
        every = {"step_of": step_of, "traceparent": traceparent, "from_parent": from_parent}
        outcomes += _accept_chunk(connection, requests[start : start + _CHUNK], every)
    return outcomes


def _accept_chunk(
    connection: Connection, requests: Sequence[tuple[GenerationRequest, str | None]], every: Mapping[str, Any]
) -> list[Accepted | IdempotencyConflict]:
    rows = [{**_values(request, account), **every} for request, account in _first_of_each(requests)]
    inserted = _insert(connection, rows)
    missing = [request for request, _ in requests if request.id not in inserted]
    existing = _existing(connection, missing) if missing else []
    return [_outcome(request, inserted, existing, every["traceparent"]) for request, _ in requests]


def _first_of_each(
    requests: Sequence[tuple[GenerationRequest, str | None]],
) -> Iterator[tuple[GenerationRequest, str | None]]:
    """One INSERT may name an id or a key once; later ones find the first one's row."""
    seen: set[object] = set()
    for request, account in requests:
        marks = {request.id, (request.owner, request.idempotency_key) if request.idempotency_key else request.id}
        if not marks & seen:
            yield request, account
        seen |= marks


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> set[UUID]:
    """Insert what is not there, with an event each, in one statement; the ids that were new."""
    made = (
        postgresql.insert(generations)
        .values(rows)
        .on_conflict_do_nothing()
        .returning(_ROW.id, _ROW.version, _ROW.status, _ROW.owner)
    ).cte("made")
    events = event_of(made, "accepted", {})
    return set(connection.execute(events.returning(generation_events.c.generation_id)).scalars())


def _existing(connection: Connection, requests: list[GenerationRequest]) -> list[Any]:
    keys = [(request.owner, request.idempotency_key) for request in requests if request.idempotency_key]
    by_id = _ROW.id.in_([request.id for request in requests])
    found = or_(by_id, tuple_(_ROW.owner, _ROW.idempotency_key).in_(keys)) if keys else by_id
    columns = (_ROW.id, _ROW.owner, _ROW.idempotency_key, _ROW.request_hash, _ROW.status, _ROW.traceparent)
    return list(connection.execute(select(*columns).where(found)).all())


def _outcome(
    request: GenerationRequest, inserted: set[UUID], existing: list[Any], traceparent: str | None
) -> Accepted | IdempotencyConflict:
    assert request.id is not None
    if request.id in inserted:
        return Accepted(request.id, new=True, status=Status.PENDING, traceparent=traceparent)
    key = (request.owner, request.idempotency_key)
    row = next(
        row
        for row in existing
        if row.id == request.id or (request.idempotency_key and (row.owner, row.idempotency_key) == key)
    )
    if row.request_hash != request.fingerprint():
        what = f"id {request.id}" if row.id == request.id else f"idempotency key {request.idempotency_key!r}"
        return IdempotencyConflict(what, row.id)
    return Accepted(row.id, new=False, status=Status(row.status), traceparent=row.traceparent)


def _values(request: GenerationRequest, account: str | None) -> dict[str, Any]:
    return {
        **request.model_dump(exclude={"account", "parent"}),
        "parent_id": request.parent,
        "account": account,
        "requested_account": request.account,
        "request_hash": request.fingerprint(),
        "created_at": func.now(),
    }
