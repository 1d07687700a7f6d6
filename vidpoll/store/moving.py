"""How every transition is written: one guarded statement, the row and its event together, answering whether it moved.

A move happens only from the state it expects, so of two that race exactly one gets ``True``. The row and its line in
``generation_events`` are written by the same statement, hence in the same transaction.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Float, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB

from vidpoll.generation import Status
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import generation_events, generations

_ROW = generations.c
#: What the writer of an event says; the rest are defaults.
EVENT_COLUMNS: Final = ["generation_id", "version", "kind", "status", "data", "owner"]


class Moving(EngineBound):
    """Base of the parts that move generations."""

    def _move(
        self,
        id: UUID,
        expected: Iterable[Status],
        to: Status,
        kind: str,
        data: Mapping[str, Any],
        *,
        guard: ColumnElement[bool] | None = None,
        **values: Any,
    ) -> bool:
        """Move the row from one of ``expected`` to ``to`` and write its event; whether it moved."""
        moved = update(generations).where(_ROW.id == id, _ROW.status.in_(list(expected)))
        if guard is not None:
            moved = moved.where(guard)
        return self._write(
            moved.values(status=to, version=_ROW.version + 1, updated_at=func.now(), **values), kind, data
        )

    def _write(self, moved: Any, kind: str, data: Mapping[str, Any]) -> bool:
        """Run an UPDATE together with its event; whether a row moved."""
        cte = moved.returning(_ROW.id, _ROW.version, _ROW.status, _ROW.owner).cte("moved")
        with answering(self._engine) as connection:
            written = connection.execute(event_of(cte, kind, data).returning(generation_events.c.id))
            has_moved = written.one_or_none() is not None
        if has_moved:
            self._on_events()
        return has_moved


def event_of(moved: Any, kind: str, data: Mapping[str, Any]) -> Any:
    """The INSERT of an event for every row of ``moved``."""
    row = moved.c
    source = select(row.id, row.version, literal(kind), row.status, literal(dict(data), JSONB), row.owner)
    return insert(generation_events).from_select(EVENT_COLUMNS, source)


def later(seconds: float, since: ColumnElement[Any] | None = None) -> ColumnElement[Any]:
    """So many seconds from now, or from ``since``, on the database's clock."""
    return (func.now() if since is None else since) + func.make_interval(0, 0, 0, 0, 0, 0, literal(seconds, Float))
