"""Vendors' webhooks: ``POST /v1/webhooks/in/{provider}/{account}``. No API key; vendors have none.

An answer says whether a webhook is genuine, and nothing of what it is about.
"""

import time
from typing import Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse

from vidpoll.api.parts import parts
from vidpoll.api.problems import Refusal, problems
from vidpoll.callbacks import PATH
from vidpoll.errors import VidpollError
from vidpoll.inbound.base import Post
from vidpoll.inbound.receiving import Received

router = APIRouter(prefix=PATH, tags=["webhooks"])

_REFUSALS: Final[dict[Received, tuple[int, str, str]]] = {
    "malformed": (400, "malformed_webhook", "this is no webhook of this vendor"),
    "forged": (401, "unauthorized", "this webhook is not the vendor's"),
    "aged": (401, "aged_webhook", "this webhook was signed too long ago, or is not of now"),
}


@router.post(
    "/{provider}/{account}", response_class=PlainTextResponse, responses=problems(400, 401, 404, 413, 429, 503)
)
async def receive(
    request: Request, provider: str, account: str, generation: str | None = None, token: str | None = None
) -> str:
    """A vendor tells that something is done; it is looked at then, and what the vendor answers counts."""
    api = parts(request)
    await api.limiter.spend("webhook", request.client.host if request.client else "")
    found = api.receiving.account(provider, account) if api.receiving else None
    if api.receiving is None or found is None:
        raise Refusal(404, "not_found", "no webhooks are received here")
    post = Post({name.lower(): value for name, value in request.headers.items()}, await request.body(), time.time())
    try:
        outcome = await run_in_threadpool(api.receiving.receive, found, post, generation, token)
    except VidpollError:
        api.metrics.webhook(found.name, "unverified")
        raise
    if outcome != "accepted":  # workers count those
        api.metrics.webhook(found.name, outcome)
    if outcome in _REFUSALS:
        raise Refusal(*_REFUSALS[outcome])
    return "ok\n"
