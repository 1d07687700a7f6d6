"""Everything about generations, and what can be done with them."""

import base64
import binascii
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from vidpoll.api.keys import Reader, Writer
from vidpoll.api.parts import parts
from vidpoll.api.problems import Refusal, problems
from vidpoll.api.submitting import Submitted, submit_one
from vidpoll.api.views import GenerationView, StatusWord, generation_view
from vidpoll.errors import BrokerUnavailable, InvalidRequest, WrongState
from vidpoll.generation import Generation, Status

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
        before=_from_cursor(cursor) if cursor else None,
        limit=limit + 1,
    )
    more = _to_cursor(found[limit - 1]) if len(found) > limit else None
    return Page(items=[generation_view(one, api.estimates.of(one)) for one in found[:limit]], next=more)


def _to_cursor(last: Generation) -> str:
    return base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.id}".encode()).decode()


def _from_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        moment, _, id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None:
            raise ValueError(cursor)
        return created_at, UUID(id)
    except (ValueError, binascii.Error):
        raise InvalidRequest(["cursor: is not one that a page before gave"]) from None


def _text(value: str | None, name: str) -> str | None:
    if value and "\x00" in value:
        raise InvalidRequest([f"{name}: contains a NUL character"])
    return value


@router.get("/{id}", response_model=GenerationView, responses=problems(401, 403, 404, 422, 429, 503))
def whole(request: Request, caller: Reader, id: UUID) -> GenerationView:
    """Everything about one generation."""
    api = parts(request)
    generation = api.store.get_of(caller.owner, id)
    return generation_view(generation, api.estimates.of(generation))


@router.get(
    "/{id}/video",
    status_code=302,
    response_class=RedirectResponse,
    responses={302: {"description": "Where the video is"}, **problems(401, 403, 404, 422, 429, 503)},
)
def video(request: Request, caller: Reader, id: UUID) -> RedirectResponse:
    """The video, at an address that stays."""
    url = parts(request).store.get_of(caller.owner, id).video_url
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
    generation = api.store.get_of(caller.owner, id)
    if generation.status not in (Status.FAILED, Status.CANCELLED):
        raise WrongState(f"one that is {generation.status} is not asked for anew")
    anew = {"id": uuid4(), "idempotency_key": f"retry:{id}", "retry_of": id}
    submitted = submit_one(api, generation.request.model_copy(update=anew))
    response.headers["Location"] = f"/v1/generations/{submitted.id}"
    return submitted
