"""What clients see of generations and events: JSON without the inside of vidpoll."""

import json
import math
from datetime import datetime
from typing import Any, Final, Literal, cast
from uuid import UUID

from pydantic import BaseModel

from vidpoll.copies import Copies
from vidpoll.eta import Eta
from vidpoll.event_document import event_document
from vidpoll.generation import FINAL, Generation, Kind
from vidpoll.store.live import Event, StatusRow

StatusWord = Literal["pending", "submitting", "processing", "unknown", "completed", "failed", "cancelled"]
ArchiveWord = Literal["waiting", "stored", "failed"]
#: Bytes a status may have.
STATUS_LIMIT: Final = 200


class ErrorView(BaseModel):
    """Why there is no video."""

    code: str
    message: str
    retryable: bool | None = None


class StatusView(BaseModel):
    """How a generation stands; ``kind`` is told unless it is a video."""

    id: UUID
    status: StatusWord
    kind: Kind | None = None
    progress: int
    video_url: str | None = None
    error: ErrorView | None = None
    seed: Any = None
    eta_s: int | None = None
    eta_p90_s: int | None = None
    elapsed_s: int | None = None
    next_check_s: int | None = None
    checks: int | None = None


class FileView(BaseModel):
    """The copy of a file of a result."""

    position: int
    kind: str
    archive: ArchiveWord
    archived_url: str | None
    content_type: str | None
    bytes: int | None
    sha256: str | None
    attempts: int
    error: ErrorView | None
    stored_at: datetime | None
    expires_at: datetime | None


class GenerationView(BaseModel):
    """A generation, as its owner sees it."""

    id: UUID
    status: StatusWord
    kind: Kind
    parent_id: UUID | None
    progress: int
    stage: str | None
    overdue: bool
    video_url: str | None
    result: dict[str, Any] | None
    error: ErrorView | None
    eta_s: int | None
    eta_p90_s: int | None
    elapsed_s: int
    next_check_s: int | None
    provider: str
    model: str
    prompt: str
    params: dict[str, Any]
    priority: int
    timeout_s: float | None
    project_id: str | None
    idempotency_key: str | None
    retry_of: UUID | None
    checks: int
    failures: int
    submit_attempts: int
    version: int
    created_at: datetime
    submitted_at: datetime | None
    updated_at: datetime
    completed_at: datetime | None
    expected_at: datetime | None
    deadline_at: datetime | None
    cancel_requested_at: datetime | None
    archive: ArchiveWord | None
    archived_url: str | None
    expires_at: datetime | None
    files: list[FileView]


_COMPUTED: Final = {
    "eta_s", "eta_p90_s", "elapsed_s", "next_check_s", "archive", "archived_url", "expires_at", "files",
}  # fmt: skip
_SHOWN: Final = tuple(name for name in GenerationView.model_fields if name not in _COMPUTED)


def generation_view(generation: Generation, eta: Eta | None, copies: Copies) -> GenerationView:
    """Everything its owner may see of a generation."""
    next_check_s = generation.next_check_s()
    return GenerationView(
        **{name: getattr(generation, name) for name in _SHOWN},
        eta_s=eta.p50_s if eta else None,
        eta_p90_s=eta.p90_s if eta else None,
        elapsed_s=int(generation.elapsed_s()),
        next_check_s=None if next_check_s is None else math.ceil(next_check_s),
        archive=cast(ArchiveWord | None, copies.archive),
        archived_url=copies.archived_url,
        expires_at=copies.expires_at,
        files=[FileView(**one) for one in copies.files],
    )


def status_json(row: StatusRow, eta: Eta | None) -> bytes:
    """How a generation stands, in at most STATUS_LIMIT bytes.

    What does not fit is left out: of the times the last first, see :func:`_times`. A video's URL that does not fit
    even without them is replaced by the path that redirects to it, a message by its beginning.
    """
    view, times = _status(row), _times(row, eta)
    encoded = _encoded(view | times)
    if len(encoded) > STATUS_LIMIT:
        _shorten(view, row)
        encoded = _encoded(view | times)
    while len(encoded) > STATUS_LIMIT and times:
        times.popitem()
        encoded = _encoded(view | times)
    return encoded


def _shorten(view: dict[str, Any], row: StatusRow) -> None:
    """Cut what is long, until the rest fits without the times."""
    encoded = _encoded(view)
    if len(encoded) > STATUS_LIMIT and row.video_url:
        view["video_url"] = f"/v1/generations/{row.id}/video"
        encoded = _encoded(view)
    while len(encoded) > STATUS_LIMIT and "error" in view:
        message = view["error"]["message"]
        if not message:
            view["error"] = {"code": view["error"]["code"][:40], "message": ""}
            return
        view["error"]["message"] = message[: len(message) - max(1, (len(encoded) - STATUS_LIMIT) // 4)]
        encoded = _encoded(view)
    if len(encoded) > STATUS_LIMIT:
        view.pop("seed", None)


def _status(row: StatusRow) -> dict[str, Any]:
    view: dict[str, Any] = {"id": str(row.id), "status": row.status, "progress": row.progress}
    if row.kind != "video":
        view["kind"] = row.kind
    if row.video_url:
        view["video_url"] = row.video_url
    if row.error:
        view["error"] = {"code": row.error["code"], "message": row.error["message"]}
    if row.seed is not None:
        view["seed"] = row.seed
    return view


def _times(row: StatusRow, eta: Eta | None) -> dict[str, Any]:
    """How long it has taken and may still take, in whole seconds; the dearest first."""
    times = _eta(eta) | {"elapsed_s": int(row.elapsed_s)}
    if row.next_s is not None and row.status not in FINAL:
        times["next_check_s"] = max(0, math.ceil(row.next_s))
    return times | {"checks": row.checks}


def _eta(eta: Eta | None) -> dict[str, Any]:
    return {"eta_s": eta.p50_s, "eta_p90_s": eta.p90_s} if eta else {}


def snapshot_json(row: StatusRow, eta: Eta | None) -> bytes:
    """The first event of a stream: how it stands."""
    is_snapshot = {"version": row.version, "kind": "snapshot", "at": row.updated_at.isoformat()}
    view = _status(row) | _times(row, eta) | is_snapshot
    if row.error:
        view["error"] = row.error
    what = _set(generation_kind=None if row.kind == "video" else row.kind, content_type=row.content_type)
    return _encoded(view | _set(stage=row.stage, overdue=row.overdue, project_id=row.project_id) | what)


def event_json(event: Event, eta: Eta | None) -> bytes:
    """An event, as clients get it; of one that is at the provider with the ETA at that moment, and how long it ran."""
    document = event_document(
        event.generation_id, version=event.version, kind=event.kind, status=event.status, data=event.data,
        at=event.at, project_id=event.project_id, of_kind=event.of_kind,
    )  # fmt: skip
    if event.status == "processing":
        document |= _eta(eta) | {"elapsed_s": int(event.age_s)}
    return _encoded(document)


def _set(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, False)}


def _encoded(view: dict[str, Any]) -> bytes:
    return json.dumps(view, ensure_ascii=False, separators=(",", ":")).encode()
