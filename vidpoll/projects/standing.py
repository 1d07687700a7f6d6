"""A project and its steps, as read. How a step stands follows from its generation, and is stored nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid5

from pydantic import JsonValue

from vidpoll.generation import Failure
from vidpoll.projects.plan import StepRequest


class ProjectStatus(StrEnum):
    """Where a project stands. One that ended goes on when a video comes late, or by a retry."""

    RUNNING = "running"
    COMPLETED = "completed"
    """All steps are."""
    FAILED = "failed"
    """Nothing more is to come, and not all steps are completed."""
    CANCELLED = "cancelled"
    """The same, and somebody asked for it."""

    @property
    def ended(self) -> bool:
        """Whether nothing more is expected."""
        return self is not ProjectStatus.RUNNING


class State(StrEnum):
    """Where a step stands: its generation's status, or what no generation knows."""

    WAITING = "waiting"
    """It was not started yet."""
    PENDING = "pending"
    SUBMITTING = "submitting"
    PROCESSING = "processing"
    UNKNOWN = "unknown"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    """It will not be started, as things are."""

    @property
    def running(self) -> bool:
        """Whether it has a generation that has not ended; one whose submit is unknown may be at the provider."""
        return self in _RUNNING

    @property
    def broken(self) -> bool:
        """Whether it ended, or will not begin, without a result."""
        return self in _BROKEN


_RUNNING: Final = frozenset({State.PENDING, State.SUBMITTING, State.PROCESSING, State.UNKNOWN})
_BROKEN: Final = frozenset({State.FAILED, State.CANCELLED, State.SKIPPED})


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        asked: what was asked for.
        attempt: how often it was retried; part of its generation's id.
        generation_id: its generation, of this attempt.
        retry_of: the generation of the attempt before.
        document: its result, for references and readers; None unless it is completed.
        error: why it failed: ``{code, message, retryable}``.
        reason: why it is skipped.
        progress, stage, video_url, version: its generation's.
        cancel_requested: whether its generation was asked to be cancelled.
        maybe_sent: whether a paid call for its generation was made, and not answered.
    """

    asked: StepRequest
    state: State = State.WAITING
    attempt: int = 0
    generation_id: UUID | None = None
    retry_of: UUID | None = None
    document: JsonValue = None
    error: Mapping[str, Any] | None = None
    reason: str | None = None
    progress: int = 0
    stage: str | None = None
    video_url: str | None = None
    version: int = 0
    cancel_requested: bool = False
    maybe_sent: bool = False

    @property
    def key(self) -> str:
        """Its name in the project."""
        return self.asked.key


@dataclass(frozen=True, slots=True)
class Project:
    """One project, with its steps in their order. Times are those of the database's clock.

    Attributes:
        version: grows when a step begins, is skipped or ends, and when somebody asks for something; what a generation
            tells while it runs is in the version of its step.
        started_s: seconds since a step was last started; None if none was.
    """

    id: UUID
    owner: str
    name: str
    status: ProjectStatus
    version: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    idempotency_key: str
    max_parallel: int | None
    pace_s: float
    on_failure: str
    cancel_requested: bool
    started_s: float | None
    steps: tuple[Step, ...]


def generation_id(project_id: UUID, key: str, attempt: int) -> UUID:
    """The id of a step's generation: always the same one, so that an advance that is repeated makes no second row.

    Example:
        >>> generation_id(UUID(int=7), "clip", 0) == generation_id(UUID(int=7), "clip", 1)
        False
    """
    return uuid5(project_id, f"{key}/{attempt}")


def document_of(
    id: UUID, operation_name: str | None, video_url: str | None, result: Mapping[str, Any] | None
) -> dict[str, JsonValue]:
    """A completed generation's result, as references see it.

    Example:
        >>> document_of(UUID(int=7), "op-7", "https://v/7.mp4", {"videos": ["https://v/7.mp4"], "seed": 3})["videos"]
        [{'url': 'https://v/7.mp4'}]
    """
    told = dict(result or {})
    found: dict[str, JsonValue] = {"id": str(id), "operation_name": operation_name, "url": video_url}
    for several in ("videos", "images"):
        if isinstance(told.get(several), list):
            told[several] = [one if isinstance(one, dict) else {"url": one} for one in told[several]]
    return {**told, **found, "video_url": video_url}


def failure_json(failure: Failure) -> dict[str, JsonValue]:
    """As a step's error is stored."""
    return {"code": failure.code, "message": failure.message, "retryable": failure.retryable}
