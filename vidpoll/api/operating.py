"""What operators and probes ask: is it up, what waits, how does it go."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from vidpoll.api.keys import Caller, Operator, Reader
from vidpoll.api.parts import parts
from vidpoll.api.problems import Refusal, problems
from vidpoll.generation import Status

router = APIRouter(tags=["operating"])

MOST_HOURS: Final = 24 * 366
All = Annotated[bool, Query(alias="all", description="Everybody's, for keys with the scope `operate`.")]
Named = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


class Waiting(BaseModel):
    """Generations of one status that have not ended."""

    count: int
    oldest_s: float


class Queue(BaseModel):
    """What has not ended yet, by status."""

    pending: Waiting
    submitting: Waiting
    processing: Waiting
    unknown: Waiting


class Ends(BaseModel):
    """How generations ended; averages and quantiles are null where there is nothing to count."""

    provider: str | None
    model: str | None
    total: int
    completed: int
    failed: int
    cancelled: int
    late: int
    success_rate: float | None
    average_completion_s: float | None
    p50_completion_s: float | None
    p90_completion_s: float | None
    average_run_s: float | None
    average_queue_s: float | None
    average_detection_s: float | None
    average_checks: float | None
    average_submits: float | None
    errors: dict[str, int]


class Stats(Ends):
    """How the generations of a while ended: all together, and by model."""

    hours: float
    by_model: list[Ends]


class KeyView(BaseModel):
    """What a key is good for."""

    id: str
    owner: str
    scopes: list[str]


@router.get("/v1/key", response_model=KeyView, responses=problems(401, 403, 429, 503))
async def key(caller: Reader) -> KeyView:
    """The key this request came with."""
    return KeyView(id=caller.key_id, owner=caller.owner, scopes=sorted(caller.scopes))


@router.get("/v1/queue", response_model=Queue, responses=problems(401, 403, 422, 429, 503))
def queue(request: Request, caller: Reader, everybody: All = False) -> Queue:
    """What waits, and for how long."""
    waiting = parts(request).store.open_by_status(_whose(caller, everybody))

    def of(status: Status) -> Waiting:
        count, oldest_s = waiting.get(status, (0, 0.0))
        return Waiting(count=count, oldest_s=round(oldest_s, 1))

    return Queue(
        pending=of(Status.PENDING),
        submitting=of(Status.SUBMITTING),
        processing=of(Status.PROCESSING),
        unknown=of(Status.UNKNOWN),
    )


@router.get("/v1/stats", response_model=Stats, responses=problems(401, 403, 422, 429, 503))
def stats(
    request: Request,
    caller: Reader,
    hours: Annotated[float, Query(gt=0, le=MOST_HOURS)] = 24,
    provider: Named = None,
    model: Named = None,
    everybody: All = False,
) -> Stats:
    """How generations accepted within the last hours ended."""
    whose = _whose(caller, everybody)
    together, models = parts(request).store.statistics(whose, hours, provider=provider, model=model)
    return Stats(hours=hours, by_model=[Ends(**one.to_json()) for one in models], **together.to_json())


def _whose(caller: Caller, everybody: bool) -> str | None:
    if everybody and "operate" not in caller.scopes:
        raise Refusal(403, "forbidden", "everybody's are shown to keys with the scope 'operate'")
    return None if everybody else caller.owner


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> str:
    """The process runs."""
    return "ok\n"


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_class=PlainTextResponse, responses=problems(503))
async def readyz(request: Request) -> str:
    """It can serve: Postgres answers."""
    await parts(request).live.horizon()
    return "ok\n"


@router.get("/metrics", response_class=PlainTextResponse, responses=problems(401, 403, 429, 503))
async def metrics(request: Request, caller: Operator) -> Response:
    """Counters for Prometheus. Of what all processes share, what cannot be read now is left out."""
    api = parts(request)
    told = await run_in_threadpool(api.metrics.told, streams=api.tail.count())
    return Response(told, media_type=CONTENT_TYPE_LATEST)
