"""Projects in Postgres: admitted whole, advanced in one transaction, retried and cancelled. Reading is apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Float, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import Uuid

from vidpoll.errors import IdempotencyConflict, ProjectNotFound, WrongState
from vidpoll.projects.advance import Moves
from vidpoll.projects.plan import ProjectRequest, StepRequest
from vidpoll.projects.standing import Project, ProjectStatus, State, Step
from vidpoll.projects.view import project_json
from vidpoll.store.accepting import accept_in
from vidpoll.store.engine import answering, transaction
from vidpoll.store.project_reading import ProjectReading, of_owner, read
from vidpoll.store.tables import generations, project_outbox, project_steps, projects
from vidpoll.store.times import later
from vidpoll.store.webhook_tables import project_events

_PROJECT: Final = projects.c
_STEP: Final = project_steps.c
_ROW: Final = generations.c
#: What a step has a column of its own for; the rest of what was asked for is its ``spec``.
_OWN_COLUMNS: Final = {"key", "after", "weight"}
#: What to do when the steps are known under another name or with other options.
_GO_ON: Final = (
    "nothing was paid; see how that one goes with `vidpoll project watch {id}`, or submit it as it was;"
    " to pay for the same steps again give an idempotency_key of its own, or say `vidpoll project submit --again`"
)


@dataclass(frozen=True, slots=True)
class Admitted:
    """The project that answers a request.

    Attributes:
        new: this request made it; False when it was there already.
    """

    id: UUID
    new: bool


@dataclass(frozen=True, slots=True)
class Advanced:
    """What an advance committed, and leaves to be done.

    Attributes:
        started: generations that were made, in their order: rows that wait for an account.
        cancel: generations that are to be cancelled.
        withdraw: generations that are to be cancelled if no paid call was made for them.
        again_s: seconds until it should be advanced again, where nothing else will call for it.
        ended: it ended by this advance.
    """

    status: ProjectStatus
    started: tuple[UUID, ...]
    cancel: tuple[UUID, ...]
    withdraw: tuple[UUID, ...]
    again_s: float | None
    ended: bool = False


class StoredProjects(ProjectReading):
    """What is written of projects, and read."""

    def admit(self, request: ProjectRequest, id: UUID) -> Admitted:
        """The project for ``request``, made with all of its steps if its key is not known yet; all of it or nothing.

        Raises:
            IdempotencyConflict: its key, or its steps where it has none, belong to another project.
        """
        key, fingerprint = request.idempotency_key or request.steps_key(), request.fingerprint()
        values = {
            **request.model_dump(exclude={"steps"}), "id": id, "idempotency_key": key, "request_hash": fingerprint,
        }  # fmt: skip
        made = postgresql.insert(projects).values(values).on_conflict_do_nothing().returning(_PROJECT.id)
        with transaction(self._engine) as connection:
            if connection.execute(made).one_or_none():
                connection.execute(insert(project_steps), [_values(id, *one) for one in enumerate(request.steps)])
                return Admitted(id, new=True)
            same = (_PROJECT.owner == request.owner, _PROJECT.idempotency_key == key)
            found = connection.execute(select(_PROJECT.id, _PROJECT.request_hash).where(*same)).one()
        if found.request_hash != fingerprint:
            if request.idempotency_key is None:
                raise IdempotencyConflict("these steps", found.id, "project", _GO_ON.format(id=found.id))
            raise IdempotencyConflict(f"idempotency key {key!r}", found.id, "project")
        return Admitted(found.id, new=False)

    # -- advancing ----------------------------------------------------------------------------------------------------

    def advance_project(self, id: UUID, decide: Callable[[Project], Moves]) -> Advanced | None:
        """Do what ``decide`` says follows from how the project stands, in one transaction; None if there is none.

        Of two at once the second waits, and finds it done. What a step's generation looks like after is the row's to
        tell; the lines that called for this are gone with the commit.
        """
        with transaction(self._engine) as connection:
            # Not FOR UPDATE: nobody who only refers to the project is to wait for us.
            lock = select(_PROJECT.id).where(_PROJECT.id == id).with_for_update(key_share=True)
            there = connection.execute(lock).one_or_none() is not None
            lines = connection.execute(delete(project_outbox).where(project_outbox.c.project_id == id)).rowcount
            project = read(connection, id) if there else None
            if project is None:
                return None
            advanced = _moved(connection, project, decide(project), lines)
        if advanced.started:
            self._on_events()
        if advanced.ended:
            self._on_webhooks()
        return advanced

    def projects_due(self, *, soon_s: float, at_latest_s: float) -> list[UUID]:
        """Projects that should have been advanced, and were not; see ``projects_due.sql``."""
        with answering(self._engine) as connection:
            return list(connection.execute(_DUE, {"soon_s": soon_s, "at_latest_s": at_latest_s}).scalars())

    def projects_stuck(self, longer_than_s: float) -> list[UUID]:
        """Running projects not advanced for so many seconds beyond their pace: the oldest first, a thousand at most."""
        advanced_at = func.coalesce(_PROJECT.advanced_at, _PROJECT.created_at)
        stuck = advanced_at < later(-longer_than_s) - func.make_interval(0, 0, 0, 0, 0, 0, _PROJECT.pace_s)
        query = select(_PROJECT.id).where(_PROJECT.status == ProjectStatus.RUNNING, stuck)
        with answering(self._engine) as connection:
            return list(connection.execute(query.order_by(advanced_at).limit(1000)).scalars())

    # -- what somebody asks for ---------------------------------------------------------------------------------------

    def retry_project(self, id: UUID, *, owner: str | None = None) -> list[str]:
        """Have what failed or was cancelled tried again, and paid again, at the next advance; the keys of those steps.

        A cancel of the project is taken back.

        Raises:
            ProjectNotFound: there is none.
            WrongState: a step is still being cancelled, and would end so after all.
        """
        with transaction(self._engine) as connection:
            was_cancelled = _locked(connection, id, owner).cancel_requested_at is not None
            if was_cancelled and (going := _being_cancelled(connection, id)):
                raise WrongState(f"{', '.join(going)}: still being cancelled; wait until it has ended, then retry")
            keys = sorted(connection.execute(_RETRY, {"id": id}).scalars())
            if keys or was_cancelled:
                anew = {"status": ProjectStatus.RUNNING, "completed_at": None, "cancel_requested_at": None}
                connection.execute(_changed(id).values(**anew))
        return keys

    def cancel_project(self, id: UUID, *, owner: str | None = None) -> bool:
        """Have nothing more started, and what runs cancelled, at the next advance; False where it cannot go on anyway.

        One that failed could: when a step is done late. It is cancelled at once.

        Raises:
            ProjectNotFound: there is none.
        """
        with transaction(self._engine) as connection:
            found = _locked(connection, id, owner)
            status = ProjectStatus(found.status)
            if status in (ProjectStatus.COMPLETED, ProjectStatus.CANCELLED):
                return False
            if found.cancel_requested_at is None:
                now = ProjectStatus.CANCELLED if status is ProjectStatus.FAILED else status
                connection.execute(_changed(id).values(cancel_requested_at=func.now(), status=now))
                if now is not status:
                    _tell_end(connection, id)
        return True


# -- in the transaction -----------------------------------------------------------------------------------------------


def _locked(connection: Connection, id: UUID, owner: str | None) -> Any:
    query = select(_PROJECT.status, _PROJECT.cancel_requested_at).where(_PROJECT.id == id, *of_owner(owner))
    found = connection.execute(query.with_for_update(key_share=True)).one_or_none()
    if found is None:
        raise ProjectNotFound(id)
    return found


def _being_cancelled(connection: Connection, id: UUID) -> list[str]:
    """Keys of the steps that somebody asked to be cancelled, and that have not ended."""
    mine = project_steps.join(generations, _ROW.id == _STEP.generation_id)
    going = (_STEP.project_id == id, _ROW.completed_at.is_(None), _ROW.cancel_requested_at.is_not(None))
    return list(
        connection.execute(select(_STEP.key).select_from(mine).where(*going).order_by(_STEP.position)).scalars()
    )


def _values(project_id: UUID, position: int, step: StepRequest) -> dict[str, Any]:
    spec = step.model_dump(mode="json", exclude=_OWN_COLUMNS, exclude_defaults=True)
    own = {"key": step.key, "after": step.after, "weight": step.weight}
    return {"project_id": project_id, "position": position, "spec": spec, **own}


def _moved(connection: Connection, project: Project, moves: Moves, lines: int) -> Advanced:
    started, refused = _start(connection, project, moves)
    _write(connection, project.id, [*moves.changed, *refused])
    is_new = bool(lines or started or refused or moves.changed or moves.status is not project.status)
    values: dict[str, Any] = {"advanced_at": func.clock_timestamp()}
    if started:
        values["last_start_at"] = func.clock_timestamp()
    if is_new:
        ended_at = func.coalesce(_PROJECT.completed_at, func.now()) if moves.status.ended else None
        values |= {"status": moves.status, "completed_at": ended_at}
    statement = _changed(project.id) if is_new else update(projects).where(_PROJECT.id == project.id)
    connection.execute(statement.values(**values))
    again_s = 0.0 if refused else moves.again_s
    ended = moves.status.ended and moves.status is not project.status
    if ended:
        _tell_end(connection, project.id)
    return Advanced(moves.status, started, moves.cancel, moves.withdraw, again_s, ended)


def _start(connection: Connection, project: Project, moves: Moves) -> tuple[tuple[UUID, ...], list[Step]]:
    """Make the generations; those made, and steps whose id another request already has, which must not be paid."""
    outcomes = accept_in(connection, [(request, None) for request in moves.start.values()], step_of=project.id)
    asked = {step.key: step.asked for step in project.steps}
    taken: list[dict[str, Any]] = []
    refused: list[Step] = []
    for (key, request), outcome in zip(moves.start.items(), outcomes, strict=True):
        if isinstance(outcome, IdempotencyConflict):
            error = {"code": outcome.code, "message": str(outcome), "retryable": True}
            refused.append(Step(asked[key], State.FAILED, error=error))
        else:
            taken.append({"of": project.id, "named": key, "id": request.id})
    if taken:
        row = (_STEP.project_id == bindparam("of"), _STEP.key == bindparam("named"))
        values: dict[str, Any] = {"generation_id": bindparam("id"), "skipped": None}
        connection.execute(update(project_steps).where(*row).values(**values), taken)
    return tuple(one["id"] for one in taken), refused


def _write(connection: Connection, project_id: UUID, steps: Sequence[Step]) -> None:
    if not steps:
        return
    row = (_STEP.project_id == bindparam("of"), _STEP.key == bindparam("named"))
    values = {
        "skipped": bindparam("reason"),
        "error": bindparam("failure", type_=_STEP.error.type),
        "result": bindparam("document", type_=_STEP.result.type),
    }
    connection.execute(
        update(project_steps).where(*row, _STEP.generation_id.is_(None)).values(**values),
        [
            {"of": project_id, "named": one.key, "reason": one.reason, "failure": one.error, "document": one.document}
            for one in steps
        ],
    )


def _tell_end(connection: Connection, id: UUID) -> None:
    """Write down that it ended, and how it stands, for whoever is told of it; in the transaction that ended it."""
    project = read(connection, id)
    if project is None:
        return
    document = {name: value for name, value in project_json(project).items() if name not in ("clips", "steps")}
    event = {"project_id": id, "owner": project.owner, "version": project.version, "kind": project.status.value}
    connection.execute(insert(project_events).values(document=document, **event))


def _changed(id: UUID) -> Any:
    """The UPDATE of a project of which something is new."""
    changed = update(projects).where(_PROJECT.id == id)
    return changed.values(version=_PROJECT.version + 1, updated_at=func.now())


def _sql(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text()


_DUE: Final = text(_sql("projects_due")).bindparams(
    bindparam("soon_s", type_=Float), bindparam("at_latest_s", type_=Float)
)
_RETRY: Final = text(_sql("projects_retry")).bindparams(bindparam("id", type_=Uuid))
