"""Puts the HTTP side together."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from vidpoll.accounts import Accounts
from vidpoll.api import events, generations, operating, page, projects, status, submitting, webhooks_in, webhooks_out
from vidpoll.api.bodies import Bounded
from vidpoll.api.estimates import Estimates
from vidpoll.api.headers import Guarded
from vidpoll.api.keys import Keyring, Limiter
from vidpoll.api.metrics import Counted, Metrics
from vidpoll.api.parts import Parts
from vidpoll.api.problems import Unbroken, answer_with_problems
from vidpoll.api.settings import ApiSettings, load_api_settings
from vidpoll.api.tail import Tail
from vidpoll.client import Client
from vidpoll.doorbell import Doorbell
from vidpoll.errors import NotConfigured
from vidpoll.guarded_logs import guard_logs
from vidpoll.inbound.receiving import Receiving
from vidpoll.services import build_archive, build_heartbeats, build_hints, build_lanes
from vidpoll.settings import Settings
from vidpoll.shared_state import SharedState
from vidpoll.store import Store, connect
from vidpoll.store.live import READ_TIMEOUT_S, LiveStore

log = logging.getLogger("vidpoll.api")

_CORS_HEADERS: Final = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer",
)  # fmt: skip


def create_app(settings: Settings, api_settings: ApiSettings | None = None) -> FastAPI:
    """The ASGI application. Nothing is contacted before its lifespan begins.

    Raises:
        NotConfigured: a URL is missing, or something in the environment cannot be used.
    """
    built = build_parts(settings, api_settings or load_api_settings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        guard_logs()
        async with built.live:
            tasks = [asyncio.create_task(one.run()) for one in (built.tail, built.estimates)]
            yield
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    app = FastAPI(
        title="vidpoll", version="1", summary="Ask AI providers for videos, and see how they come along.",
        lifespan=lifespan, docs_url=None, redoc_url=None,
        telemetry={"metrics": False, "logs": False},
    )  # fmt: skip
    app.state.parts = built
    answer_with_problems(app)
    for part in (status, events, submitting, generations, projects, operating, webhooks_in, webhooks_out, page):
        app.include_router(part.router)
    app.add_middleware(status.StatusReads)
    if built.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=built.settings.cors_origins, allow_methods=["GET", "POST", "DELETE"],
            allow_headers=_CORS_HEADERS, expose_headers=["ETag", "Location", "Retry-After"],
        )  # fmt: skip
    app.add_middleware(Bounded)
    app.add_middleware(Unbroken)
    app.add_middleware(Guarded, media_sources=built.settings.media_sources)
    app.add_middleware(Counted, metrics=built.metrics)
    return app


def build_parts(settings: Settings, api_settings: ApiSettings) -> Parts:
    """Everything the routes work with."""
    doorbell = Doorbell(settings.need("redis_url"))
    engine = connect(settings.need("database_url"), pool_size=10, statement_timeout_s=READ_TIMEOUT_S)
    store = Store(engine, on_events=doorbell.ring)
    accounts = _accounts(settings)
    estimates = Estimates(store.learned, accounts, api_settings.eta_refresh_s)
    shared = SharedState(
        store, build_lanes(settings), build_heartbeats(settings), accounts,
        broker_url=settings.broker_url or settings.need("redis_url"), lease_s=settings.lease_s,
        hints=build_hints(settings),
    )  # fmt: skip
    client = Client(settings=settings)
    live = LiveStore(settings.need("database_url"), pool_size=api_settings.pool_size)
    return Parts(
        settings=api_settings,
        store=store,
        live=live,
        client=client,
        estimates=estimates,
        tail=Tail(live, settings.need("redis_url")),
        keyring=Keyring(live),
        limiter=Limiter(api_settings),
        doorbell=doorbell,
        metrics=Metrics(shared),
        archive=build_archive(settings),
        receiving=Receiving(accounts, client.wake) if accounts else None,
    )


def _accounts(settings: Settings) -> Accounts | None:
    """The providers file, which this side can do without: it is needed for ETAs of what nothing was learned of, and for
    the lanes' metrics.
    """
    try:
        return settings.accounts
    except NotConfigured as error:
        log.info("ETAs and metrics do without a providers file: %s", error)
        return None
