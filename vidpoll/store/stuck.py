"""What the restore job looks for: rows that should be in a lane, and submits nobody finished."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ColumnElement, RowMapping, Select, and_, cast, func, literal, select, tuple_, union_all
from sqlalchemy.types import Float

from vidpoll.generation import Status
from vidpoll.store.engine import STATEMENT_TIMEOUT_S, EngineBound, answering
from vidpoll.store.tables import generations

_ROW: Final = generations.c
_PAGE: Final = 2000
_LATE: Final = and_(_ROW.status == Status.FAILED, _ROW.watch_until.is_not(None))
#: What belongs in a status lane: what is looked up, what the provider has, what timed out and may be done late. Each
#: has its index; one that moves on while they are read in this order is read twice perhaps, and never missed.
_WATCHED: Final = (
    and_(_ROW.status == Status.UNKNOWN, _ROW.next_check_at.is_not(None)),
    _ROW.status == Status.PROCESSING,
    _LATE,
)
#: Orders of pages, by what never changes in a row.
_BY_ID: Final = (_ROW.id,)
_OLDEST_FIRST: Final = (_ROW.created_at, _ROW.id)
#: Any constant of our own, another than the migrations'.
_LOCK: Final = 0x7265_7374_6F72_65


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that belongs in a lane.

    Attributes:
        countdown: seconds until it should be looked at; 0 when that has passed.
        remaining_s: seconds until its deadline, 0 when there is none or it has passed.
        status: where it stands.
    """

    id: UUID
    owner: str
    priority: int
    countdown: float
    remaining_s: float
    status: Status


class Stuck(EngineBound):
    """Queries of the restore job; each reads pages, so that a large backlog costs no memory."""

    def to_submit_by_account(self) -> dict[str, int]:
        """How many generations of each account belong in its submit lane; those not pinned yet are not counted."""
        return self._by_account(and_(_ROW.status.in_([Status.PENDING, Status.SUBMITTING]), _ROW.account.is_not(None)))

    def watched_by_account(self) -> dict[str, int]:
        """How many generations of each account belong in its status lane."""
        watched = union_all(*(select(_ROW.account).where(one) for one in _WATCHED)).subquery()
        return self._counted(select(watched.c.account, func.count()).group_by(watched.c.account))

    def late_by_account(self) -> dict[str, int]:
        """How many generations of each account timed out and are still watched."""
        return self._by_account(_LATE)

    def _by_account(self, where: ColumnElement[bool]) -> dict[str, int]:
        return self._counted(select(_ROW.account, func.count()).where(where).group_by(_ROW.account))

    def _counted(self, query: Select[Any]) -> dict[str, int]:
        with answering(self._engine) as connection:
            return {str(account): int(count) for account, count in connection.execute(query)}

    def unpinned(self, older_than_s: float) -> Iterator[list[Waiting]]:
        """Generations whose row was made so long ago that the message about it must be lost, oldest first."""
        old = _ROW.created_at < func.now() - _seconds(older_than_s)
        return self._pages(and_(_ROW.status == Status.PENDING, _ROW.account.is_(None), old), _OLDEST_FIRST)

    @contextmanager
    def one_at_a_time(self) -> Iterator[bool]:
        """Whether nobody else is inside now; held by an advisory lock until the end."""
        with answering(self._engine) as connection:
            mine = bool(connection.execute(select(func.pg_try_advisory_lock(_LOCK))).scalar_one())
            try:
                yield mine
            finally:
                if mine:
                    connection.execute(select(func.pg_advisory_unlock(_LOCK)))

    def waiting_to_submit(self, account: str) -> Iterator[list[Waiting]]:
        """Every generation of the account that waits to be submitted, oldest first; then again what moved meanwhile.

        So one that was being submitted, and waits again before this ends, may be read twice but is never missed.
        """
        waiting = and_(_ROW.status == Status.PENDING, _ROW.account == account)
        began_at = self._moment(STATEMENT_TIMEOUT_S)
        yield from self._pages(waiting, _OLDEST_FIRST)
        yield from self._pages(and_(waiting, _ROW.updated_at > began_at), _OLDEST_FIRST)

    def _moment(self, ago_s: float) -> datetime:
        """So many seconds ago: what a statement under way now will write is not older."""
        with answering(self._engine) as connection:
            moment: datetime = connection.execute(select(func.now() - _seconds(ago_s))).scalar_one()
            return moment

    def being_watched(self, account: str, *, late_by_s: float | None = None) -> Iterator[list[Waiting]]:
        """Every generation that belongs in the status lane; with ``late_by_s`` only those whose look is that late."""
        for watched in _WATCHED:
            theirs = and_(watched, _ROW.account == account)
            if late_by_s is not None:
                theirs = and_(theirs, _ROW.next_check_at < func.now() - _seconds(late_by_s))
            yield from self._pages(theirs)

    def stale_submits(self, account: str, older_than_s: float) -> Iterator[list[Waiting]]:
        """Submits of the account that began so long ago that their worker must be gone."""
        old = _ROW.updated_at < func.now() - _seconds(older_than_s)
        return self._pages(and_(_ROW.status == Status.SUBMITTING, _ROW.account == account, old))

    def suspects(self, before: datetime, account: str | None = None) -> Iterator[list[Waiting]]:
        """Generations, of one account or of all, accepted before a moment and not sent, as far as rows know."""
        unsent = and_(_ROW.status.in_([Status.PENDING, Status.SUBMITTING]), _ROW.created_at < before)
        return self._pages(unsent if account is None else and_(unsent, _ROW.account == account), _OLDEST_FIRST)

    def left_unknown(self, account: str) -> Iterator[list[Waiting]]:
        """Generations of the account that are unknown, and were never looked up nor left to a person."""
        unasked = and_(_ROW.next_check_at.is_(None), _ROW.looked_up.is_(None))
        return self._pages(and_(_ROW.status == Status.UNKNOWN, _ROW.account == account, unasked))

    def late_looks(self, by_s: float) -> tuple[int, float]:
        """How many looks are later than ``by_s`` seconds, and by how many seconds the oldest is."""
        query = select(func.count(), func.coalesce(-func.min(_until(_ROW.next_check_at)), 0.0))
        late = _ROW.next_check_at < func.now() - _seconds(by_s)
        with answering(self._engine) as connection:
            count, oldest_s = connection.execute(query.where(_ROW.status == Status.PROCESSING, late)).one()
            return int(count), float(oldest_s)

    def undecided(self) -> int:
        """How many unknown generations wait for a person."""
        query = select(func.count()).where(_ROW.status == Status.UNKNOWN, _ROW.next_check_at.is_(None))
        with answering(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def _pages(self, where: ColumnElement[bool], order: Sequence[Column[Any]] = _BY_ID) -> Iterator[list[Waiting]]:
        rest = where
        while True:
            rows = self._page(rest, order)
            if rows:
                yield [_waiting(row) for row in rows]
            if len(rows) < _PAGE:
                return
            rest = and_(where, tuple_(*order) > tuple(rows[-1][column.name] for column in order))

    def _page(self, where: ColumnElement[bool], order: Sequence[Column[Any]]) -> Sequence[RowMapping]:
        query = select(
            _ROW.id,
            _ROW.owner,
            _ROW.priority,
            _ROW.status,
            _ROW.created_at,
            func.greatest(0.0, _until(_ROW.next_check_at)).label("countdown"),
            func.greatest(0.0, _until(_ROW.deadline_at)).label("remaining_s"),
        )
        with answering(self._engine) as connection:
            return connection.execute(query.where(where).order_by(*order).limit(_PAGE)).mappings().all()


def _waiting(row: RowMapping) -> Waiting:
    values = {field.name: row[field.name] for field in fields(Waiting)}
    return Waiting(**{**values, "status": Status(row["status"])})


def _until(moment: ColumnElement[object]) -> ColumnElement[float]:
    """Seconds from now to ``moment``; NULL, and so 0 under ``greatest``, when there is none."""
    return cast(func.extract("epoch", moment - func.now()), Float)


def _seconds(seconds: float) -> ColumnElement[object]:
    return func.make_interval(0, 0, 0, 0, 0, 0, literal(seconds, Float))
