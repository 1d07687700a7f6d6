"""How every transition is written: one guarded statement, the row and its event together, answering whether it moved.

A move happens only from the state it expects, so of two that race exactly one gets ``True``. The row and its line in
``generation_events`` are written by the same statement, hence in the same transaction; so is the line that tells the
project of a step that ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, exists, false, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB

from vidpoll.generation import Status
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.new_files import NewFile, rows_of
from vidpoll.store.tables import generation_events, generations, project_outbox
from vidpoll.store.webhook_tables import webhook_endpoints

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
        return self._moved_at(id, expected, to, kind, data, guard=guard, **values) is not None

    def _moved_at(
        self,
        id: UUID,
        expected: Iterable[Status],
        to: Status,
        kind: str,
        data: Mapping[str, Any],
        *,
        guard: ColumnElement[bool] | None = None,
        files: Sequence[NewFile] = (),
        **values: Any,
    ) -> datetime | None:
        """The same; when it moved, by the database's clock, or None. ``files`` are to be copied then."""
        moved = update(generations).where(_ROW.id == id, _ROW.status.in_(list(expected)))
        if guard is not None:
            moved = moved.where(guard)
        moved = moved.values(status=to, version=_ROW.version + 1, updated_at=func.now(), **values)
        return self._write(moved, kind, data, ends=to.final, files=files)

    def _write(
        self, moved: Any, kind: str, data: Mapping[str, Any], *, ends: bool = False, files: Sequence[NewFile] = ()
    ) -> datetime | None:
        """Run an UPDATE together with its event, the rows of its ``files`` and, where it ``ends`` a step, the line for
        its project.

        When a row moved, or None.
        """
        cte = moved.returning(_ROW.id, _ROW.version, _ROW.status, _ROW.owner, _ROW.step_of).cte("moved")
        event = event_of(cte, kind, data).returning(generation_events.c.generation_id, generation_events.c.at)
        written = event.cte("event")
        is_told = _has_endpoint(cte.c.owner) if ends else false()
        query = select(written.c.at, cte.c.step_of, is_told.label("is_told")).where(written.c.generation_id == cte.c.id)
        query = query.add_cte(_line_of(cte).cte("line")) if ends else query
        query = query.add_cte(rows_of(cte, files).cte("files")) if files else query
        with answering(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        self._on_events()
        if ends and row.step_of:
            self._on_project(row.step_of)
        if ends and row.is_told:
            self._on_webhooks()
        moved_at: datetime = row.at
        return moved_at


def event_of(moved: Any, kind: str, data: Mapping[str, Any]) -> Any:
    """The INSERT of an event for every row of ``moved``."""
    row = moved.c
    source = select(row.id, row.version, literal(kind), row.status, literal(dict(data), JSONB), row.owner)
    return insert(generation_events).from_select(EVENT_COLUMNS, source)


def _line_of(moved: Any) -> Any:
    """The INSERT that tells a project of its step that ended; nothing for what is no step."""
    row = moved.c
    source = select(row.step_of, row.id).where(row.step_of.is_not(None))
    return insert(project_outbox).from_select(["project_id", "generation_id"], source)


def _has_endpoint(owner: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether an owner has an endpoint that is told of what ends."""
    endpoint = webhook_endpoints.c
    return exists().where(endpoint.owner == owner, endpoint.status == "enabled")
