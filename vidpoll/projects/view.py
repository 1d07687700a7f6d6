"""How a project stands, as its owner is told: plain JSON values."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from vidpoll.projects.references import lasting
from vidpoll.projects.standing import Project, ProjectStatus, State, Step

#: What a step without a result is called among the clips; everything else is pending.
_CLIP_WORDS: Final = {State.FAILED: "failed", State.CANCELLED: "cancelled", State.SKIPPED: "skipped"}


def project_json(project: Project, copies: Mapping[UUID, str] | None = None) -> dict[str, Any]:
    """The status document.

    ``completed``, ``failed``, ``cancelled``, ``skipped`` and ``pending`` (everything that has not ended) add up to
    ``total``. ``progress`` is percent by weight: a running step counts with its own progress, one without a result as
    nothing. ``clips`` has the steps that are generations, each with the address of its copy where that is on the web,
    else the provider's; what local steps made of such addresses has them, too.

    Args:
        copies: where the copies of generations' results are.
    """
    counts, copied = counted(project), copies or {}
    on_the_web = {str(step.video_url): _clip(step, copied) for step in project.steps if _copy(step, copied)}
    return {
        "project_id": str(project.id),
        "name": project.name,
        "status": project.status.value,
        **counts,
        "all_complete": counts["completed"] == counts["total"],
        "progress": progress(project),
        "stage": stage(project),
        "clips": {step.key: _clip(step, copied) for step in project.steps if not step.asked.local},
        "steps": [_step_json(step, copied, on_the_web) for step in project.steps],
        "max_parallel": project.max_parallel,
        "pace_s": project.pace_s,
        "on_failure": project.on_failure,
        "idempotency_key": project.idempotency_key,
        "version": project.version,
        "created_at": project.created_at.isoformat(),
        "updated_at": project.updated_at.isoformat(),
        "completed_at": project.completed_at.isoformat() if project.completed_at else None,
    }


def counted(project: Project) -> dict[str, int]:
    """How many steps there are, and how many stand how."""
    states = [step.state for step in project.steps]
    ended = {state.value: states.count(state) for state in (State.COMPLETED, State.FAILED, State.CANCELLED)}
    ended["skipped"] = states.count(State.SKIPPED)
    return {"total": len(states), "pending": len(states) - sum(ended.values()), **ended}


def progress(project: Project) -> int:
    """Percent by weight, 100 when all is complete and not before."""
    done = sum(step.asked.weight * _share(step) for step in project.steps)
    is_complete = all(step.state is State.COMPLETED for step in project.steps)
    return percent(done / sum(step.asked.weight for step in project.steps), is_complete=is_complete)


def percent(share: float, *, is_complete: bool) -> int:
    """Of a share from 0 to 1: rounded down, and 100 for what is complete only.

    Example:
        >>> percent(0.999, is_complete=False), percent(0.999, is_complete=True)
        (99, 100)
    """
    return 100 if is_complete else min(99, math.floor(share * 100 + 1e-9))


def stage(project: Project) -> str:
    """What is being done, in words.

    The title of the first step that runs, or its key and its generation's own words, and how many run beside it.
    """
    running = [step for step in project.steps if step.state.running]
    doing = [step.asked.title or f"{step.key}: {step.stage or step.state}" for step in running[:1]]
    return stage_words(project.status, counted(project), len(running), *doing)


def stage_words(status: ProjectStatus, counts: Mapping[str, int], running: int, doing: str | None = None) -> str:
    """The same of what was counted already.

    Args:
        counts: steps by how they stand, as :func:`counted` names them.
        running: how many run.
        doing: what the first of those does.

    Example:
        >>> stage_words(ProjectStatus.RUNNING, {"total": 9, "completed": 1}, 3, "Animating scene 2")
        'Animating scene 2, and 2 more'
    """
    if doing:
        return f"{doing}, and {running - 1} more" if running > 1 else doing
    if status is ProjectStatus.COMPLETED:
        return f"all {counts['total']} steps are complete"
    broken = [f"{counts[name]} {name}" for name in ("failed", "cancelled", "skipped") if counts[name]]
    told = ", ".join([f"{counts['completed']} of {counts['total']} steps are complete", *broken])
    return told if status.ended else f"{told}; waiting to start"


def version_tag(project: Project, copies: Mapping[UUID, str] | None = None) -> str:
    """Another one whenever anything in the document is: versions only grow, and copies are where they are."""
    tag = f"{project.version}.{sum(step.version for step in project.steps)}"
    if not copies:
        return tag
    where = "\n".join(sorted(copies.values()))
    return f"{tag}.{hashlib.sha256(where.encode()).hexdigest()[:12]}"


def _share(step: Step) -> float:
    if step.state is State.COMPLETED:
        return 1.0
    return min(step.progress, 99) / 100 if step.state.running else 0.0


def _clip(step: Step, copies: Mapping[UUID, str]) -> str:
    if step.state is State.COMPLETED:
        copy = _copy(step, copies) or ""
        return copy if copy.startswith(("https://", "http://")) else str(step.video_url)
    return _CLIP_WORDS.get(step.state, "pending")


def _copy(step: Step, copies: Mapping[UUID, str]) -> str | None:
    return copies.get(step.generation_id) if step.generation_id and step.state is State.COMPLETED else None


def _content_type(step: Step) -> str | None:
    told = step.document.get("content_type") if isinstance(step.document, dict) and not step.asked.local else None
    return told if isinstance(told, str) else None


def _step_json(step: Step, copies: Mapping[UUID, str], on_the_web: Mapping[str, str]) -> dict[str, Any]:
    return {
        "key": step.key,
        "status": step.state.value,
        "progress": 100 if step.state is State.COMPLETED else step.progress,
        "stage": step.stage or step.reason,
        "title": step.asked.title,
        "after": step.asked.needs,
        "weight": step.asked.weight,
        "local": step.asked.local,
        "kind": None if step.asked.local else step.asked.kind,
        "model": step.asked.model,
        "attempt": step.attempt,
        "generation_id": str(step.generation_id) if step.generation_id else None,
        "video_url": step.video_url,
        "archived_url": _copy(step, copies),
        "content_type": _content_type(step),
        "error": dict(step.error) if step.error else None,
        "result": lasting(step.document, on_the_web) if step.asked.local else None,
    }
