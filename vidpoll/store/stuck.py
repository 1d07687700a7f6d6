"""What the restore job looks for: rows that should be in a lane, and submits nobody finished."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, cast, func, literal, select
from sqlalchemy.types import Float

from vidpoll.generation import Status
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import generations

_ROW: Final = generations.c
_PAGE: Final = 2000
#: Any constant of our own, another than the migrations'.
_LOCK: Final = 0x7265_7374_6F72_65


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that belongs in a lane.

    Attributes:
        countdown: seconds until it should be looked at; 0 when that has passed.
        remaining_s: seconds until its deadline, 0 when there is none or it has passed.
    """

    id: UUID
    priority: int
    countdown: float
    remaining_s: float


class Stuck(EngineBound):
    """Queries of the restore job; each reads pages by id, so that a large backlog costs no memory."""

    def counts_by_account(self, *statuses: Status) -> dict[str, int]:
        """How many generations of each account stand in one of ``statuses``; those not pinned yet are not counted."""
        query = select(_ROW.account, func.count()).where(_ROW.status.in_(statuses), _ROW.account.is_not(None))
        with answering(self._engine) as connection:
            found = connection.execute(query.group_by(_ROW.account))
            return {str(account): int(count) for account, count in found}

    def unpinned(self, older_than_s: float) -> Iterator[list[Waiting]]:
        """Generations whose row was made so long ago that the message about it must be lost."""
        old = _ROW.created_at < func.now() - _seconds(older_than_s)
        return self._pages(and_(_ROW.status == Status.PENDING, _ROW.account.is_(None), old))

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
        """Every generation of the account that waits to be submitted."""
        return self._pages(and_(_ROW.status == Status.PENDING, _ROW.account == account))

    def being_watched(self, account: str, *, late_by_s: float | None = None) -> Iterator[list[Waiting]]:
        """Every generation the account watches; with ``late_by_s`` only those whose check is that late."""
        watched = and_(_ROW.status == Status.PROCESSING, _ROW.account == account)
        if late_by_s is not None:
            watched = and_(watched, _ROW.next_check_at < func.now() - _seconds(late_by_s))
        return self._pages(watched)

    def stale_submits(self, older_than_s: float) -> list[tuple[UUID, str]]:
        """Ids and accounts of submits that began so long ago that their worker must be gone."""
        query = select(_ROW.id, _ROW.account).where(
            _ROW.status == Status.SUBMITTING, _ROW.updated_at < func.now() - _seconds(older_than_s)
        )
        with answering(self._engine) as connection:
            return [(id, account) for id, account in connection.execute(query)]

    def _pages(self, where: ColumnElement[bool]) -> Iterator[list[Waiting]]:
        last: UUID | None = None
        while True:
            page = self._page(where if last is None else and_(where, _ROW.id > last))
            if page:
                yield page
            if len(page) < _PAGE:
                return
            last = page[-1].id

    def _page(self, where: ColumnElement[bool]) -> list[Waiting]:
        query = select(
            _ROW.id,
            _ROW.priority,
            func.greatest(0.0, _until(_ROW.next_check_at)).label("countdown"),
            func.greatest(0.0, _until(_ROW.deadline_at)).label("remaining_s"),
        )
        with answering(self._engine) as connection:
            rows = connection.execute(query.where(where).order_by(_ROW.id).limit(_PAGE))
            return [Waiting(**row) for row in rows.mappings()]


def _until(moment: ColumnElement[object]) -> ColumnElement[float]:
    """Seconds from now to ``moment``; NULL, and so 0 under ``greatest``, when there is none."""
    return cast(func.extract("epoch", moment - func.now()), Float)


def _seconds(seconds: float) -> ColumnElement[object]:
    return func.make_interval(0, 0, 0, 0, 0, 0, literal(seconds, Float))
