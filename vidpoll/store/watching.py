"""From ``processing`` to an end: what checks leave behind, ends, and cancels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, func, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Boolean, DateTime, Float, SmallInteger, Text, Uuid

from vidpoll.generation import Failure, Status
from vidpoll.store.engine import answering
from vidpoll.store.moving import Moving
from vidpoll.store.new_files import NewFile
from vidpoll.store.tables import generations
from vidpoll.store.times import later

_ROW: Final = generations.c
_WATCHED: Final = (Status.PROCESSING,)
_TIMED_OUT: Final = _ROW.error["code"].astext == "timed_out"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look that ended nothing leaves behind.

    Attributes:
        countdown: seconds until the next look.
        progress: percent, 0 to 100; never stored lower than before.
        stage: what the provider is doing, or why we do not know, in words.
        overdue: whether it is past its expected time.
        failure: the class of a look that brought no usable answer: counted under it, and not as a check.
        event: the kind of the event to write when something a client can see is new, else None.
        pending_at: a moment of the database's clock at which it was not done yet; None when the look did not tell.
    """

    id: UUID
    countdown: float
    progress: int
    stage: str | None
    overdue: bool = False
    failure: str | None = None
    event: str | None = None
    pending_at: datetime | None = None


class Watching(Moving):
    """The moves of what the provider has."""

    def checked(self, checked: Sequence[Checked]) -> int:
        """Processing, unknown or timed out → the same, for many at once; how many were still so.

        Of a generation that timed out only the next look and the counts are noted: a final state never changes.
        """
        if not checked:
            return 0
        with answering(self._engine) as connection:
            still_watched = int(connection.execute(_CHECKED, _as_arrays(checked)).scalar_one())
        if any(one.event for one in checked):
            self._on_events()
        return still_watched

    def completed(
        self,
        id: UUID,
        video_url: str,
        result: Mapping[str, Any],
        *,
        queued_s: float | None = None,
        run_s: float | None = None,
        files: Sequence[NewFile] = (),
    ) -> datetime | None:
        """Processing → completed; or failed (timed out) → completed, marked ``late``: it was paid for. When, or None.

        ``video_url`` is the address of the first result, whatever it is; the column's name is older than images.

        ``queued_s`` and ``run_s`` are what the provider told of its times; ``files`` are to be copied from now on.
        """
        values: dict[str, Any] = {
            "progress": 100,
            "video_url": video_url,
            "error": None,
            "stage": None,
            "checks": _ROW.checks + 1,
            "completed_at": func.now(),
            "watch_until": None,
            "queued_s": queued_s,
            "run_s": run_s,
        }
        on_time = {**result, "late": False}
        said = {"video_url": video_url}
        if result.get("content_type"):
            said["content_type"] = result["content_type"]
        at = self._moved_at(id, _WATCHED, Status.COMPLETED, "completed", said, result=on_time, files=files, **values)
        if at:
            return at
        late = {**result, "late": True}
        return self._moved_at(
            id, (Status.FAILED,), Status.COMPLETED, "completed", {**said, "late": True},
            guard=_TIMED_OUT, result=late, files=files, **values,
        )  # fmt: skip

    def failed(
        self, id: UUID, failure: Failure, *, expected: Status, token: UUID | None = None, by_check: bool = False
    ) -> bool:
        """Pending (provably not sent), submitting (this attempt), processing or unknown → failed.

        ``by_check`` counts the look that found it.
        """
        guard = _ROW.submit_token == token if expected is Status.SUBMITTING else None
        if expected is Status.PENDING:
            guard = _ROW.maybe_sent.is_(False)
        return self._move(
            id, (expected,), Status.FAILED, "failed", asdict(failure), guard=guard,
            error=asdict(failure), completed_at=func.now(), stage=None, checks=_ROW.checks + int(by_check),
        )  # fmt: skip

    def timed_out(self, id: UUID, failure: Failure, *, countdown: float, retention_s: float) -> bool:
        """Processing → failed, for ``retention_s`` still looked at, first in ``countdown``: it may be done late."""
        return self._move(
            id, _WATCHED, Status.FAILED, "failed", asdict(failure),
            error=asdict(failure), completed_at=func.now(), stage=None, checks=_ROW.checks + 1,
            next_check_at=later(countdown), watch_until=later(retention_s),
        )  # fmt: skip

    def given_up(self, id: UUID) -> bool:
        """Failed (timed out) → the same, not looked at any more."""
        ended = update(generations).where(_ROW.id == id, _ROW.status == Status.FAILED, _ROW.watch_until.is_not(None))
        with answering(self._engine) as connection:
            return connection.execute(ended.values(watch_until=None, updated_at=func.now())).rowcount > 0

    # -- cancelling -----------------------------------------------------------------------------------------------

    def cancel_requested(self, id: UUID) -> bool:
        """Note that somebody wants it cancelled; whether it can be is seen next."""
        moved = (
            update(generations)
            .where(_ROW.id == id, _ROW.completed_at.is_(None), _ROW.cancel_requested_at.is_(None))
            .values(cancel_requested_at=func.now(), version=_ROW.version + 1, updated_at=func.now())
        )
        return self._write(moved, "cancel_requested", {}) is not None

    def cancelled(self, id: UUID, *, expected: Status) -> bool:
        """Pending (provably not sent), processing or unknown (provably not taken) → cancelled."""
        guard = _ROW.maybe_sent.is_(False) if expected is Status.PENDING else None
        return self._move(
            id, (expected,), Status.CANCELLED, "cancelled", {}, guard=guard,
            completed_at=func.now(), stage=None, error=None,
        )  # fmt: skip

    def cancel_answered(self, id: UUID, kind: str, words: str) -> bool:
        """Processing → processing: what the provider said to the cancel; it is still watched.

        ``kind`` is the event's: ``cancel_refused`` or ``cancel_accepted``. Of a generation that timed out it is noted
        that the provider was asked, and nothing more.
        """
        asked = update(generations).where(_ROW.id == id, _ROW.status == Status.FAILED, _TIMED_OUT)
        with answering(self._engine) as connection:
            connection.execute(asked.values(cancel_answered_at=func.now()))
        return self._move(
            id, _WATCHED, Status.PROCESSING, kind, {"reason": words}, stage=words, cancel_answered_at=func.now()
        )


_CHECKED: Final = text((Path(__file__).parent / "checked.sql").read_text()).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("countdowns", type_=ARRAY(Float)),
    bindparam("progresses", type_=ARRAY(SmallInteger)),
    bindparam("stages", type_=ARRAY(Text)),
    bindparam("overdues", type_=ARRAY(Boolean)),
    bindparam("failures", type_=ARRAY(Text)),
    bindparam("events", type_=ARRAY(Text)),
    bindparam("pending_ats", type_=ARRAY(DateTime(timezone=True))),
)


def _as_arrays(checked: Sequence[Checked]) -> dict[str, list[Any]]:
    return {
        "ids": [one.id for one in checked],
        "countdowns": [one.countdown for one in checked],
        "progresses": [one.progress for one in checked],
        "stages": [one.stage for one in checked],
        "overdues": [one.overdue for one in checked],
        "failures": [one.failure for one in checked],
        "events": [one.event for one in checked],
        "pending_ats": [one.pending_at for one in checked],
    }
