"""``POST /v1/generations``: one video asked for, or several."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Body, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from vidpoll import tracing
from vidpoll.api.keys import Caller, Writer
from vidpoll.api.parts import Parts, parts
from vidpoll.api.problems import Problem, problems, refusal_of
from vidpoll.api.status import news, wait_s
from vidpoll.api.views import ErrorView, StatusWord
from vidpoll.errors import InvalidRequest, PartlyRefused, Unavailable, VidpollError
from vidpoll.generation import FINAL, PROMPT_LIMIT, TIMEOUT_LIMIT_S, GenerationRequest, Kind, Status

router = APIRouter(prefix="/v1/generations", tags=["asking"])

#: Requests one POST may carry.
MOST_REQUESTS: Final = 100


class NewGeneration(BaseModel):
    """One video or image asked for; its owner is the key's. Checked as a :class:`GenerationRequest`, described here."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(min_length=1, max_length=200)
    model: str = Field(min_length=1, max_length=200)
    prompt: str = Field(min_length=1, max_length=PROMPT_LIMIT, pattern=r"\S")
    kind: Kind = Field(default="video", description="What is to be made; the model must be able to.")
    parent: UUID | None = Field(
        default=None, description="Of an upscale or an extend: the completed generation whose result it begins with."
    )
    account: str | None = Field(default=None, min_length=1, max_length=200)
    params: dict[str, JsonValue] = Field(default_factory=dict)
    priority: int = Field(default=0, ge=0, le=9)
    timeout_s: float | None = Field(default=None, gt=0, le=TIMEOUT_LIMIT_S)
    project_id: str | None = Field(default=None, min_length=1, max_length=200)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)


class Submitted(BaseModel):
    """The generation that answers a request; not ``new`` when its idempotency key was known."""

    id: UUID
    status: StatusWord
    new: bool
    video_url: str | None = None
    error: ErrorView | None = None


class Refused(BaseModel):
    """Why one of several was not taken."""

    error: Problem


class Results(BaseModel):
    """What became of each of several, in their order."""

    results: list[Submitted | Refused]


_ONE: Final = NewGeneration.model_json_schema()
_SEVERAL: Final = {"type": "array", "items": _ONE, "minItems": 1, "maxItems": MOST_REQUESTS}
#: Several are checked one by one, so the framework only sees that they are objects.
Asked = Annotated[
    dict[str, JsonValue] | list[JsonValue], Body(), WithJsonSchema({"anyOf": [_ONE, _SEVERAL]}, mode="validation")
]
IdempotencyKey = Annotated[
    str | None, Header(description="The same key gives the same generation, and no second charge.")
]


@router.post(
    "",
    status_code=202,
    response_model=Submitted | Results,
    response_model_exclude_none=True,
    responses={
        200: {"model": Submitted, "description": "It ended within the wait asked for"},
        **problems(400, 401, 403, 409, 413, 422, 429, 503),
    },
)
async def submit(
    request: Request,
    response: Response,
    caller: Writer,
    asked: Asked,
    idempotency_key: IdempotencyKey = None,
    prefer: Annotated[str | None, Header(description="`wait=N`: stay N seconds at most for one video.")] = None,
    traceparent: Annotated[
        str | None, Header(description="W3C trace context that the videos' spans go on with.")
    ] = None,
) -> Submitted | Results:
    """Ask for one video, or for up to 100: bad ones of several hold up none of the good."""
    api, trace = parts(request), tracing.current() or traceparent
    if isinstance(asked, list):
        return Results(results=await run_in_threadpool(_submit_many, api, caller, asked, idempotency_key, trace))
    asked_for = _request(caller, asked, idempotency_key)
    submitted = await run_in_threadpool(submit_one, api, asked_for, trace)
    response.headers["Location"] = f"/v1/generations/{submitted.id}"
    if seconds := wait_s(prefer):
        submitted = await _stayed(request, caller, submitted, seconds)
        response.status_code = 200 if submitted.status in FINAL else 202
    return submitted


async def _stayed(request: Request, caller: Caller, submitted: Submitted, wait_s: int) -> Submitted:
    """How it stands when it ends, or when the time is up. It is submitted, so nothing from here on is an error."""
    try:
        row = await news(request, caller.owner, submitted.id, frozenset(), wait_s)
    except Unavailable:
        return submitted
    if row is None:
        return submitted
    ended: dict[str, Any] = {"video_url": row.video_url, "error": row.error} if row.status in FINAL else {}
    return Submitted(id=submitted.id, status=row.status, new=submitted.new, **ended)


def submit_one(api: Parts, request: GenerationRequest, traceparent: str | None = None) -> Submitted:
    """Ask for it. ``request`` carries an id, to be used unless its idempotency key is known."""
    return _submitted(api, request, api.client.submit(request, traceparent=traceparent))


def _submit_many(
    api: Parts, caller: Caller, asked: Sequence[JsonValue], header_key: str | None, traceparent: str | None
) -> list[Submitted | Refused]:
    if not 1 <= len(asked) <= MOST_REQUESTS:
        raise InvalidRequest([f"the array: must have 1 to {MOST_REQUESTS} requests, not {len(asked)}"])
    results: dict[int, Submitted | Refused] = {}
    good: dict[int, GenerationRequest] = {}
    for place, fields in enumerate(asked):
        try:
            good[place] = _request(caller, fields, None if header_key is None else f"{header_key}/{place}")
        except InvalidRequest as error:
            results[place] = _refused(error)
    for (place, request), outcome in zip(good.items(), _outcomes(api, list(good.values()), traceparent), strict=True):
        if isinstance(outcome, VidpollError):
            results[place] = _refused(outcome)
        else:
            results[place] = _submitted(api, request, outcome)
    return [results[place] for place in range(len(asked))]


def _outcomes(api: Parts, requests: Sequence[GenerationRequest], traceparent: str | None) -> list[UUID | VidpollError]:
    try:
        return list(api.client.submit_many(requests, traceparent=traceparent))
    except PartlyRefused as refused:
        return [id or refused.errors[place] for place, id in enumerate(refused.ids)]


def _request(caller: Caller, fields: JsonValue, header_key: str | None) -> GenerationRequest:
    """The request in a body.

    Raises:
        InvalidRequest: naming everything wrong with it.
    """
    if not isinstance(fields, Mapping):
        raise InvalidRequest(["request: must be an object"])
    if foreign := sorted(set(fields) - set(NewGeneration.model_fields)):
        raise InvalidRequest([f"{_printable(name)}: there is no such field" for name in foreign[:10]])
    given: dict[str, Any] = {**fields, "owner": caller.owner, "id": uuid4()}
    if header_key is not None:
        if given.get("idempotency_key") not in (None, header_key):
            raise InvalidRequest(["idempotency_key: differs from the one in the header Idempotency-Key"])
        given["idempotency_key"] = header_key
    return GenerationRequest.checked(given)


def _printable(name: str) -> str:
    """A field's name as it can be sent back: it may hold anything."""
    return name[:100].encode("ascii", "backslashreplace").decode()


def _submitted(api: Parts, request: GenerationRequest, id: UUID) -> Submitted:
    new = id == request.id
    status = Status.PENDING if new else api.store.get_of(request.owner, id).status
    if new:
        api.doorbell.ring()
    return Submitted(id=id, status=status.value, new=new)


def _refused(error: VidpollError) -> Refused:
    return Refused(error=Problem(**refusal_of(error).document()))
