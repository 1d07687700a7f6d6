"""What an owner may see and do: every statement says whose generations it means."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.errors import QueryCanceled
from sqlalchemy import ColumnElement, Float, cast, func, select, tuple_

from vidpoll.errors import GenerationNotFound, InvalidRequest, StoreUnavailable
from vidpoll.generation import Generation, Status
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.reading import generation_columns, to_generation
from vidpoll.store.tables import generations
from vidpoll.store.times import later

_ROW: Final = generations.c
#: All together, and each model of each provider.
_WHOSE: Final = (_ROW.provider, _ROW.model)
_BY_MODEL: Final = func.grouping_sets(tuple_(), tuple_(*_WHOSE))


@dataclass(frozen=True, slots=True)
class Statistics:
    """How generations of a while ended; averages and quantiles are None where there is nothing to count.

    Attributes:
        provider, model: whose; None for all together.
        total: accepted in that while.
        completed, failed, cancelled: so many of them ended so; the others have not ended.
        late: completed after they had failed by time-out.
        average_completion_s, p50_completion_s, p90_completion_s: from the request to the video.
        average_run_s: from the provider's acceptance to the video.
        average_queue_s: from the request to the paid call.
        average_detection_s: for how long a video was there before it was seen, taken as half of the time since the look
            before, at which it was not.
        average_checks: looks at the provider for one that ended.
        average_submits: paid calls tried for one that ended.
        errors: how many failed, by the error's code.
    """

    provider: str | None
    model: str | None
    total: int
    completed: int
    failed: int
    cancelled: int
    late: int
    average_completion_s: float | None
    p50_completion_s: float | None
    p90_completion_s: float | None
    average_run_s: float | None
    average_queue_s: float | None
    average_detection_s: float | None
    average_checks: float | None
    average_submits: float | None
    errors: dict[str, int]

    @property
    def success_rate(self) -> float | None:
        """Share of the completed among those that completed or failed; None when none did."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else None

    def to_json(self) -> dict[str, Any]:
        """Everything, with the success rate."""
        return asdict(self) | {"success_rate": self.success_rate}


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

    def open_by_account(self) -> dict[tuple[Status, str, str | None], tuple[int, float]]:
        """Everybody's, by status, provider and account; None for those that have no account yet."""
        age = cast(func.extract("epoch", func.now() - func.min(_ROW.created_at)), Float)
        by = (_ROW.status, _ROW.provider, _ROW.account)
        query = select(*by, func.count(), age).where(_ROW.completed_at.is_(None)).group_by(*by)
        with answering(self._engine) as connection:
            return {
                (Status(status), provider, account): (int(count), float(oldest_s))
                for status, provider, account, count, oldest_s in connection.execute(query)
            }

    def maybe_sent_by_account(self) -> dict[str, int]:
        """Those that wait to be sent again under our id, since a paid call left and was not answered."""
        query = select(_ROW.account, func.count()).where(_ROW.status == Status.PENDING, _ROW.maybe_sent)
        with answering(self._engine) as connection:
            return {str(account): int(count) for account, count in connection.execute(query.group_by(_ROW.account))}

    def statistics(
        self, owner: str | None, hours: float, *, provider: str | None = None, model: str | None = None
    ) -> tuple[Statistics, list[Statistics]]:
        """How those accepted within the last ``hours`` ended: all together, and by provider and model.

        Raises:
            InvalidRequest: they are too many to be counted in the time a statement has.
        """
        recent = [_ROW.created_at > later(-3600 * hours), *_of(owner)]
        recent += [column == value for column, value in ((_ROW.provider, provider), (_ROW.model, model)) if value]
        ended, completed = _ROW.completed_at.is_not(None), _ROW.status == Status.COMPLETED
        in_all = _seconds(_ROW.completed_at - _ROW.created_at)
        seen_before = func.greatest(_ROW.last_pending_at, _ROW.submitted_at)
        query = select(
            *_WHOSE,
            func.count().label("total"),
            func.count().filter(completed).label("completed"),
            func.count().filter(_ROW.status == Status.FAILED).label("failed"),
            func.count().filter(_ROW.status == Status.CANCELLED).label("cancelled"),
            func.count().filter(completed, _ROW.result["late"].astext == "true").label("late"),
            _average(in_all, completed).label("average_completion_s"),
            _quantile(0.5, in_all, completed).label("p50_completion_s"),
            _quantile(0.9, in_all, completed).label("p90_completion_s"),
            _average(_seconds(_ROW.completed_at - _ROW.submitted_at), completed).label("average_run_s"),
            _average(_seconds(_ROW.sent_at - _ROW.created_at), ended).label("average_queue_s"),
            _average(_seconds(_ROW.completed_at - seen_before) / 2, completed).label("average_detection_s"),
            _average(_ROW.checks, ended).label("average_checks"),
            _average(_ROW.submit_attempts, ended).label("average_submits"),
        )
        code = _ROW.error["code"].astext
        by_code = select(*_WHOSE, code.label("code"), func.count().label("times")).where(_ROW.status == Status.FAILED)
        try:
            with answering(self._engine) as connection:
                rows = connection.execute(query.where(*recent).group_by(_BY_MODEL)).mappings().all()
                failed = connection.execute(by_code.where(*recent).group_by(_BY_MODEL, code)).mappings().all()
        except StoreUnavailable as error:
            if isinstance(getattr(error.__cause__, "orig", None), QueryCanceled):
                raise InvalidRequest(["hours: these are too many to be counted in time; ask for fewer hours"]) from None
            raise
        errors: dict[tuple[str | None, str | None], dict[str, int]] = defaultdict(dict)
        for row in sorted(failed, key=lambda row: -row["times"]):
            errors[row["provider"], row["model"]][str(row["code"])] = int(row["times"])
        found = [Statistics(**row, errors=errors[row["provider"], row["model"]]) for row in rows]
        (everything,) = (one for one in found if one.model is None)
        models = [one for one in found if one.model is not None]
        return everything, sorted(models, key=lambda one: (one.provider or "", one.model or ""))


def _of(owner: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if owner is None else (_ROW.owner == owner,)


def _average(what: ColumnElement[Any], where: ColumnElement[bool]) -> ColumnElement[Any]:
    return cast(func.avg(what).filter(where), Float)


def _quantile(share: float, what: ColumnElement[Any], where: ColumnElement[bool]) -> ColumnElement[Any]:
    return cast(func.percentile_cont(share).within_group(what).filter(where), Float)


def _seconds(interval: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.extract("epoch", interval)
