"""What an owner may see and do: every statement says whose generations it means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Float, cast, func, select, tuple_

from vidpoll.errors import GenerationNotFound
from vidpoll.generation import Generation, Status
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.moving import later
from vidpoll.store.reading import generation_columns, to_generation
from vidpoll.store.tables import generations

_ROW: Final = generations.c


@dataclass(frozen=True, slots=True)
class Statistics:
    """How an owner's generations of a while ended.

    Attributes:
        total: accepted in that while.
        completed, failed, cancelled: so many of them ended so; the others have not ended.
        late: completed after they had failed by time-out.
        average_completion_s: from the request to the video; None without one.
        average_run_s: from the provider's acceptance to the video; None without one.
        average_checks: looks at the provider for one that ended.
        average_submits: paid calls tried for one that ended.
        errors: how many failed, by the error's code.
    """

    total: int
    completed: int
    failed: int
    cancelled: int
    late: int
    average_completion_s: float | None
    average_run_s: float | None
    average_checks: float | None
    average_submits: float | None
    errors: dict[str, int]

    @property
    def success_rate(self) -> float | None:
        """Share of the completed among those that completed or failed; None when none did."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else None


class Owned(EngineBound):
    """Reads by owner; ``None`` as owner means everybody's, for operators."""

    def get_of(self, owner: str, id: UUID) -> Generation:
        """The owner's generation.

        Raises:
            GenerationNotFound: the owner has none with this id, though somebody else may.
        """
        query = select(*generation_columns()).where(_ROW.id == id, _ROW.owner == owner)
        with answering(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise GenerationNotFound(id)
        return to_generation(row)

    def page_of(
        self,
        owner: str,
        *,
        status: Status | None = None,
        project_id: str | None = None,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> Sequence[Generation]:
        """The owner's newest generations, older than the one ``before`` names by its creation and id."""
        query = select(*generation_columns()).where(_ROW.owner == owner)
        if status is not None:
            query = query.where(_ROW.status == status)
        if project_id is not None:
            query = query.where(_ROW.project_id == project_id)
        if before is not None:
            # The first condition is implied by the second; it is the one an index can serve.
            query = query.where(_ROW.created_at <= before[0], tuple_(_ROW.created_at, _ROW.id) < tuple_(*before))
        query = query.order_by(_ROW.created_at.desc(), _ROW.id.desc()).limit(limit)
        with answering(self._engine) as connection:
            return [to_generation(row) for row in connection.execute(query).mappings()]

    def open_by_status(self, owner: str | None) -> dict[Status, tuple[int, float]]:
        """Of those that have not ended, by status: how many, and the oldest one's age in seconds."""
        age = cast(func.extract("epoch", func.now() - func.min(_ROW.created_at)), Float)
        query = select(_ROW.status, func.count(), age).where(_ROW.completed_at.is_(None), *_of(owner))
        with answering(self._engine) as connection:
            rows = connection.execute(query.group_by(_ROW.status)).all()
            return {Status(status): (int(count), float(oldest_s)) for status, count, oldest_s in rows}

    def statistics(self, owner: str | None, hours: float) -> Statistics:
        """How those accepted within the last ``hours`` ended."""
        recent = (_ROW.created_at > later(-3600 * hours), *_of(owner))
        ended, completed = _ROW.completed_at.is_not(None), _ROW.status == Status.COMPLETED
        query = select(
            func.count().label("total"),
            func.count().filter(completed).label("completed"),
            func.count().filter(_ROW.status == Status.FAILED).label("failed"),
            func.count().filter(_ROW.status == Status.CANCELLED).label("cancelled"),
            func.count().filter(completed, _ROW.result["late"].astext == "true").label("late"),
            _average(_seconds(_ROW.completed_at - _ROW.created_at), completed).label("average_completion_s"),
            _average(_seconds(_ROW.completed_at - _ROW.submitted_at), completed).label("average_run_s"),
            _average(_ROW.checks, ended).label("average_checks"),
            _average(_ROW.submit_attempts, ended).label("average_submits"),
        ).where(*recent)
        code = _ROW.error["code"].astext
        by_code = select(code, func.count()).where(_ROW.status == Status.FAILED, *recent).group_by(code)
        with answering(self._engine) as connection:
            counted: Mapping[str, Any] = dict(connection.execute(query).mappings().one())
            errors = {str(code): int(count) for code, count in connection.execute(by_code)}
        return Statistics(**counted, errors=errors)


def _of(owner: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if owner is None else (_ROW.owner == owner,)


def _average(what: ColumnElement[Any], where: ColumnElement[bool]) -> ColumnElement[Any]:
    return cast(func.avg(what).filter(where), Float)


def _seconds(interval: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.extract("epoch", interval)
