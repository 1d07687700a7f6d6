"""What the HTTP side reads all the time, without a thread for each reader. Needs ``vidpoll[api]``."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy import make_url

from vidpoll.errors import StoreUnavailable
from vidpoll.store.engine import STATEMENT_TIMEOUT_S
from vidpoll.store.keys import StoredKey

#: Seconds a read may take, waiting for a connection included.
READ_TIMEOUT_S: Final = 5.0
#: Events a page of them holds.
PAGE: Final = 5000
#: Seconds for which the pool tries to reconnect by itself, ever more rarely; after that the next read begins anew.
RECONNECT_S: Final = 2.0
_Connections = AsyncConnectionPool[psycopg.AsyncConnection[tuple[Any, ...]]]


def _sql(name: str) -> bytes:
    return (Path(__file__).parent / f"{name}.sql").read_bytes()


_STATUSES: Final = _sql("status")
_STATUS: Final = _STATUSES.replace(b"id = ANY(%(ids)s)", b"id = %(id)s")
_EVENTS_SINCE: Final = _sql("events_since")
_OWNER_EVENTS: Final = _sql("owner_events")
_GENERATION_EVENTS: Final = _sql("generation_events")
_HORIZON: Final = _sql("horizon")
_PRUNED: Final = "SELECT max(transaction_id) FROM pruned WHERE table_name = 'generation_events'"

_KEY: Final = "SELECT id, owner, name, scopes, secret_hash, created_at, revoked_at FROM api_keys WHERE id = %(id)s"


class StatusRow(NamedTuple):
    """How a generation stands; see status.sql."""

    id: UUID
    version: int
    status: str
    progress: int
    stage: str | None
    overdue: bool
    video_url: str | None
    error: dict[str, Any] | None
    seed: Any
    next_s: float | None
    project_id: str | None
    updated_at: datetime
    provider: str
    model: str
    params: dict[str, Any] | None
    checks: int
    elapsed_s: float
    kind: str = "video"
    content_type: str | None = None


class Event(NamedTuple):
    """A line of ``generation_events``, with what its row says of owner, project and what was asked for."""

    id: int
    generation_id: UUID
    owner: str
    project_id: str | None
    version: int
    kind: str
    status: str
    data: dict[str, Any]
    at: datetime
    transaction: int
    provider: str
    model: str
    params: dict[str, Any] | None
    age_s: float
    of_kind: str = "video"


@dataclass(frozen=True, slots=True)
class Horizon:
    """A moment in the life of the database.

    Attributes:
        oldest: every transaction with a smaller id had ended then.
        next: no transaction with this id or a greater one had begun then.
        running: those that were under way.
    """

    oldest: int
    next: int
    running: list[int]

    def is_past(self, transaction: int) -> bool:
        """Whether the transaction had ended by then."""
        return transaction < self.next and transaction not in self.running


class LiveStore:
    """Reads of Postgres for an event loop; every method raises StoreUnavailable when it does not answer.

    Example::

        async with LiveStore("postgresql://postgres@127.0.0.1:5432/vidpoll") as live:
            row = await live.status("alice", id)
    """

    def __init__(self, database_url: str, *, pool_size: int = 16) -> None:
        url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._pool: _Connections = AsyncConnectionPool(
            url, min_size=1, max_size=pool_size, open=False, timeout=READ_TIMEOUT_S,
            reconnect_timeout=RECONNECT_S,
            kwargs={
                "autocommit": True, "connect_timeout": 5, "application_name": "vidpoll api",
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_S * 1000} -c default_transaction_read_only=on",
                "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000,
            },
        )  # fmt: skip

    async def __aenter__(self) -> "LiveStore":
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    async def status(self, owner: str, id: UUID) -> StatusRow | None:
        """How the owner's generation stands; None when the owner has none of this id."""
        rows = await self._read(_STATUS, {"owner": owner, "id": id})
        return StatusRow(*rows[0]) if rows else None

    async def statuses(self, owner: str, ids: Sequence[UUID]) -> list[StatusRow]:
        """The same of several, in no particular order; those that are not the owner's are left out."""
        return [StatusRow(*row) for row in await self._read(_STATUSES, {"owner": owner, "ids": list(ids)})]

    async def key(self, id: str) -> StoredKey | None:
        """The API key of this id, revoked or not."""
        rows = await self._read(_KEY, {"id": id})
        return StoredKey(*rows[0]) if rows else None

    async def horizon(self) -> Horizon:
        """The present moment. What commits later is found by ``events_since`` or ``owner_events`` of its ``oldest``."""
        return Horizon(*(await self._read(_HORIZON, {}))[0])

    async def events_since(self, moment: Horizon, after: int = 0) -> list[Event]:
        """A page of what was committed since ``moment``; see events_since.sql."""
        given = {"next": moment.next, "running": moment.running, "after": after, "most": PAGE}
        return await self._events(_EVENTS_SINCE, given)

    async def owner_events(self, owner: str, transaction: int, after: int = 0) -> list[Event]:
        """A page of one owner's events since ``transaction`` was a horizon's oldest."""
        given = {"owner": owner, "transaction": transaction, "after": after, "most": PAGE}
        return await self._events(_OWNER_EVENTS, given)

    async def pruned(self, transaction: int) -> bool:
        """Whether events of this transaction, or of a later one, are deleted. Ask after they were read, not before."""
        newest = (await self._read(_PRUNED, {}))[0][0]
        return newest is not None and newest >= transaction

    async def generation_events(self, owner: str, id: UUID, version: int) -> list[Event]:
        """Every event of the owner's generation after ``version`` that is kept, oldest first."""
        return await self._events(_GENERATION_EVENTS, {"owner": owner, "id": id, "version": version})

    async def _events(self, query: bytes | str, given: dict[str, Any]) -> list[Event]:
        return [Event(*row) for row in await self._read(query, given)]

    async def _read(self, query: bytes | str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Read, on another connection once more when this one turns out to have been cut while it lay idle."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                try:
                    return await self._once(query, given)
                except psycopg.OperationalError:
                    await self._pool.check()
                    return await self._once(query, given)
        except (psycopg.Error, PoolTimeout, TimeoutError) as error:
            raise StoreUnavailable(f"Postgres: {type(error).__name__}") from error

    async def _once(self, query: bytes | str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query, given)
            return await cursor.fetchall()
