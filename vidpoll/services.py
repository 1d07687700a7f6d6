"""The one composition root: settings in, everything connected out."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Final
from uuid import UUID

import redis

from vidpoll import providers, redis_url, tracing
from vidpoll.accounts import Accounts, jitter_reserve
from vidpoll.archive import Archive, ArchiveLimits
from vidpoll.clock import Clock
from vidpoll.doorbell import Doorbell
from vidpoll.errors import LanesUnavailable
from vidpoll.forecasts import Forecasts
from vidpoll.heartbeats import Heartbeats
from vidpoll.hints import Hints
from vidpoll.lanes import ARCHIVE, PROJECTS, WEBHOOKS, Lane, Lanes, Limits
from vidpoll.providers.base import Provider
from vidpoll.redact import SECRETS, is_secret
from vidpoll.resolving import Resolver
from vidpoll.settings import Settings
from vidpoll.store import Store, connect
from vidpoll.store.engine import nobody_advances, nobody_delivers, nobody_listens
from vidpoll.telemetry import Telemetry

#: Seconds by which a generation may be looked at before its time, to fill up a status call that takes several of them.
#: No call is made for it, and none is looked at again within a second of its last look (``lanes.REST_S``).
LOOK_AHEAD_S: Final = 2.0
#: Projects may be advanced so often: no provider is called for it, but Postgres and the queue are not to be flooded.
PROJECT_LIMITS: Final = Limits(rate=100, burst=50)
#: So often may endpoints be handed out; each is then sent to for seconds.
WEBHOOK_LIMITS: Final = Limits(rate=100, burst=50)
#: What stands in the lane of endpoints for "there are new events".
NEWS: Final = UUID(int=0)


@dataclass(frozen=True)
class Services:
    """What the lifecycle works with. Safe to share between threads; build it after a fork, not before."""

    store: Store
    lanes: Lanes
    providers: dict[str, Provider]
    accounts: Accounts
    lease_s: float
    heartbeats: Heartbeats
    hints: Hints
    clock: Clock = field(default_factory=Clock)
    archive: Archive | None = None
    resolver: Resolver = field(default_factory=Resolver)
    telemetry: Telemetry = field(default_factory=Telemetry)
    webhooks_local: bool = False

    @cached_property
    def forecasts(self) -> Forecasts:
        """How long generations are likely to take, as far as was learned."""
        return Forecasts(self.store.learned, self.clock)

    def limits(self, lane: Lane) -> Limits:
        """What a lane may grant by the providers file: its account's rates, less what is kept for jitter.

        And how many ids its provider takes in one call.
        """
        if lane == PROJECTS:
            return PROJECT_LIMITS
        if lane == WEBHOOKS:
            return WEBHOOK_LIMITS
        if lane == ARCHIVE:
            return replace(PROJECT_LIMITS, max_in_flight=self.archive.limits.at_once if self.archive else 1)
        account = self.accounts[lane.account]
        if lane.verb == "submit":
            burst = account.submit_burst - jitter_reserve(account.submit_rate)
            return Limits(account.submit_rate, burst, max_in_flight=account.max_in_flight)
        burst = account.status_burst - jitter_reserve(account.status_rate)
        batch = self.providers[lane.account].capabilities.check_batch
        return Limits(account.status_rate, burst, batch=batch, ahead_s=LOOK_AHEAD_S if batch > 1 else 0.0)

    def limits_in_force(self, lane: Lane) -> Limits:
        """The same, with the rate an operator set, as this process last saw it."""
        return self.lanes.in_force(lane, self.limits(lane))


def build(settings: Settings) -> Services:
    """Connect everything ``settings`` names; nothing is contacted before it is used.

    Raises:
        NotConfigured: a URL or the providers file is missing or wrong.
    """
    client = _redis(settings)
    lanes = Lanes(client)
    store = build_store(
        settings, on_events=Doorbell(settings.need("redis_url")).ring,
        on_project=partial(_advance_soon, lanes), on_webhooks=partial(_deliver_soon, lanes),
    )  # fmt: skip
    return Services(
        store=store,
        lanes=Lanes(client, controls=store.control, replicas=redis_url.parse(settings.need("redis_url")).replicas),
        heartbeats=Heartbeats(client),
        hints=Hints(client),
        providers=providers.build(settings.accounts),
        accounts=settings.accounts,
        lease_s=settings.lease_s,
        archive=build_archive(settings),
        telemetry=Telemetry(settings.accounts, tracing=tracing.from_environment()),
        webhooks_local=settings.webhooks_local,
    )


def build_archive(settings: Settings) -> Archive | None:
    """Where results are kept, if they are.

    Never more at once than half of a worker's threads, so that copying keeps nothing else waiting.

    Raises:
        NotConfigured: VIDPOLL_ARCHIVE_URL cannot be used, or what it needs is not installed.
    """
    if not settings.archive_url:
        return None
    at_once = min(settings.archive_at_once, max(1, settings.worker_threads // 2))
    limits = ArchiveLimits(settings.archive_max_bytes, settings.archive_timeout_s, at_once)
    options, public_url = settings.archive_options, settings.archive_public_url
    _learn_secrets(options)
    return Archive(settings.archive_url, options, public_url=public_url, limits=limits)


def _learn_secrets(options: Mapping[str, Any]) -> None:
    """What authorises is not shown, also where a library's error tells it."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            _learn_secrets(value)
        elif isinstance(value, str) and is_secret(name):
            SECRETS.add(value)


def build_store(
    settings: Settings,
    on_events: Callable[[], None] = nobody_listens,
    on_project: Callable[[UUID], None] = nobody_advances,
    on_webhooks: Callable[[], None] = nobody_delivers,
) -> Store:
    """The store alone, for whoever needs no lanes."""
    engine = connect(settings.need("database_url"), pool_size=settings.worker_threads + 2)
    return Store(engine, on_events, on_project, on_webhooks)


def _advance_soon(lanes: Lanes, project_id: UUID) -> None:
    """A step ended, and that is committed. Where the lane cannot be told, the sweep finds the project."""
    with suppress(LanesUnavailable):
        lanes.schedule(PROJECTS, {project_id: 0.0})


def _deliver_soon(lanes: Lanes) -> None:
    """Something an endpoint is told of was committed. Where the lane cannot be told, the sweep finds the event."""
    with suppress(LanesUnavailable):
        lanes.schedule(WEBHOOKS, {NEWS: 0.0})


def build_lanes(settings: Settings) -> Lanes:
    """The lanes alone."""
    return Lanes(_redis(settings))


def build_heartbeats(settings: Settings) -> Heartbeats:
    """What workers tell of themselves, alone."""
    return Heartbeats(_redis(settings))


def build_hints(settings: Settings) -> Hints:
    """What webhooks said lately, alone."""
    return Hints(_redis(settings))


def _redis(settings: Settings) -> "redis.Redis":
    url = settings.need("redis_url")
    return redis_url.connect(url, socket_timeout=5, socket_connect_timeout=5, health_check_interval=30)
