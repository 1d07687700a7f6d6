"""The one composition root: settings in, everything connected out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import redis

from vidpoll import providers
from vidpoll.accounts import Accounts, jitter_reserve
from vidpoll.clock import Clock
from vidpoll.doorbell import Doorbell
from vidpoll.errors import NotConfigured
from vidpoll.forecasts import Forecasts
from vidpoll.heartbeats import Heartbeats
from vidpoll.lanes import Lane, Lanes, Limits
from vidpoll.providers.base import Provider
from vidpoll.resolving import Resolver
from vidpoll.settings import Settings
from vidpoll.store import Store, connect
from vidpoll.store.engine import nobody_listens

#: Seconds by which a generation may be looked at before its time, to fill up a status call that takes several of them.
#: No call is made for it, and none is looked at again within a second of its last look (``lanes.REST_S``).
LOOK_AHEAD_S: Final = 2.0


@dataclass(frozen=True)
class Services:
    """What the lifecycle works with. Safe to share between threads; build it after a fork, not before."""

    store: Store
    lanes: Lanes
    providers: dict[str, Provider]
    accounts: Accounts
    lease_s: float
    heartbeats: Heartbeats
    clock: Clock = field(default_factory=Clock)
    resolver: Resolver = field(default_factory=Resolver)

    @cached_property
    def forecasts(self) -> Forecasts:
        """How long generations are likely to take, as far as was learned."""
        return Forecasts(self.store.learned, self.clock)

    def limits(self, lane: Lane) -> Limits:
        """What a lane may grant: its account's rates, less what is kept for jitter, and its provider's batch size."""
        account = self.accounts[lane.account]
        if lane.verb == "submit":
            burst = account.submit_burst - jitter_reserve(account.submit_rate)
            return Limits(account.submit_rate, burst, max_in_flight=account.max_in_flight)
        burst = account.status_burst - jitter_reserve(account.status_rate)
        batch = self.providers[lane.account].capabilities.check_batch
        return Limits(account.status_rate, burst, batch=batch, ahead_s=LOOK_AHEAD_S if batch > 1 else 0.0)


def build(settings: Settings) -> Services:
    """Connect everything ``settings`` names; nothing is contacted before it is used.

    Raises:
        NotConfigured: a URL or the providers file is missing or wrong.
    """
    client = _redis(settings)
    return Services(
        store=build_store(settings, on_events=Doorbell(settings.need("redis_url")).ring),
        lanes=Lanes(client),
        heartbeats=Heartbeats(client),
        providers=providers.build(settings.accounts),
        accounts=settings.accounts,
        lease_s=settings.lease_s,
    )


def build_store(settings: Settings, on_events: Callable[[], None] = nobody_listens) -> Store:
    """The store alone, for whoever needs no lanes."""
    return Store(connect(settings.need("database_url"), pool_size=settings.worker_threads + 2), on_events)


def build_lanes(settings: Settings) -> Lanes:
    """The lanes alone."""
    return Lanes(_redis(settings))


def _redis(settings: Settings) -> "redis.Redis":
    url = settings.need("redis_url")
    try:
        return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, health_check_interval=30)
    except ValueError as error:
        raise NotConfigured(f"the Redis URL cannot be used: {error}") from None
