"""How generations stand, in few bytes: one, several, or held back until there is something new."""

import math
import re
import time
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from vidpoll.api.keys import Caller, Reader, admit, bearer_key
from vidpoll.api.parts import parts
from vidpoll.api.problems import Refusal, problems, refusal_of
from vidpoll.api.views import StatusView, status_json
from vidpoll.errors import GenerationNotFound, InvalidRequest, VidpollError
from vidpoll.generation import FINAL
from vidpoll.store.live import StatusRow

router = APIRouter(prefix="/v1/generations", tags=["reading"])

#: Ids one request may ask for.
MOST_IDS: Final = 200
#: Seconds an answer may be held back.
LONGEST_WAIT_S: Final = 60
#: When to look again where nothing is planned, and at the latest, seconds.
SOON_S: Final = 2
LATEST_S: Final = 60
#: Seconds between two glances at whether somebody still waits for an answer that is held back.
_GLANCE_S: Final = 1.0
_ETAG: Final = re.compile(r'"(\d{1,9})"')
_PATH: Final = re.compile(r"/v1/generations/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/status")
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,9})(?:$|[,;\s])")


class StatusViews(BaseModel):
    """How several stand; and the ids of those that are not there, or not the caller's."""

    generations: list[StatusView]
    not_found: list[UUID]


@router.get("/status", response_model=StatusViews, responses=problems(401, 403, 422, 429, 503))
async def statuses(
    request: Request,
    caller: Reader,
    ids: Annotated[str, Query(min_length=1, description="Up to 200 ids, with commas between.")],
) -> Response:
    """How up to 200 generations stand, in the order asked for; one statement."""
    wanted = list(dict.fromkeys(_ids(ids)))
    api = parts(request)
    found = {row.id: row for row in await api.live.statuses(caller.owner, wanted)}
    there = b",".join(status_json(found[id], api.estimates.of_row(found[id])) for id in wanted if id in found)
    missing = ",".join(f'"{id}"' for id in wanted if id not in found)
    return _json(b'{"generations":[%b],"not_found":[%b]}' % (there, missing.encode()))


def _ids(text: str) -> list[UUID]:
    given = [part for part in text.split(",") if part]
    if not 1 <= len(given) <= MOST_IDS:
        raise InvalidRequest([f"ids: must be 1 to {MOST_IDS}, not {len(given)}"])
    try:
        return [UUID(part) for part in given]
    except ValueError:
        raise InvalidRequest(["ids: one of them is not a UUID"]) from None


@router.get(
    "/{id}/status",
    response_model=StatusView,
    responses={304: {"description": "Nothing changed since `If-None-Match`"}, **problems(401, 403, 404, 422, 429, 503)},
)
async def status(
    request: Request,
    caller: Reader,
    id: UUID,
    prefer: Annotated[str | None, Header(description="`wait=N`: hold the answer back, N seconds at most.")] = None,
    if_none_match: Annotated[str | None, Header(description="The ETag of an earlier answer.")] = None,
) -> Response:
    """How a generation stands, in at most 200 bytes; one read by primary key."""
    return await _answer(request, caller, id, prefer, if_none_match)


class StatusReads:
    """A short way to :func:`status`, past the framework's routing: status reads are most of what clients ask."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a status read; pass everything else on."""
        is_get = scope["type"] == "http" and scope["method"] == "GET"
        match = _PATH.fullmatch(scope["path"]) if is_get else None
        if match is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        headers = request.headers
        try:
            caller = await admit(request, bearer_key(headers.get("authorization", "")), "read", "read")
            known, prefer = headers.get("if-none-match"), headers.get("prefer")
            response = await _answer(request, caller, UUID(match[1]), prefer, known)
        except Refusal as refusal:
            response = refusal.response()
        except VidpollError as error:
            response = refusal_of(error).response()
        await response(scope, receive, send)


async def _answer(
    request: Request, caller: Caller, id: UUID, prefer: str | None, if_none_match: str | None
) -> Response:
    known = _versions(if_none_match)
    row = await parts(request).live.status(caller.owner, id)
    seconds = wait_s(prefer)
    if seconds and row and not _is_news(row, known):
        row = await news(request, caller.owner, id, known, seconds)
    if row is None:
        raise GenerationNotFound(id)
    headers = {"ETag": f'W/"{row.version}"', "Cache-Control": "private, no-cache"}
    if row.status not in FINAL:
        headers["Retry-After"] = str(_retry_after_s(row))
    if row.version in known:
        return Response(status_code=304, headers=headers)
    return _json(status_json(row, parts(request).estimates.of_row(row)), headers)


def _versions(etags: str | None) -> frozenset[int]:
    """The versions in ``W/"7", "8"``."""
    return frozenset(int(version) for version in _ETAG.findall(etags or ""))


def wait_s(prefer: str | None) -> int:
    """Seconds an answer may be held back, by ``Prefer: wait=N`` (RFC 7240, 4.3); 0 when it does not say."""
    found = _WAIT.search(prefer) if prefer else None
    return min(int(found[1]), LONGEST_WAIT_S) if found else 0


def _is_news(row: StatusRow, known: frozenset[int]) -> bool:
    return row.status in FINAL or (bool(known) and row.version not in known)


async def news(request: Request, owner: str, id: UUID, known: frozenset[int], wait_s: float) -> StatusRow | None:
    """Wait for the end or, if versions are known, for another one; how it stands then, or when the time is up."""
    api, give_up_at = parts(request), time.monotonic() + wait_s
    with api.tail.follow(owner, id=id) as following:
        row = await api.live.status(owner, id)
        while row and not _is_news(row, known) and not following.closed:
            left_s = give_up_at - time.monotonic()
            is_full = api.tail.count(owner) > api.settings.streams
            if left_s <= 0 or is_full or await request.is_disconnected():
                break
            if await following.something(min(left_s, _GLANCE_S)):
                following.take()
                row = await api.live.status(owner, id)
        return row


def _retry_after_s(row: StatusRow) -> int:
    """When the next change can be expected: after the next look at the provider."""
    if row.next_s is None or row.status == "pending":
        return SOON_S
    return min(LATEST_S, max(1, math.ceil(row.next_s)))


def _json(body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, headers=headers, media_type="application/json")
