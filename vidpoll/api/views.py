"""What clients see of generations and events: JSON without the inside of vidpoll."""

import json
import math
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel

from vidpoll.generation import FINAL, Generation
from vidpoll.store.live import Event, StatusRow

StatusWord = Literal["pending", "submitting", "processing", "unknown", "completed", "failed", "cancelled"]
#: Bytes a status may have.
STATUS_LIMIT: Final = 200


class ErrorView(BaseModel):
    """Why there is no video."""

    code: str
    message: str
    retryable: bool | None = None


class StatusView(BaseModel):
    """How a generation stands."""

    id: UUID
    status: StatusWord
    progress: int
    video_url: str | None = None
    error: ErrorView | None = None
    seed: Any = None
    eta_s: int | None = None


class GenerationView(BaseModel):
    """A generation, as its owner sees it."""

    id: UUID
    status: StatusWord
    progress: int
    stage: str | None
    overdue: bool
    video_url: str | None
    result: dict[str, Any] | None
    error: ErrorView | None
    eta_s: int | None
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


_SHOWN: Final = tuple(name for name in GenerationView.model_fields if name != "eta_s")


def generation_view(generation: Generation) -> GenerationView:
    """Everything its owner may see of a generation."""
    shown = {name: getattr(generation, name) for name in _SHOWN}
    until_s = generation.seconds_until(generation.expected_at)
    eta_s = None if generation.status.final or math.isinf(until_s) or until_s == 0 else math.ceil(until_s)
    return GenerationView(**shown, eta_s=eta_s)


def status_json(row: StatusRow) -> bytes:
    """How a generation stands, in at most STATUS_LIMIT bytes.

    A video's URL that does not fit is replaced by the path that redirects to it, a message by its beginning.
    """
    view = _status(row)
    encoded = _encoded(view)
    if len(encoded) > STATUS_LIMIT and row.video_url:
        view["video_url"] = f"/v1/generations/{row.id}/video"
        encoded = _encoded(view)
    while len(encoded) > STATUS_LIMIT and "error" in view:
        message = view["error"]["message"]
        if not message:
            view["error"] = {"code": view["error"]["code"][:40], "message": ""}
            return _encoded(view)
        view["error"]["message"] = message[: len(message) - max(1, (len(encoded) - STATUS_LIMIT) // 4)]
        encoded = _encoded(view)
    if len(encoded) > STATUS_LIMIT:
        view.pop("seed", None)
        encoded = _encoded(view)
    return encoded


def _status(row: StatusRow) -> dict[str, Any]:
    view: dict[str, Any] = {"id": str(row.id), "status": row.status, "progress": row.progress}
    if row.video_url:
        view["video_url"] = row.video_url
    if row.error:
        view["error"] = {"code": row.error["code"], "message": row.error["message"]}
    if row.seed is not None:
        view["seed"] = row.seed
    if row.eta_s is not None and row.eta_s > 0 and row.status not in FINAL:
        view["eta_s"] = math.ceil(row.eta_s)
    return view


def snapshot_json(row: StatusRow) -> bytes:
    """The first event of a stream: how it stands."""
    view = _status(row) | {"version": row.version, "kind": "snapshot", "at": row.updated_at.isoformat()}
    if row.error:
        view["error"] = row.error
    return _encoded(view | _set(stage=row.stage, overdue=row.overdue, project_id=row.project_id))


def event_json(event: Event) -> bytes:
    """An event, as clients get it."""
    data = event.data
    view: dict[str, Any] = {
        "id": str(event.generation_id), "version": event.version, "kind": event.kind, "status": event.status,
        "at": event.at.isoformat(),
    }  # fmt: skip
    if event.status in ("pending", "submitting"):
        view["progress"] = 0
    elif event.status == "completed":
        view["progress"] = 100
    elif "progress" in data:
        view["progress"] = data["progress"]
    if "code" in data:
        view["error"] = {name: data.get(name) for name in ("code", "message", "retryable")}
    stage = data.get("stage") or data.get("reason")
    return _encoded(
        view
        | _set(stage=stage, overdue=data.get("overdue"), video_url=data.get("video_url"), late=data.get("late"))
        | _set(eta_s=data.get("eta_s"), project_id=event.project_id)
    )


def _set(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, False)}


def _encoded(view: dict[str, Any]) -> bytes:
    return json.dumps(view, ensure_ascii=False, separators=(",", ":")).encode()
