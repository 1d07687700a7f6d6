"""Reading generations. Ages are judged by the database's clock, which every read brings along."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from vidpoll.errors import GenerationNotFound
from vidpoll.generation import Generation, Status
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import generation_events, generations

_COLUMNS: Final = tuple(field.name for field in fields(Generation) if field.name != "read_at")


def generation_columns() -> list[ColumnElement[Any]]:
    """The columns of a :class:`Generation`, with the database's time."""
    return [*(generations.c[name] for name in _COLUMNS), func.clock_timestamp().label("read_at")]


def to_generation(row: Mapping[Any, Any]) -> Generation:
    """A row of :func:`generation_columns` as a :class:`Generation`."""
    return Generation(**{**row, "status": Status(row["status"])})


class Reading(EngineBound):
    """What any reader wants to know."""

    def get(self, id: UUID) -> Generation:
        """The generation.

        Raises:
            GenerationNotFound: there is none with this id.
        """
        found = self.find([id])
        if not found:
            raise GenerationNotFound(id)
        return found[0]

    def find(self, ids: Sequence[UUID]) -> list[Generation]:
        """Those of ``ids`` that exist, in no particular order; one statement."""
        with answering(self._engine) as connection:
            rows = connection.execute(select(*generation_columns()).where(generations.c.id.in_(list(ids))))
            return [to_generation(row) for row in rows.mappings()]

    def id_of_operation(self, account: str, name: str) -> UUID | None:
        """The account's generation that the provider calls ``name``."""
        query = select(generations.c.id).where(generations.c.account == account, generations.c.operation_name == name)
        with answering(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()

    def recent(self, limit: int, *, status: Status | None = None) -> list[Generation]:
        """The newest ``limit`` generations, newest first."""
        query = select(*generation_columns()).order_by(generations.c.created_at.desc()).limit(limit)
        if status is not None:
            query = query.where(generations.c.status == status)
        with answering(self._engine) as connection:
            return [to_generation(row) for row in connection.execute(query).mappings()]

    def ping(self) -> float:
        """Seconds Postgres takes to answer."""
        began = time.monotonic()
        with answering(self._engine) as connection:
            connection.execute(select(1))
        return time.monotonic() - began

    def counts(self) -> dict[Status, int]:
        """How many generations stand in each status."""
        query = select(generations.c.status, func.count()).group_by(generations.c.status)
        with answering(self._engine) as connection:
            found = {str(row[0]): int(row[1]) for row in connection.execute(query)}
        return {status: found.get(status, 0) for status in Status}

    def events(self, id: UUID) -> list[dict[str, Any]]:
        """The generation's history, oldest first."""
        query = (
            select(generation_events).where(generation_events.c.generation_id == id).order_by(generation_events.c.id)
        )
        with answering(self._engine) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
