"""Copies of results: rows made by the statement that completes a generation, and what came of each attempt."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import and_, func, or_, select, update

from vidpoll.generation import Failure, Status
from vidpoll.store.archive_tables import archived_files
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.new_files import NewFile, rows_of
from vidpoll.store.tables import generations
from vidpoll.store.times import later

_FILE: Final = archived_files.c
_ROW: Final = generations.c

#: Seconds in which files are copied when nothing is wrong, and seconds before their end from which on they are told of.
_AT_ONCE_S: Final = 120.0
_SOON_S: Final = 3600.0

Archived = Literal["waiting", "stored", "failed", "erasing"]


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A row as it is told.

    Attributes:
        name: below the archive's folder.
        url: the provider's.
    """

    generation_id: UUID
    position: int
    kind: str
    url: str
    status: Archived
    attempts: int
    error: dict[str, Any] | None
    content_type: str | None
    bytes: int | None
    sha256: str | None
    name: str | None
    archived_url: str | None
    expires_at: datetime | None
    stored_at: datetime | None


@dataclass(frozen=True, slots=True)
class Copying:
    """A row of which an attempt was begun, with what its generation knows.

    Attributes:
        live_s: seconds until its provider deletes it, below 0 since; None where nobody tells.
        age_s: seconds since it was to be copied.
    """

    id: UUID
    generation_id: UUID
    position: int
    owner: str
    url: str
    attempts: int
    failures: int
    name: str | None
    account: str | None
    model: str
    operation_name: str | None
    params: dict[str, Any]
    created_at: datetime
    live_s: float | None
    age_s: float


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """How copying gets on.

    Attributes:
        oldest_s: seconds the oldest one waits.
        expiring: those that wait for more than two minutes, and that their provider deletes within an hour, or has.
    """

    waiting: int
    oldest_s: float
    expiring: int
    failed: int


class ArchivedFiles(EngineBound):
    """The moves of copies: ``waiting`` → ``stored`` or ``failed``, and from there to ``waiting`` when somebody asks."""

    def archive_begun(self, id: UUID, *, lease_s: float, busy_s: float) -> Copying | None:
        """Waiting → the same, an attempt begun that ends within ``busy_s``; None where nothing is to be copied.

        It is tried again after ``lease_s``, should its worker die.
        """
        begun = (
            update(archived_files)
            .where(_FILE.id == id, _FILE.status == "waiting", _ROW.id == _FILE.generation_id)
            .values(attempts=_FILE.attempts + 1, busy_until=later(busy_s), next_at=later(lease_s))
            .returning(
                _FILE.id, _FILE.generation_id, _FILE.position, _FILE.owner, _FILE.url, _FILE.attempts, _FILE.failures,
                _FILE.name, _ROW.account, _ROW.model, _ROW.operation_name, _ROW.params, _ROW.created_at,
                func.extract("epoch", _FILE.expires_at - func.now()).label("live_s"),
                func.extract("epoch", func.now() - _FILE.created_at).label("age_s"),
            )
        )  # fmt: skip
        with answering(self._engine) as connection:
            row = connection.execute(begun).one_or_none()
        if row is None:
            return None
        told = dict(row._mapping)
        live_s = None if told["live_s"] is None else float(told["live_s"])
        return Copying(**{**told, "live_s": live_s, "age_s": float(told["age_s"])})

    def archive_orphaned(self, id: UUID) -> bool:
        """Waiting or stored, and its generation deleted by somebody who knew of no copies → erasing."""
        there = select(_ROW.id).where(_ROW.id == _FILE.generation_id).exists()
        moved = update(archived_files).where(_FILE.id == id, _FILE.status.in_(["waiting", "stored"]), ~there)
        with answering(self._engine) as connection:
            return connection.execute(moved.values(status="erasing")).rowcount > 0

    def archive_named(self, id: UUID, name: str) -> bool:
        """Waiting → the same: a copy may be under this name from now on. False where nobody wants it any more."""
        return self._moved_file(id, "waiting", name=name)

    def archive_renewed(self, id: UUID, url: str, live_s: float | None) -> bool:
        """Waiting → the same, with a fresh URL."""
        expires_at = None if live_s is None else later(live_s)
        return self._moved_file(id, "waiting", url=url, expires_at=expires_at)

    def archive_stored(
        self, id: UUID, name: str, archived_url: str, *, content_type: str, bytes: int, sha256: str
    ) -> bool:
        """Waiting → stored."""
        return self._moved_file(
            id, "waiting", status="stored", error=None, busy_until=None, stored_at=func.now(), name=name,
            archived_url=archived_url, content_type=content_type, bytes=bytes, sha256=sha256,
        )  # fmt: skip

    def archive_again(self, id: UUID, failure: Failure, countdown: float, *, counted: bool) -> bool:
        """Waiting → the same, to be tried again; ``counted``: it failed for want of the file."""
        return self._moved_file(
            id, "waiting", error=asdict(failure), busy_until=None, next_at=later(countdown),
            failures=_FILE.failures + int(counted),
        )  # fmt: skip

    def archive_failed(self, id: UUID, failure: Failure) -> bool:
        """Waiting → failed."""
        return self._moved_file(
            id, "waiting", status="failed", error=asdict(failure), busy_until=None, failures=_FILE.failures + 1
        )

    def _moved_file(self, id: UUID, expected: Archived, **values: Any) -> bool:
        moved = update(archived_files).where(_FILE.id == id, _FILE.status == expected).values(**values)
        with answering(self._engine) as connection:
            return connection.execute(moved).rowcount > 0

    def archive_is_wanted(self, id: UUID) -> bool:
        """Whether its generation is still there."""
        query = select(_FILE.id).where(_FILE.id == id, _FILE.status != "erasing")
        with answering(self._engine) as connection:
            return connection.execute(query).one_or_none() is not None

    def archive_retried(self, ids: Collection[UUID] | None, most: int = 10_000) -> list[UUID]:
        """Failed → waiting: those of these generations, or all; the ids of the files."""
        whose = () if ids is None else (_FILE.generation_id.in_(list(ids)),)
        some = select(_FILE.id).where(_FILE.status == "failed", *whose).limit(most)
        moved = update(archived_files).where(_FILE.id.in_(some), _FILE.status == "failed")
        anew = moved.values(status="waiting", failures=0, next_at=func.now(), created_at=func.now())
        with answering(self._engine) as connection:
            return list(connection.execute(anew.returning(_FILE.id)).scalars())

    # -- the sweep ----------------------------------------------------------------------------------------------------

    def archive_due(self, late_by_s: float, most: int = 1000) -> list[UUID]:
        """Files that should have been tried so long ago; those that waited longest first."""
        due = (_FILE.status == "waiting", _FILE.next_at < later(-late_by_s))
        with answering(self._engine) as connection:
            return list(connection.execute(select(_FILE.id).where(*due).order_by(_FILE.next_at).limit(most)).scalars())

    def archive_missed(
        self, provider: str, model: str, *, within_s: float, most: int
    ) -> list[tuple[UUID, str | None, dict[str, Any], float]]:
        """Generations completed within so many seconds of which no file is to be copied: id, account, result, age.

        The newest first; not the last few seconds', whose own worker is at it.
        """
        known = select(_FILE.id).where(_FILE.generation_id == _ROW.id).exists()
        age_s = func.extract("epoch", func.now() - _ROW.completed_at)
        missed = (
            select(_ROW.id, _ROW.account, _ROW.result, age_s)
            .where(_ROW.provider == provider, _ROW.model == model, _ROW.status == Status.COMPLETED)
            .where(_ROW.completed_at > later(-within_s), ~known)
            .order_by(_ROW.completed_at.desc())
            .limit(most)
        )
        with answering(self._engine) as connection:
            return [(row[0], row[1], row[2], float(row[3])) for row in connection.execute(missed)]

    def archive_added(self, generation_id: UUID, files: Sequence[NewFile]) -> int:
        """Have the files of a completed generation copied that are not yet; how many."""
        found = select(_ROW.id, _ROW.owner).where(_ROW.id == generation_id, _ROW.status == Status.COMPLETED)
        found = found.with_for_update(read=True, key_share=True)  # it is not deleted meanwhile
        with answering(self._engine) as connection:
            return len(connection.execute(rows_of(found.cte("found"), files).returning(_FILE.id)).all())

    # -- what is told -------------------------------------------------------------------------------------------------

    def archived_of(self, generation_ids: Collection[UUID]) -> dict[UUID, list[ArchivedFile]]:
        """The files of generations, in their order; nothing of those without any."""
        if not generation_ids:
            return {}
        columns = [_FILE[name] for name in ArchivedFile.__slots__]
        query = select(*columns).where(_FILE.generation_id.in_(list(generation_ids)), _FILE.status != "erasing")
        found: dict[UUID, list[ArchivedFile]] = {}
        with answering(self._engine) as connection:
            for row in connection.execute(query.order_by(_FILE.generation_id, _FILE.position)):
                found.setdefault(row.generation_id, []).append(ArchivedFile(**row._mapping))
        return found

    def archive_state(self) -> ArchiveState:
        """How copying gets on; reads only what waits and what failed."""
        waits = _FILE.status == "waiting"
        expiring = and_(waits, _FILE.created_at < later(-_AT_ONCE_S), _FILE.expires_at < later(_SOON_S))
        query = select(
            func.count().filter(waits),
            func.coalesce(func.extract("epoch", func.now() - func.min(_FILE.created_at).filter(waits)), 0),
            func.count().filter(expiring),
            func.count().filter(_FILE.status == "failed"),
        ).where(or_(waits, _FILE.status == "failed"))
        with answering(self._engine) as connection:
            row = connection.execute(query).one()
        return ArchiveState(row[0], float(row[1]), row[2], row[3])

    def archive_totals(self) -> dict[str, tuple[int, int]]:
        """How many files are in which state, and how many bytes they have; reads all rows."""
        query = select(_FILE.status, func.count(), func.coalesce(func.sum(_FILE.bytes), 0)).group_by(_FILE.status)
        with answering(self._engine) as connection:
            return {status: (count, int(size)) for status, count, size in connection.execute(query)}

    def archive_problems(self, limit: int) -> list[ArchivedFile]:
        """Those that failed or wait with an error, the newest first."""
        columns = [_FILE[name] for name in ArchivedFile.__slots__]
        told = (_FILE.status.in_(["waiting", "failed"]), _FILE.error.is_not(None))
        query = select(*columns).where(*told).order_by(_FILE.created_at.desc()).limit(limit)
        with answering(self._engine) as connection:
            return [ArchivedFile(**row._mapping) for row in connection.execute(query)]

    # -- what was deleted ---------------------------------------------------------------------------------------------

    def archive_erasing(self, most: int, after: UUID | None = None) -> list[tuple[UUID, str | None, str | None]]:
        """Copies whose generation is deleted, and which nobody is writing: ids, names and addresses."""
        free = or_(_FILE.busy_until.is_(None), _FILE.busy_until < func.now())
        found = select(_FILE.id, _FILE.name, _FILE.archived_url).where(_FILE.status == "erasing", free)
        if after is not None:
            found = found.where(_FILE.id > after)
        with answering(self._engine) as connection:
            rows = connection.execute(found.order_by(_FILE.id).limit(most))
            return [(row.id, row.name, row.archived_url) for row in rows]

    def archive_erased(self, ids: Collection[UUID]) -> int:
        """Their copies are deleted: forget them; how many."""
        gone = archived_files.delete().where(_FILE.id.in_(list(ids)), _FILE.status == "erasing")
        with answering(self._engine) as connection:
            return connection.execute(gone).rowcount
