"""What is told of an event, to streams over HTTP and to webhooks alike: plain JSON values, nothing of the inside."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID


def event_document(
    generation_id: UUID,
    *,
    version: int,
    kind: str,
    status: str,
    data: Mapping[str, Any],
    at: datetime,
    project_id: str | None,
    of_kind: str,
) -> dict[str, Any]:
    """What happened to a generation, as its owner is told.

    With progress, stage, overdue, video, error and project where they are known. The arguments are those of a line of
    ``generation_events``, and the project and kind of its row; the kind is told unless it is a video, as
    ``generation_kind``, since an event has a kind of its own.
    """
    view: dict[str, Any] = {
        "id": str(generation_id), "version": version, "kind": kind, "status": status, "at": at.isoformat(),
    }  # fmt: skip
    if status in ("pending", "submitting"):
        view["progress"] = 0
    elif status == "completed":
        view["progress"] = 100
    elif "progress" in data:
        view["progress"] = data["progress"]
    if "code" in data:
        view["error"] = {name: data.get(name) for name in ("code", "message", "retryable")}
    told = {
        "stage": data.get("stage") or data.get("reason"), "overdue": data.get("overdue"),
        "video_url": data.get("video_url"), "late": data.get("late"), "project_id": project_id,
        "generation_kind": None if of_kind == "video" else of_kind, "content_type": data.get("content_type"),
    }  # fmt: skip
    return view | {name: value for name, value in told.items() if value not in (None, False)}
