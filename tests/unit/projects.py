"""Projects as they would be read, for tests of what is decided about them."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from vidpoll.projects.plan import ProjectRequest, StepRequest
from vidpoll.projects.standing import Project, ProjectStatus, State, Step, document_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLIP = {"provider": "runware", "model": "google:3@3", "prompt": "a lion"}


def clip(key: str, *after: str, **more: Any) -> dict[str, Any]:
    return {"key": key, **CLIP, "after": list(after), **more}


def project(*steps: dict[str, Any] | StepRequest, **more: Any) -> Project:
    """A project of these steps, none of them started."""
    settings = {name: more.pop(name) for name in ("max_parallel", "pace_s", "on_failure") if name in more}
    asked = ProjectRequest(name="lions", owner="alice", steps=list(steps), **settings)
    fields = {
        "id": uuid.UUID(int=7), "owner": asked.owner, "name": asked.name, "status": ProjectStatus.RUNNING, "version": 1,
        "created_at": NOW, "updated_at": NOW, "completed_at": None, "idempotency_key": "k",
        "max_parallel": asked.max_parallel, "pace_s": asked.pace_s, "on_failure": asked.on_failure,
        "cancel_requested": False, "started_s": None, "steps": tuple(Step(one) for one in asked.steps),
    }  # fmt: skip
    return Project(**{**fields, **more})


def standing(project: Project, **states: State | Step) -> Project:
    """The same with some steps standing so."""

    def one(step: Step) -> Step:
        state = states.get(step.key.replace("-", "_"))
        if state is None:
            return step
        return state if isinstance(state, Step) else stands(step, state)

    return replace(project, steps=tuple(map(one, project.steps)))


def stands(step: Step, state: State) -> Step:
    """A step whose generation stands so."""
    id, url = step.generation_id or uuid.uuid4(), f"https://v.example/{step.key}.mp4"
    if state is State.COMPLETED:
        document = document_of(id, "op", url, {"videos": [url], "seed": 3, "late": False})
        return replace(step, state=state, generation_id=id, document=document, video_url=url, version=step.version + 1)
    error = {"code": "filtered", "message": "no", "retryable": False} if state is State.FAILED else None
    return replace(step, state=state, generation_id=id, error=error, version=step.version + 1)


def states(project: Project) -> dict[str, str]:
    return {step.key: step.state.value for step in project.steps}
