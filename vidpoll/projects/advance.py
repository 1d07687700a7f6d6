"""What to do next for a project: from how its steps stand to what is started, skipped and ended. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final
from uuid import UUID

from pydantic import JsonValue

from vidpoll.errors import InvalidRequest
from vidpoll.generation import Failure, GenerationRequest
from vidpoll.projects.plan import order
from vidpoll.projects.references import SIZE_LIMIT, ReferenceMissing, TooLarge, lasting, resolved, size
from vidpoll.projects.standing import Project, ProjectStatus, State, Step, failure_json, generation_id

REFERENCE_MISSING: Final = "reference_missing"
RESULT_TOO_LARGE: Final = "result_too_large"
#: Seconds between two looks whether the paid call of a paced project's step was made: at first, and at most.
UNPAID_LOOK_S: Final = 0.25
UNPAID_LOOK_CAP_S: Final = 10.0
_ENDED_WITHOUT: Final = (State.FAILED, State.CANCELLED)
#: Characters of JSON that the results of a project's local steps may have together.
RESULTS_LIMIT: Final = SIZE_LIMIT


@dataclass(frozen=True, slots=True)
class Moves:
    """What follows for a project.

    Attributes:
        start: generations to make, in their order, by the keys of their steps.
        changed: the other steps that stand differently now: skipped, no longer so, failed or completed without a call.
        cancel: generations to be cancelled.
        withdraw: generations to be cancelled if no paid call was made for them.
        status: where the project stands then.
        again_s: seconds until it is to be looked at again, where nothing else will call for it.
    """

    start: Mapping[str, GenerationRequest]
    changed: tuple[Step, ...]
    cancel: tuple[UUID, ...]
    withdraw: tuple[UUID, ...]
    status: ProjectStatus
    again_s: float | None = None


def advance(project: Project, addresses: Mapping[str, str | None] = MappingProxyType({})) -> Moves:
    """What follows from how the project's steps stand. Asked again when that was done, it answers that nothing does.

    A step is started when all it needs is completed; so many at once as ``max_parallel`` and ``pace_s`` allow: with a
    pace none is while the paid call of one before was not made. What
    depends on a step that failed is skipped, and no longer so when the step completes late, or is tried again.

    ``addresses`` of results that do not last are those of :func:`~vidpoll.projects.references.lasting`.
    """
    board = _Board(project, addresses)
    stopped_before = board.stopped_by
    board.settle()
    if board.stopped_by != stopped_before:
        board.start_nothing()  # what was found fit to start or to wait before is skipped now
        board.settle()
    return board.moves()


class _Board:
    """The steps while they are moved. What has a generation stands as that says, whatever else is found.

    Attributes:
        stopped_by: the step on whose failure the project stops.
    """

    def __init__(self, project: Project, addresses: Mapping[str, str | None]) -> None:
        self._project, self._addresses = project, addresses
        self._before = {step.key: step for step in project.steps}
        self._steps = dict(self._before)
        self._needs = {step.key: step.asked.needs for step in project.steps}
        self._order = order(self._needs)
        self.stopped_by = self._stopping()
        self._start: dict[str, GenerationRequest] = {}
        self._room = self._room_to_start()
        self._unpaid = any(step.state is State.PENDING for step in project.steps)
        self._waits_for_pace = False
        self._results_size: int | None = None

    def settle(self) -> None:
        """Go through the steps that have no generation, each behind those it needs, and find how they stand."""
        for key in self._order:
            if self._steps[key].state in (State.WAITING, State.SKIPPED):
                self._steps[key] = self._settled(self._steps[key])

    def start_nothing(self) -> None:
        """Take back what was found fit to start."""
        for key in self._start:
            self._steps[key] = self._before[key]
        self._start.clear()

    def moves(self) -> Moves:
        """What was found."""
        changed = (step for key, step in self._steps.items() if key not in self._start and step != self._before[key])
        cancel, withdraw = tuple(self._to_cancel()), tuple(self._to_withdraw())
        return Moves(self._start, tuple(changed), cancel, withdraw, self._status(), self._again_s())

    # -- one step -----------------------------------------------------------------------------------------------------

    def _settled(self, step: Step) -> Step:
        reason = self._reason_to_skip(step)
        if reason:
            return replace(step, state=State.SKIPPED, reason=reason)
        step = replace(step, state=State.WAITING, reason=None)
        if any(self._steps[key].state is not State.COMPLETED for key in self._needs[step.key]):
            return step
        if step.asked.local is None and not self._may_start():
            return step
        return self._begun(step)

    def _reason_to_skip(self, step: Step) -> str | None:
        if self._project.cancel_requested:
            return "the project was cancelled"
        broken = next((key for key in self._needs[step.key] if self._steps[key].state.broken), None)
        if broken:
            return f"needs {broken}, which is {self._steps[broken].state}"
        return f"{self.stopped_by} failed, and the project stops on a failure" if self.stopped_by else None

    def _begun(self, step: Step) -> Step:
        documents = {key: self._steps[key].document for key in self._needs[step.key]}
        try:
            params = resolved(step.asked.params, documents)
            assert isinstance(params, dict)
            if step.asked.local:
                self._count_in(params)
                return replace(step, state=State.COMPLETED, document=params, progress=100)
            size(params)
            params = lasting(params, self._addresses) if documents else params
            assert isinstance(params, dict)
            request = _request(self._project, step, params, self._parent_of(step))
        except ReferenceMissing as error:
            return self._failed(step, Failure(REFERENCE_MISSING, str(error)))
        except InvalidRequest as error:
            return self._failed(step, Failure(error.code, str(error)))
        except TooLarge as error:
            together = f"; local steps' results may have {RESULTS_LIMIT:,} together" if step.asked.local else ""
            return self._failed(step, Failure(RESULT_TOO_LARGE, f"{error}{together}"))
        except (ValueError, RecursionError) as error:  # whatever is in it, the project must not hang on it
            return self._failed(step, Failure(InvalidRequest.code, f"params: {error}"))
        self._start[step.key] = request
        return replace(step, state=State.PENDING, generation_id=request.id)

    def _parent_of(self, step: Step) -> str | None:
        """The generation it begins with: the one it names, or the one of the step it names."""
        key = step.asked.parent_step
        if key:
            return str(self._steps[key].generation_id)
        return step.asked.parent if isinstance(step.asked.parent, str) else None

    def _count_in(self, result: JsonValue) -> None:
        """Count the result of a local step. All of them are read whenever the project is."""
        if self._results_size is None:
            done = (step for step in self._before.values() if step.asked.local and step.state is State.COMPLETED)
            self._results_size = sum(size(step.document) for step in done)
        self._results_size += size(result, RESULTS_LIMIT - self._results_size)

    def _failed(self, step: Step, failure: Failure) -> Step:
        if self._stops() and self.stopped_by is None:
            self.stopped_by = step.key
        return replace(step, state=State.FAILED, error=failure_json(failure))

    # -- all of them --------------------------------------------------------------------------------------------------

    def _stops(self) -> bool:
        return self._project.on_failure == "stop"

    def _room_to_start(self) -> int:
        most = self._project.max_parallel or len(self._before)
        return most - sum(step.state.running for step in self._before.values())

    def _may_start(self) -> bool:
        if len(self._start) >= self._room:
            return False
        if self._project.pace_s > 0 and (self._start or self._unpaid or self._pace_left_s() > 0):
            self._waits_for_pace = True
            return False
        return True

    def _pace_left_s(self) -> float:
        since = self._project.started_s
        return 0.0 if since is None else max(0.0, self._project.pace_s - since)

    def _again_s(self) -> float | None:
        """When to look again for the sake of the pace: nobody tells when a step's paid call is made."""
        if not self._waits_for_pace:
            return None
        if self._start:
            return self._project.pace_s
        if not self._unpaid:
            return self._pace_left_s()
        waited_s = self._project.started_s or 0.0
        return max(self._pace_left_s(), min(UNPAID_LOOK_CAP_S, max(UNPAID_LOOK_S, waited_s / 4)))

    def _stopping(self) -> str | None:
        """The step on whose failure the project stopped, if it did; one that was cancelled for it is not the one."""
        if not self._stops():
            return None
        ended = {state: step.key for step in reversed(self._project.steps) if (state := step.state) in _ENDED_WITHOUT}
        return ended.get(State.FAILED, ended.get(State.CANCELLED))

    def _to_withdraw(self) -> Iterator[UUID]:
        if self.stopped_by and not self._project.cancel_requested:
            for step in self._before.values():
                if step.state is State.PENDING and step.generation_id and not step.maybe_sent:
                    yield step.generation_id

    def _to_cancel(self) -> Iterator[UUID]:
        if self._project.cancel_requested:
            for step in self._before.values():
                if step.state.running and step.generation_id and not step.cancel_requested:
                    yield step.generation_id

    def _status(self) -> ProjectStatus:
        states = [step.state for step in self._steps.values()]
        if any(state.running or state is State.WAITING for state in states):
            return ProjectStatus.RUNNING
        if all(state is State.COMPLETED for state in states):
            return ProjectStatus.COMPLETED
        return ProjectStatus.CANCELLED if self._project.cancel_requested else ProjectStatus.FAILED


def _request(project: Project, step: Step, params: dict[str, JsonValue], parent: str | None) -> GenerationRequest:
    asked = step.asked
    fields = {
        "provider": asked.provider, "model": asked.model, "prompt": asked.prompt, "kind": asked.kind, "parent": parent,
        "owner": project.owner,
        "account": asked.account, "params": params, "priority": asked.priority, "timeout_s": asked.timeout_s,
        "project_id": str(project.id), "retry_of": step.retry_of,
        "id": generation_id(project.id, step.key, step.attempt),
    }  # fmt: skip
    return GenerationRequest.checked(fields)
