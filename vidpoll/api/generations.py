"""Everything about generations, and what can be done with them."""

from contextlib import suppress
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from vidpoll.api.cursors import from_cursor, to_cursor
from vidpoll.api.keys import Reader, Writer
from vidpoll.api.parts import parts
from vidpoll.api.problems import Refusal, problems
from vidpoll.api.submitting import Submitted, submit_one
from vidpoll.api.views import GenerationView, StatusWord, generation_view
from vidpoll.copies import copies_of, link
from vidpoll.errors import BrokerUnavailable, InvalidRequest, WrongState
from vidpoll.generation import Status

router = APIRouter(prefix="/v1/generations", tags=["generations"])

#: Generations a page may have.
MOST_ITEMS: Final = 100


class Page(BaseModel):
    """Generations, the newest first; ``next`` is the cursor of the page after, or null."""

    items: list[GenerationView]
    next: str | None


class Acknowledged(BaseModel):
    """What was asked for will be done as soon as it can be; watch the status."""

    id: UUID
    status: StatusWord


@router.get("", response_model=Page, responses=problems(401, 403, 422, 429, 503))
def page(
    request: Request,
    caller: Reader,
    status: Annotated[StatusWord | None, Query()] = None,
    project: Annotated[str | None, Query(max_length=200)] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 50,
) -> Page:
    """The caller's generations, the newest first."""
    api = parts(request)
    found = api.store.page_of(
        caller.owner,
        status=Status(status) if status else None,
        project_id=_text(project, "project"),
        before=from_cursor(cursor) if cursor else None,
        limit=limit + 1,
    )
    more = to_cursor(found[limit - 1].created_at, found[limit - 1].id) if len(found) > limit else None
    copies = api.store.archived_of([one.id for one in found[:limit]])
    items = [
        generation_view(one, api.estimates.of(one), copies_of(one, copies.get(one.id, []), api.archive))
        for one in found[:limit]
    ]
    return Page(items=items, next=more)


def _text(value: str | None, name: str) -> str | None:
    if value and "\x00" in value:
        raise InvalidRequest([f"{name}: contains a NUL character"])
    return value


@router.get("/{id}", response_model=GenerationView, responses=problems(401, 403, 404, 422, 429, 503))
def whole(request: Request, caller: Reader, id: UUID) -> GenerationView:
    """Everything about one generation."""
    api = parts(request)
    generation = api.store.get_of(caller.owner, id)
    copies = copies_of(generation, api.store.archived_of([id]).get(id, []), api.archive)
    return generation_view(generation, api.estimates.of(generation), copies)


@router.get(
    "/{id}/video",
    status_code=302,
    response_class=RedirectResponse,
    responses={302: {"description": "Where the video, or the image, is"}, **problems(401, 403, 404, 422, 429, 503)},
)
def video(request: Request, caller: Reader, id: UUID) -> RedirectResponse:
    """The first result, a video or an image, at an address that stays: its copy where that can be read over HTTP."""
    api = parts(request)
    url = api.store.get_of(caller.owner, id).video_url
    url = (link(api.store.archived_of([id]).get(id, []), api.archive) or url) if url else None
    if url is None:
        raise Refusal(404, "no_video", "this generation has no video; its status says why")
    if not url.startswith(("https://", "http://")):
        raise Refusal(404, "no_video", "the video is at an address that is not on the web; read video_url")
    return RedirectResponse(url, 302, {"Cache-Control": "no-store"})


_ACTING: Final = problems(401, 403, 404, 409, 422, 429, 503)


@router.post("/{id}/refresh", status_code=202, response_model=Acknowledged, responses=_ACTING)
async def refresh(request: Request, caller: Writer, id: UUID) -> Acknowledged:
    """Have the provider asked now, ahead of the schedule; every five seconds at most."""
    api = parts(request)
    generation = await run_in_threadpool(api.store.get_of, caller.owner, id)
    if not generation.is_watched:
        raise WrongState(f"the provider is not asked about a generation that is {generation.status}")
    await api.limiter.spend("refresh", str(id))
    await run_in_threadpool(api.client.refresh, id)
    return Acknowledged(id=id, status=generation.status.value)


@router.post("/{id}/cancel", status_code=202, response_model=Acknowledged, responses=_ACTING)
def cancel(request: Request, caller: Writer, id: UUID) -> Acknowledged:
    """Have it cancelled: at once while it waits, at the provider where that can; else it goes on being watched."""
    api = parts(request)
    generation = api.store.get_of(caller.owner, id)
    if generation.status.final:
        raise WrongState(f"it has ended as {generation.status}")
    with suppress(BrokerUnavailable):  # it is stored, and found before the paid call and at the next look
        api.client.cancel(id)
    api.doorbell.ring()
    return Acknowledged(id=id, status=generation.status.value)


@router.post(
    "/{id}/retry", status_code=202, response_model=Submitted, response_model_exclude_none=True, responses=_ACTING
)
def retry(request: Request, response: Response, caller: Writer, id: UUID) -> Submitted:
    """Ask anew, and pay anew, for one that failed or was cancelled; asked again, this gives the same generation."""
    api = parts(request)
    submitted = submit_one(api, api.store.get_of(caller.owner, id).anew())
    response.headers["Location"] = f"/v1/generations/{submitted.id}"
    return submitted
