"""Webhook endpoints of the caller: made, read, rotated, tested, replayed. Secrets are told once, when they are made."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict

from vidpoll.api.generations import MOST_ITEMS
from vidpoll.api.keys import Writer
from vidpoll.api.parts import parts
from vidpoll.api.problems import problems
from vidpoll.client_webhooks import KEEP_HOURS

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

_READING: Final = problems(401, 403, 404, 422, 429, 503)
_ACTING: Final = problems(400, 401, 403, 404, 409, 413, 422, 429, 503)


class EndpointBody(BaseModel):
    """An endpoint that is asked for; ``event_types`` are all of them if not given."""

    model_config = ConfigDict(extra="forbid")

    url: str
    event_types: list[str] | None = None
    description: str = ""


class RotateBody(BaseModel):
    """For how many hours the secrets before stay valid."""

    model_config = ConfigDict(extra="forbid")

    keep_hours: float = KEEP_HOURS


class ReplayBody(BaseModel):
    """What to send again: an event, all since a moment, or what failed."""

    model_config = ConfigDict(extra="forbid")

    event_id: str | None = None
    since: AwareDatetime | None = None
    failed: bool = False


class EndpointView(BaseModel):
    """How an endpoint stands."""

    id: UUID
    url: str
    event_types: list[str]
    description: str
    status: Literal["enabled", "disabled"]
    health: Literal["ok", "failing", "down", "disabled"]
    disabled_code: Literal["asked", "gone", "failing"] | None
    disabled_reason: str | None
    failing_since: datetime | None
    failures_in_a_row: int
    rests_until: datetime | None
    last_delivered_at: datetime | None
    secrets: int
    waiting: int
    failed: int
    created_at: datetime
    updated_at: datetime


class EndpointViews(BaseModel):
    """The caller's endpoints, newest first."""

    items: list[EndpointView]


class SecretView(BaseModel):
    """A secret, told this once."""

    id: UUID
    secret: str


class DeliveryView(BaseModel):
    """An event on its way to an endpoint."""

    id: int
    event_id: str
    event_type: str
    subject: UUID
    version: int
    status: Literal["waiting", "delivered", "failed"]
    attempts: int
    tries: int
    next_at: datetime | None
    last_tried_at: datetime | None
    last_status: int | None
    last_words: str | None
    created_at: datetime
    ended_at: datetime | None


class DeliveryPage(BaseModel):
    """Deliveries, the newest first; ``next`` is the cursor of the page after, or null."""

    items: list[DeliveryView]
    next: int | None


class Changed(BaseModel):
    """Whether it was not so before."""

    id: UUID
    changed: bool


class Tested(BaseModel):
    """The delivery that tells what came of the test."""

    id: UUID
    delivery_id: int


class Replayed(BaseModel):
    """How many wait to be sent again."""

    id: UUID
    replayed: int


@router.post("", status_code=201, response_model=SecretView, responses=problems(400, 401, 403, 409, 413, 422, 429, 503))
def add(request: Request, response: Response, caller: Writer, asked: EndpointBody) -> SecretView:
    """Have the caller's events sent to an address from now on."""
    made = parts(request).client.add_webhook(
        caller.owner, asked.url, event_types=asked.event_types, description=asked.description
    )
    response.headers["Location"] = f"/v1/webhooks/{made.endpoint_id}"
    response.headers["Cache-Control"] = "no-store"
    return SecretView(id=made.endpoint_id, secret=made.secret)


@router.get("", response_model=EndpointViews, responses=problems(401, 403, 429, 503))
def page(request: Request, caller: Writer) -> Any:
    """The caller's endpoints."""
    return {"items": [one.to_json() for one in parts(request).client.webhooks(caller.owner)]}


@router.get("/{id}", response_model=EndpointView, responses=_READING)
def endpoint(request: Request, caller: Writer, id: UUID) -> Any:
    """How one stands."""
    return parts(request).client.webhook(id, owner=caller.owner).to_json()


@router.delete("/{id}", status_code=204, responses=_READING)
def remove(request: Request, caller: Writer, id: UUID) -> Response:
    """Delete it, and what waits for it."""
    parts(request).client.remove_webhook(id, owner=caller.owner)
    return Response(status_code=204)


@router.get("/{id}/deliveries", response_model=DeliveryPage, responses=_READING)
def deliveries(
    request: Request,
    caller: Writer,
    id: UUID,
    cursor: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before.")] = None,
    status: Annotated[Literal["waiting", "delivered", "failed"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 50,
) -> Any:
    """What was, and is to be, sent to it; newest first."""
    client = parts(request).client
    found = client.webhook_deliveries(id, owner=caller.owner, before=cursor, status=status, limit=limit + 1)
    more = found[limit - 1].id if len(found) > limit else None
    return {"items": [one.to_json() for one in found[:limit]], "next": more}


@router.post("/{id}/rotate", response_model=SecretView, responses=_ACTING)
def rotate(request: Request, response: Response, caller: Writer, id: UUID, asked: RotateBody | None = None) -> Any:
    """A new secret; those before sign as well for a while."""
    hours = asked.keep_hours if asked else KEEP_HOURS
    made = parts(request).client.rotate_webhook_secret(id, keep_hours=hours, owner=caller.owner)
    response.headers["Cache-Control"] = "no-store"
    return SecretView(id=made.endpoint_id, secret=made.secret)


@router.post("/{id}/enable", response_model=Changed, responses=_ACTING)
def enable(request: Request, caller: Writer, id: UUID) -> Changed:
    """Send to it again, what waits first."""
    return Changed(id=id, changed=parts(request).client.enable_webhook(id, owner=caller.owner))


@router.post("/{id}/disable", response_model=Changed, responses=_ACTING)
def disable(request: Request, caller: Writer, id: UUID) -> Changed:
    """Send it nothing more."""
    return Changed(id=id, changed=parts(request).client.disable_webhook(id, owner=caller.owner))


@router.post("/{id}/test", status_code=202, response_model=Tested, responses=_ACTING)
def try_out(request: Request, caller: Writer, id: UUID) -> Tested:
    """Have a `webhook.test` sent; its delivery tells what came of it."""
    return Tested(id=id, delivery_id=parts(request).client.test_webhook(id, owner=caller.owner))


@router.post("/{id}/replay", status_code=202, response_model=Replayed, responses=_ACTING)
def replay(request: Request, caller: Writer, id: UUID, asked: ReplayBody) -> Replayed:
    """Send again what was delivered or given up, under the same ids."""
    again = parts(request).client.replay_webhook(
        id, event_id=asked.event_id, since=asked.since, failed=asked.failed, owner=caller.owner
    )
    return Replayed(id=id, replayed=again)
