"""One named method a transition: one guarded statement, writing the row and its event, answering whether it moved.

A move happens only from the state it expects, so of two that race exactly one gets ``True``. The row and its line in
``generation_events`` are written by the same statement, hence in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Float, bindparam, func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Boolean, SmallInteger, Text, Uuid

from vidpoll.generation import Failure, Generation, Status
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.reading import generation_columns, to_generation
from vidpoll.store.tables import generation_events, generations

_ROW: Final = generations.c
_WATCHED: Final = (Status.PROCESSING,)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check that ended nothing leaves behind.

    Attributes:
        countdown: seconds until the next check.
        progress: percent, 0 to 100; never stored lower than before.
        stage: what the provider is doing, in words.
        overdue: whether it is past its expected time.
        failed: the try got no answer: counts as a failure, not as a check.
        changed: something a client can see is new, so an event is written.
    """

    id: UUID
    countdown: float
    progress: int
    stage: str | None
    overdue: bool
    failed: bool
    changed: bool


class Transitions(EngineBound):
    """The moves of a generation, in the order of its life."""

    # -- submitting -----------------------------------------------------------------------------------------------

    def pin(self, id: UUID, account: str) -> str:
        """Pin a generation to the account that will pay for it, unless it is pinned; the account it is pinned to."""
        statement = update(generations).where(_ROW.id == id).values(account=func.coalesce(_ROW.account, account))
        with answering(self._engine) as connection:
            return str(connection.execute(statement.returning(_ROW.account)).scalar_one())

    def submitting(self, id: UUID) -> Generation | None:
        """Pending → submitting, committed before the paid call; the generation, or None when it must not be."""
        moved = (
            update(generations)
            .where(_ROW.id == id, _ROW.status == Status.PENDING, _ROW.cancel_requested_at.is_(None))
            .values(
                status=Status.SUBMITTING,
                submit_attempts=_ROW.submit_attempts + 1,
                version=_ROW.version + 1,
                updated_at=func.now(),
                stage="calling the provider",
            )
            .returning(*generation_columns())
            .cte("moved")
        )
        event = self._event(moved, "submitting", {}).cte("event")
        with answering(self._engine) as connection:
            row = connection.execute(select(moved).add_cte(event)).mappings().one_or_none()
        return to_generation(row) if row else None

    def not_sent(self, id: UUID, reason: str, *, failed: bool = True) -> bool:
        """Submitting → pending: the provider provably did not take it, or takes a replay for the same one."""
        counted = 1 if failed else 0
        return self._move(
            id, (Status.SUBMITTING,), Status.PENDING, "not_sent", {"reason": reason}, stage=reason,
            failures=_ROW.failures + counted, failures_in_a_row=_ROW.failures_in_a_row + counted,
        )  # fmt: skip

    def unknown(self, id: UUID, failure: Failure) -> bool:
        """Submitting → unknown: nobody can tell whether the provider took it."""
        return self._move(
            id, (Status.SUBMITTING,), Status.UNKNOWN, "unknown", asdict(failure),
            error=asdict(failure), stage=failure.message,
        )  # fmt: skip

    def processing(
        self, id: UUID, operation_name: str, *, countdown: float, expected_s: float, timeout_s: float
    ) -> bool:
        """Submitting or unknown → processing: the provider's id is committed before the first check."""
        return self._move(
            id, (Status.SUBMITTING, Status.UNKNOWN), Status.PROCESSING,
            "processing", {"operation_name": operation_name},
            operation_name=operation_name, submitted_at=func.now(), next_check_at=_in(countdown),
            expected_at=_in(expected_s), deadline_at=_in(timeout_s),
            failures_in_a_row=0, error=None, stage="accepted by the provider",
        )  # fmt: skip

    # -- watching -------------------------------------------------------------------------------------------------

    def checked(self, checked: Sequence[Checked]) -> int:
        """Processing → processing, for many at once; events only where something visible changed."""
        if not checked:
            return 0
        with answering(self._engine) as connection:
            moved = connection.execute(_CHECKED, _as_arrays(checked))
            return int(moved.scalar_one())

    def completed(self, id: UUID, video_url: str, result: Mapping[str, Any]) -> bool:
        """Processing → completed; or failed (timed out) → completed, marked ``late``: it was paid for."""
        values: dict[str, Any] = {
            "progress": 100,
            "video_url": video_url,
            "error": None,
            "stage": None,
            "checks": _ROW.checks + 1,
            "completed_at": func.now(),
        }
        on_time = {**result, "late": False}
        if self._move(id, _WATCHED, Status.COMPLETED, "completed", {"video_url": video_url}, result=on_time, **values):
            return True
        late = {**result, "late": True}
        return self._move(
            id, (Status.FAILED,), Status.COMPLETED, "completed", {"video_url": video_url, "late": True},
            guard=_ROW.error["code"].astext == "timed_out", result=late, **values,
        )  # fmt: skip

    def failed(self, id: UUID, failure: Failure, *, by_check: bool = False) -> bool:
        """Pending, submitting, processing or unknown → failed; ``by_check`` counts the look that found it."""
        expected = (Status.PENDING, Status.SUBMITTING, Status.PROCESSING, Status.UNKNOWN)
        return self._move(
            id, expected, Status.FAILED, "failed", asdict(failure),
            error=asdict(failure), completed_at=func.now(), stage=None, checks=_ROW.checks + int(by_check),
        )  # fmt: skip

    # -- cancelling -----------------------------------------------------------------------------------------------

    def cancel_requested(self, id: UUID) -> bool:
        """Note that somebody wants it cancelled; whether it can be is seen next."""
        moved = (
            update(generations)
            .where(_ROW.id == id, _ROW.completed_at.is_(None), _ROW.cancel_requested_at.is_(None))
            .values(cancel_requested_at=func.now(), version=_ROW.version + 1, updated_at=func.now())
        )
        return self._write(moved, "cancel_requested", {})

    def cancelled(self, id: UUID, *, expected: Status) -> bool:
        """Pending or processing → cancelled."""
        return self._move(id, (expected,), Status.CANCELLED, "cancelled", {}, completed_at=func.now(), stage=None)

    def cancel_refused(self, id: UUID, reason: str) -> bool:
        """Processing → processing: the provider does not cancel it, so it is still watched."""
        return self._move(id, _WATCHED, Status.PROCESSING, "cancel_refused", {"reason": reason}, stage=reason)

    # -- plumbing -------------------------------------------------------------------------------------------------

    def _move(
        self,
        id: UUID,
        expected: Iterable[Status],
        to: Status,
        kind: str,
        data: Mapping[str, Any],
        *,
        guard: ColumnElement[bool] | None = None,
        **values: Any,
    ) -> bool:
        """Move the row from one of ``expected`` to ``to`` and write its event; whether it moved."""
        moved = update(generations).where(_ROW.id == id, _ROW.status.in_(list(expected)))
        if guard is not None:
            moved = moved.where(guard)
        return self._write(
            moved.values(status=to, version=_ROW.version + 1, updated_at=func.now(), **values), kind, data
        )

    def _write(self, moved: Any, kind: str, data: Mapping[str, Any]) -> bool:
        cte = moved.returning(_ROW.id, _ROW.version, _ROW.status).cte("moved")
        with answering(self._engine) as connection:
            written = connection.execute(self._event(cte, kind, data).returning(generation_events.c.id))
            return written.one_or_none() is not None

    @staticmethod
    def _event(moved: Any, kind: str, data: Mapping[str, Any]) -> Any:
        source = select(moved.c.id, moved.c.version, literal(kind), moved.c.status, literal(dict(data), JSONB))
        return insert(generation_events).from_select(["generation_id", "version", "kind", "status", "data"], source)


def _in(seconds: float) -> ColumnElement[Any]:
    """So many seconds from now, on the database's clock."""
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, literal(seconds, Float))


_CHECKED: Final = text((Path(__file__).parent / "checked.sql").read_text()).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("countdowns", type_=ARRAY(Float)),
    bindparam("progresses", type_=ARRAY(SmallInteger)),
    bindparam("stages", type_=ARRAY(Text)),
    bindparam("overdues", type_=ARRAY(Boolean)),
    bindparam("failed", type_=ARRAY(Boolean)),
    bindparam("changed", type_=ARRAY(Boolean)),
)


def _as_arrays(checked: Sequence[Checked]) -> dict[str, list[Any]]:
    return {
        "ids": [one.id for one in checked],
        "countdowns": [one.countdown for one in checked],
        "progresses": [one.progress for one in checked],
        "stages": [one.stage for one in checked],
        "overdues": [one.overdue for one in checked],
        "failed": [one.failed for one in checked],
        "changed": [one.changed for one in checked],
    }
