"""Server-sent events: of one generation until it is final, of an owner for as long as somebody listens.

A stream first follows, then reads what was before, so nothing falls in between; what it gets twice it drops by version.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.types import Receive, Scope, Send

from vidpoll.api.keys import Caller, Reader
from vidpoll.api.parts import Parts, parts
from vidpoll.api.problems import Refusal, problems
from vidpoll.api.tail import Following, Told
from vidpoll.api.views import event_json, snapshot_json
from vidpoll.errors import GenerationNotFound, StoreUnavailable
from vidpoll.generation import FINAL
from vidpoll.store.live import PAGE, Event, Horizon

router = APIRouter(prefix="/v1", tags=["events"])

#: Seconds between two signs of life on a silent stream.
HEARTBEAT_S: Final = 15.0
#: Seconds a reader may leave bytes unread before it is cut off.
SEND_TIMEOUT_S: Final = 30.0
#: Events an owner that comes back is sent; after more, its generations are to be listed anew.
MOST_RESUMED: Final = 2 * PAGE
#: Seconds after which an owner with too many streams may try again.
FULL_S: Final = 10
_RETRY: Final = b"retry: 2000\n\n"
_HEARTBEAT: Final = b": heartbeat\n\n"

Frames = AsyncGenerator[bytes, None]
LastEventId = Annotated[str | None, Header(description="The `id` of the last event that was seen.")]
_STREAM: Final = {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}


@router.get(
    "/generations/{id}/events",
    response_class=Response,
    responses={
        200: _STREAM,
        204: {"description": "Final, and nothing came after `Last-Event-ID`"},
        **problems(401, 403, 404, 422, 429, 503),
    },
)
async def generation_events(request: Request, caller: Reader, id: UUID, last_event_id: LastEventId = None) -> Response:
    """Every change of one generation, beginning with how it stands; ends when it is final."""
    api, last = parts(request), _number(last_event_id)
    row = await api.live.status(caller.owner, id)
    if row is None:
        raise GenerationNotFound(id)
    if last is not None and last > row.version:
        last = None  # it is of another generation, or of another database
    if last is not None and row.status in FINAL and row.version <= last:
        return Response(status_code=204)
    _take_place(api, caller)
    follow = api.tail.follow(caller.owner, id=id)
    return EventStream(follow, lambda following: _of_generation(api, caller, id, last, following))


@router.get("/events", response_class=Response, responses={200: _STREAM, **problems(401, 403, 422, 429, 503)})
async def owner_events(
    request: Request,
    caller: Reader,
    project: Annotated[str | None, Query(max_length=200, description="Of this project only.")] = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Every change of the caller's generations, for as long as somebody listens."""
    api = parts(request)
    _take_place(api, caller)
    follow = api.tail.follow(caller.owner, project_id=project)
    return EventStream(follow, lambda following: _of_owner(api, caller, project, _number(last_event_id), following))


def _number(last_event_id: str | None) -> int | None:
    """A version or a cursor; None when it is neither, which begins anew."""
    text = (last_event_id or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _take_place(api: Parts, caller: Caller) -> None:
    if api.tail.count(caller.owner) >= api.settings.streams:
        words = f"{caller.owner} has {api.settings.streams} streams open here, which is the most; close some, or poll"
        raise Refusal(429, "too_many_streams", words, headers={"Retry-After": str(FULL_S)})


# -- what is sent -----------------------------------------------------------------------------------------------------


async def _of_generation(api: Parts, caller: Caller, id: UUID, last: int | None, following: Following) -> Frames:
    yield _RETRY
    row = await api.live.status(caller.owner, id)
    if row is None:
        return
    missed = None if last is None else await api.live.generation_events(caller.owner, id, last)
    if last is None or missed is None or not _is_whole(missed, last, row.version):
        yield _frame(row.version, snapshot_json(row, api.estimates.of_row(row)))
        last, final = row.version, row.status in FINAL
    else:
        final = False
        for event in missed:
            yield _frame(event.version, event_json(event, api.estimates.of_event(event)))
            last, final = event.version, event.status in FINAL
    if final:
        return
    async for arrived in _arrivals(api, caller, following):
        if not arrived:
            yield _HEARTBEAT
        for event, _cursor in arrived:
            if event.version > last:
                yield _frame(event.version, event_json(event, api.estimates.of_event(event)))
                last = event.version
                if event.status in FINAL:
                    return


def _is_whole(events: Sequence[Event], after: int, to: int) -> bool:
    """Whether these are all versions after one up to another, or beyond it: none was pruned."""
    versions = [event.version for event in events]
    return versions == list(range(after + 1, after + 1 + len(versions))) and after + len(versions) >= to


async def _of_owner(api: Parts, caller: Caller, project: str | None, since: int | None, following: Following) -> Frames:
    yield _RETRY
    now = await api.live.horizon()
    missed = await _missed(api, caller.owner, since, now)
    if missed is None or since is None:
        missed, since = [], now.oldest
        yield _ready(since, resumed=False)
    else:
        yield _ready(since, resumed=True)
        for event in missed:
            if project in (None, event.project_id):
                yield _frame(since, event_json(event, api.estimates.of_event(event)))
    sent = {event.id for event in missed}
    del missed
    begins_at, since = since, max(since, now.oldest)
    async for arrived in _arrivals(api, caller, following):
        if not arrived:
            yield _HEARTBEAT
        for event, cursor in arrived:
            if event.transaction >= begins_at and event.id not in sent:
                yield _frame(max(cursor, since), event_json(event, api.estimates.of_event(event)))
            if cursor >= now.next:
                sent.clear()  # what was sent above comes no more


async def _missed(api: Parts, owner: str, since: int | None, now: Horizon) -> list[Event] | None:
    """What was committed since the cursor; None when that cannot be told, was pruned, or would be too much."""
    if since is None or since > now.next:
        return None
    missed: list[Event] = []
    try:
        while page := await api.live.owner_events(owner, since, missed[-1].id if missed else 0):
            missed += page
            if len(missed) > MOST_RESUMED:
                return None
        if await api.live.pruned(since):
            return None
    except StoreUnavailable:
        return None  # too much for the time a read may take: begin anew rather than fail again and again
    return missed


async def _arrivals(api: Parts, caller: Caller, following: Following) -> AsyncGenerator[list[Told], None]:
    """What comes in, as it does, and now and then nothing, for a sign of life. Ends with the following or the key."""
    check_at = time.monotonic() + HEARTBEAT_S
    while not following.closed:
        if await following.something(max(0.0, check_at - time.monotonic())):
            yield following.take()
        if time.monotonic() >= check_at:
            if not await api.keyring.is_valid(caller):
                return
            yield []
            check_at = time.monotonic() + HEARTBEAT_S


def _frame(id: int, data: bytes) -> bytes:
    return b"event: generation\nid: %d\ndata: %b\n\n" % (id, data)


def _ready(cursor: int, *, resumed: bool) -> bytes:
    return b'event: ready\nid: %d\ndata: {"resumed":%b}\n\n' % (cursor, b"true" if resumed else b"false")


# -- how it is sent ---------------------------------------------------------------------------------------------------


class EventStream(Response):
    """Sends frames until they end, the reader goes, or it reads too slowly. One task beside the request's own."""

    media_type = "text/event-stream"

    def __init__(self, follow: AbstractContextManager[Following], frames: Callable[[Following], Frames]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._follow, self._frames = follow, frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        with self._follow as following:
            gone = asyncio.create_task(_until_gone(receive))
            gone.add_done_callback(lambda _: following.close())
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._send_frames(following, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except (TimeoutError, OSError, StoreUnavailable):
                return  # cut off: the reader comes back with Last-Event-ID
            finally:
                gone.cancel()

    async def _send_frames(self, following: Following, send: Send) -> None:
        frames = self._frames(following)
        try:
            async for frame in frames:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
        finally:
            await frames.aclose()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
