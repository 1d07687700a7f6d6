"""What the restore job looks for: rows that should be in a lane, and submits nobody finished."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ColumnElement, RowMapping, and_, cast, func, literal, or_, select, tuple_
from sqlalchemy.types import Float

from vidpoll.generation import Status
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import generations

_ROW: Final = generations.c
_PAGE: Final = 2000
#: What belongs in a status lane: what the provider has, what timed out and may be done late, what is looked up.
_WATCHED: Final = or_(
    _ROW.status == Status.PROCESSING,
    and_(_ROW.status == Status.FAILED, _ROW.watch_until.is_not(None)),
    and_(_ROW.status == Status.UNKNOWN, _ROW.next_check_at.is_not(None)),
)
#: Orders of pages. One that moves on meanwhile gets a later ``updated_at``: it may be read twice, but is never missed.
_BY_ID: Final = (_ROW.id,)
_OLDEST_FIRST: Final = (_ROW.updated_at, _ROW.id)
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
        return self._by_account(_WATCHED)

    def late_by_account(self) -> dict[str, int]:
        """How many generations of each account timed out and are still watched."""
        return self._by_account(and_(_ROW.status == Status.FAILED, _ROW.watch_until.is_not(None)))

    def _by_account(self, where: ColumnElement[bool]) -> dict[str, int]:
        query = select(_ROW.account, func.count()).where(where).group_by(_ROW.account)
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
        """Every generation of the account that waits to be submitted; those that have waited longest first."""
        return self._pages(and_(_ROW.status == Status.PENDING, _ROW.account == account), _OLDEST_FIRST)

    def being_watched(self, account: str, *, late_by_s: float | None = None) -> Iterator[list[Waiting]]:
        """Every generation that belongs in the status lane; with ``late_by_s`` only those whose look is that late."""
        watched = and_(_WATCHED, _ROW.account == account)
        if late_by_s is not None:
            watched = and_(watched, _ROW.next_check_at < func.now() - _seconds(late_by_s))
        return self._pages(watched)

    def stale_submits(self, account: str, older_than_s: float) -> Iterator[list[Waiting]]:
        """Submits of the account that began so long ago that their worker must be gone."""
        old = _ROW.updated_at < func.now() - _seconds(older_than_s)
        return self._pages(and_(_ROW.status == Status.SUBMITTING, _ROW.account == account, old))

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
            _ROW.updated_at,
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
