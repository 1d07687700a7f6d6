"""How projects stand: their steps together with the generations that tell of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Float, bindparam, cast, func, or_, select, text
from sqlalchemy.types import DateTime, Text, Uuid

from vidpoll.errors import ProjectNotFound
from vidpoll.generation import Status
from vidpoll.projects.plan import StepRequest
from vidpoll.projects.standing import Project, ProjectStatus, State, Step, document_of
from vidpoll.results import moment_of
from vidpoll.store.archive_tables import archived_files
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import generations, project_steps, projects

_PROJECT: Final = projects.c
_STEP: Final = project_steps.c
_ROW: Final = generations.c
#: What is told of a step whose generation was pruned.
_PRUNED: Final = {"code": "pruned", "message": "its generation was pruned", "retryable": True}


@dataclass(frozen=True, slots=True)
class ProjectLine:
    """A project in a list: how many of its steps stand how.

    Attributes:
        running: steps that have a generation that has not ended.
        doing: what the first of those does, in words; None if none runs.
        share: what is done of all steps, by weight, 0 to 1.
    """

    id: UUID
    owner: str
    name: str
    status: ProjectStatus
    version: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    total: int
    completed: int
    failed: int
    cancelled: int
    skipped: int
    running: int
    doing: str | None
    share: float


class ProjectReading(EngineBound):
    """What is read of projects."""

    def project(self, id: UUID, *, owner: str | None = None) -> Project:
        """How a project stands, with its steps; one statement. With ``owner`` only if it is theirs.

        Raises:
            ProjectNotFound: there is none.
        """
        with answering(self._engine) as connection:
            found = read(connection, id, owner)
        if found is None:
            raise ProjectNotFound(id)
        return found

    def project_results_ending(self, id: UUID, within_s: float) -> list[UUID]:
        """Generations of a project whose results' addresses have ended, or do within so many seconds."""
        told, file_ends = _ROW.result["expires_at"].astext, func.min(archived_files.c.expires_at)
        results = project_steps.join(generations, _ROW.id == _STEP.generation_id).outerjoin(
            archived_files, archived_files.c.generation_id == _ROW.id
        )
        query = select(_ROW.id, told, file_ends, func.now()).select_from(results)
        query = query.where(_STEP.project_id == id, _ROW.status == Status.COMPLETED).group_by(_ROW.id)
        query = query.having(or_(told.is_not(None), file_ends.is_not(None)))
        with answering(self._engine) as connection:
            rows = connection.execute(query).all()
        soon = timedelta(seconds=within_s)
        return [row[0] for row in rows if any(end < row[3] + soon for end in (moment_of(row[1]), row[2]) if end)]

    def project_list(
        self, owner: str | None, *, before: tuple[datetime, UUID] | None = None, limit: int = 50
    ) -> list[ProjectLine]:
        """The owner's newest projects, or everybody's, older than the one ``before`` names by its creation and id."""
        before_at, before_id = before or (None, None)
        given = {"owner": owner, "before_at": before_at, "before_id": before_id, "limit": limit}
        with answering(self._engine) as connection:
            rows = connection.execute(_LIST, given).mappings()
            return [ProjectLine(**{**row, "status": ProjectStatus(row["status"])}) for row in rows]


def read(connection: Connection, id: UUID, owner: str | None = None) -> Project | None:
    """How a project stands, as the connection's transaction sees it; one statement."""
    since = cast(func.extract("epoch", func.clock_timestamp() - _PROJECT.last_start_at), Float)
    columns = (
        *projects.c, *project_steps.c, since.label("started_s"), _ROW.status, _ROW.operation_name, _ROW.progress,
        _ROW.stage, _ROW.video_url, _ROW.result, _ROW.error, _ROW.version, _ROW.cancel_requested_at,
        _ROW.maybe_sent,
    )  # fmt: skip
    joined = projects.join(project_steps, _STEP.project_id == _PROJECT.id)
    joined = joined.outerjoin(generations, _ROW.id == _STEP.generation_id)
    query = select(*columns).select_from(joined).where(_PROJECT.id == id, *of_owner(owner)).order_by(_STEP.position)
    rows = connection.execute(query).mappings().all()
    if not rows:
        return None
    first = rows[0]
    return Project(
        id=first[_PROJECT.id], owner=first[_PROJECT.owner], name=first[_PROJECT.name],
        status=ProjectStatus(first[_PROJECT.status]), version=first[_PROJECT.version],
        created_at=first[_PROJECT.created_at], updated_at=first[_PROJECT.updated_at],
        completed_at=first[_PROJECT.completed_at], idempotency_key=first[_PROJECT.idempotency_key],
        max_parallel=first[_PROJECT.max_parallel], pace_s=first[_PROJECT.pace_s],
        on_failure=first[_PROJECT.on_failure], cancel_requested=first[_PROJECT.cancel_requested_at] is not None,
        started_s=first["started_s"], steps=tuple(map(_step, rows)),
    )  # fmt: skip


def _step(row: Mapping[Any, Any]) -> Step:
    asked = StepRequest.model_construct(
        key=row[_STEP.key], after=row[_STEP.after], weight=row[_STEP.weight], **row[_STEP.spec]
    )
    step = Step(asked, attempt=row[_STEP.attempt], generation_id=row[_STEP.generation_id], retry_of=row[_STEP.retry_of])
    return replace(step, **(_as_its_generation(row) if step.generation_id else _without_generation(row)))


def _as_its_generation(row: Mapping[Any, Any]) -> dict[str, Any]:
    if row[_ROW.status] is None:
        return {"state": State.FAILED, "error": _PRUNED}
    state = State(row[_ROW.status])
    told = {
        "state": state, "error": row[_ROW.error] if state is State.FAILED else None, "progress": row[_ROW.progress],
        "stage": row[_ROW.stage], "video_url": row[_ROW.video_url], "version": row[_ROW.version],
        "cancel_requested": row[_ROW.cancel_requested_at] is not None, "maybe_sent": row[_ROW.maybe_sent],
    }  # fmt: skip
    if state is State.COMPLETED:
        told["document"] = document_of(
            row[_STEP.generation_id], row[_ROW.operation_name], row[_ROW.video_url], row[_ROW.result]
        )
    return told


def _without_generation(row: Mapping[Any, Any]) -> dict[str, Any]:
    if row[_STEP.skipped] is not None:
        return {"state": State.SKIPPED, "reason": row[_STEP.skipped]}
    if row[_STEP.error] is not None:
        return {"state": State.FAILED, "error": row[_STEP.error]}
    if row[_STEP.result] is not None:
        return {"state": State.COMPLETED, "document": row[_STEP.result], "progress": 100}
    return {}


def of_owner(owner: str | None) -> tuple[ColumnElement[bool], ...]:
    """The condition that it is theirs; none for operators."""
    return () if owner is None else (_PROJECT.owner == owner,)


_LIST: Final = text((Path(__file__).parent / "project_list.sql").read_text()).bindparams(
    bindparam("owner", type_=Text),
    bindparam("before_at", type_=DateTime(timezone=True)),
    bindparam("before_id", type_=Uuid),
)
