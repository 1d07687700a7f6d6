"""Counters of one process of the HTTP side, and what all processes share, in Prometheus' form."""

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidpoll.telemetry import webhook_counter

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """A registry of its own, so that several apps may live in one process."""

    def __init__(self, shared: Collector) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(shared)
        self.requests = Counter(
            "vidpoll_api_requests_total", "Answers by status.", ["method", "status"], registry=self.registry
        )
        self._webhooks = webhook_counter(self.registry)
        self._counters: dict[tuple[str, int], Counter] = {}
        self.seconds = Histogram(
            "vidpoll_api_first_byte_seconds", "Until the answer began.", buckets=_BUCKETS, registry=self.registry
        )
        self.streams = Gauge("vidpoll_api_streams", "Open event streams and held answers.", registry=self.registry)

    def webhook(self, account: str, outcome: str) -> None:
        """Count a vendor's webhook that no worker is told of."""
        self._webhooks.labels(account, outcome).inc()

    def answered(self, method: str, status: int) -> None:
        """Count an answer."""
        counter = self._counters.get((method, status))
        if counter is None:
            counter = self._counters[method, status] = self.requests.labels(method, status)
        counter.inc()

    def told(self, *, streams: int) -> bytes:
        """All of it, with what is only known when somebody asks; it waits for servers."""
        self.streams.set(streams)
        return generate_latest(self.registry)


class Counted:
    """Counts the answers of an app."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.seconds.observe(time.perf_counter() - began)
                self._metrics.answered(_method(scope["method"]), message["status"])
            await send(message)

        await self._app(scope, receive, counted)


def _method(name: str) -> str:
    """What a client sends as its method must not become a label of ours."""
    return name if name in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH") else "other"
