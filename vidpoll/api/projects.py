"""Projects: asked for as a whole, read in one statement, retried, cancelled."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Request, Response
from pydantic import BaseModel, JsonValue, WithJsonSchema

from vidpoll.api.cursors import from_cursor, to_cursor
from vidpoll.api.generations import MOST_ITEMS
from vidpoll.api.keys import Caller, Reader, Writer
from vidpoll.api.parts import parts
from vidpoll.api.problems import Refusal, problems
from vidpoll.api.views import ErrorView
from vidpoll.copies import copies_in
from vidpoll.errors import InvalidRequest, UnknownTarget, WrongState
from vidpoll.generation import Kind
from vidpoll.projects.plan import STEPS_LIMIT, ProjectRequest
from vidpoll.projects.view import percent, project_json, stage_words, version_tag
from vidpoll.store import ProjectLine

router = APIRouter(prefix="/v1/projects", tags=["projects"])

StatusWord = Literal["running", "completed", "failed", "cancelled"]
#: Seconds after which a project that runs may look different.
SOON_S: Final = 2


class StepView(BaseModel):
    """A step, as its project's owner sees it."""

    key: str
    status: Literal[
        "waiting", "pending", "submitting", "processing", "unknown", "completed", "failed", "cancelled", "skipped"
    ]
    progress: int
    stage: str | None
    title: str | None
    after: list[str]
    weight: float
    local: str | None
    kind: Kind | None
    model: str | None
    attempt: int
    generation_id: UUID | None
    video_url: str | None
    archived_url: str | None
    content_type: str | None
    error: ErrorView | None
    result: Any


class ProjectView(BaseModel):
    """How a project stands."""

    project_id: UUID
    name: str
    status: StatusWord
    total: int
    pending: int
    completed: int
    failed: int
    cancelled: int
    skipped: int
    all_complete: bool
    progress: int
    stage: str
    clips: dict[str, str]
    steps: list[StepView]
    max_parallel: int | None
    pace_s: float
    on_failure: str
    idempotency_key: str
    version: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class ProjectItem(BaseModel):
    """A project in a list."""

    project_id: UUID
    name: str
    status: StatusWord
    total: int
    completed: int
    failed: int
    cancelled: int
    skipped: int
    progress: int
    stage: str
    version: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class ProjectPage(BaseModel):
    """Projects, the newest first; ``next`` is the cursor of the page after, or null."""

    items: list[ProjectItem]
    next: str | None


class SubmittedProject(BaseModel):
    """The project that answers a request; not ``new`` when it was there already."""

    project_id: UUID
    status: StatusWord
    new: bool


class RetriedProject(BaseModel):
    """Which steps are tried again."""

    project_id: UUID
    status: StatusWord
    retried: list[str]


class AcknowledgedProject(BaseModel):
    """What was asked for will be done as soon as it can be; watch the project."""

    project_id: UUID
    status: StatusWord


def _schema() -> dict[str, Any]:
    """What a body must look like, without references, which would lead nowhere in the OpenAPI document."""
    schema = ProjectRequest.model_json_schema()
    step = schema.pop("$defs")["StepRequest"]
    schema["description"] = "A project: its steps are taken together, or none is."
    step["description"] = "A generation or, with `local`, something that is done here; docs/projects.md has the fields."
    step["properties"]["params"] = {"type": "object"}
    schema["properties"]["steps"] = {"type": "array", "items": step, "minItems": 1, "maxItems": STEPS_LIMIT}
    return schema


#: Read by :class:`ProjectRequest`, which tells everything that is wrong at once; the framework sees an object.
Asked = Annotated[dict[str, JsonValue], Body(), WithJsonSchema(_schema(), mode="validation")]


@router.post(
    "", status_code=202, response_model=SubmittedProject, responses=problems(400, 401, 403, 409, 413, 422, 429, 503)
)
def submit(
    request: Request,
    response: Response,
    caller: Writer,
    asked: Asked,
    idempotency_key: Annotated[
        str | None, Header(description="The same key gives the same project; made from its steps if not given.")
    ] = None,
) -> SubmittedProject:
    """Ask for a project: all of its steps are taken, or none."""
    api = parts(request)
    try:
        admitted = api.client.submit_project(_request(caller, asked, idempotency_key))
    except UnknownTarget as error:
        words = "something in it there is not here"
        raise Refusal(422, error.code, words, errors=[_discreet(one) for one in error.problems]) from None
    api.doorbell.ring()
    response.headers["Location"] = f"/v1/projects/{admitted.id}"
    status = api.store.project(admitted.id).status
    return SubmittedProject(project_id=admitted.id, status=status.value, new=admitted.new)


def _request(caller: Caller, asked: dict[str, JsonValue], header_key: str | None) -> ProjectRequest:
    given: dict[str, Any] = {"owner": caller.owner, **asked}
    if given["owner"] != caller.owner:
        raise InvalidRequest(["owner: is not the key's"])
    if header_key is not None:
        if given.get("idempotency_key") not in (None, header_key):
            raise InvalidRequest(["idempotency_key: differs from the one in the header Idempotency-Key"])
        given["idempotency_key"] = header_key
    return ProjectRequest.checked(given)


def _discreet(problem: str) -> str:
    """Which providers, models and accounts there are is not for everybody who may ask."""
    field = problem.partition(":")[0]
    if field.rpartition(".")[2] in ("provider", "model", "account"):
        return f"{field}: there is no such provider, model or account here"
    return problem


@router.get("", response_model=ProjectPage, responses=problems(401, 403, 422, 429, 503))
def page(
    request: Request,
    caller: Reader,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 50,
) -> ProjectPage:
    """The caller's projects, the newest first."""
    before = from_cursor(cursor) if cursor else None
    found = parts(request).store.project_list(caller.owner, before=before, limit=limit + 1)
    more = to_cursor(found[limit - 1].created_at, found[limit - 1].id) if len(found) > limit else None
    return ProjectPage(items=[_item(one) for one in found[:limit]], next=more)


def _item(line: ProjectLine) -> ProjectItem:
    counts = {"total": line.total, "completed": line.completed, "failed": line.failed,
              "cancelled": line.cancelled, "skipped": line.skipped}  # fmt: skip
    return ProjectItem(
        project_id=line.id, name=line.name, status=line.status.value, **counts,
        progress=percent(line.share, is_complete=line.completed == line.total),
        stage=stage_words(line.status, counts, line.running, line.doing),
        version=line.version, created_at=line.created_at, updated_at=line.updated_at, completed_at=line.completed_at,
    )  # fmt: skip


@router.get(
    "/{id}",
    response_model=ProjectView,
    responses={304: {"description": "Nothing changed since `If-None-Match`"}, **problems(401, 403, 404, 422, 429, 503)},
)
def project(
    request: Request,
    response: Response,
    caller: Reader,
    id: UUID,
    if_none_match: Annotated[str | None, Header(description="The ETag of an earlier answer.")] = None,
) -> Any:
    """How a project stands: its clips, its progress, its steps."""
    api = parts(request)
    found = api.store.project(id, owner=caller.owner)
    copies = copies_in(found, api.store, api.archive)
    tag = version_tag(found, copies)
    headers = {"ETag": f'W/"{tag}"', "Cache-Control": "private, no-cache"}
    if not found.status.ended:
        headers["Retry-After"] = str(SOON_S)
    if f'"{tag}"' in (if_none_match or ""):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return project_json(found, copies)


_ACTING: Final = problems(401, 403, 404, 409, 422, 429, 503)


@router.post("/{id}/retry", status_code=202, response_model=RetriedProject, responses=_ACTING)
def retry(request: Request, caller: Writer, id: UUID) -> RetriedProject:
    """Try again, and pay again, what failed or was cancelled; what is completed stays."""
    api = parts(request)
    keys = api.client.retry_project(id, owner=caller.owner)
    return RetriedProject(project_id=id, status=api.store.project(id).status.value, retried=keys)


@router.post("/{id}/cancel", status_code=202, response_model=AcknowledgedProject, responses=_ACTING)
def cancel(request: Request, caller: Writer, id: UUID) -> AcknowledgedProject:
    """Start nothing more, and cancel what runs, as far as providers can."""
    api = parts(request)
    if not api.client.cancel_project(id, owner=caller.owner):
        raise WrongState(f"it has ended as {api.store.project(id).status}")
    return AcknowledgedProject(project_id=id, status=api.store.project(id).status.value)
