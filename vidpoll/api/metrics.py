"""Counters of one process of the HTTP side, in Prometheus' form."""

import time
from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidpoll.generation import FINAL, Status

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """A registry of its own, so that several apps may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "vidpoll_api_requests_total", "Answers by status.", ["method", "status"], registry=self.registry
        )
        self._counters: dict[tuple[str, int], Counter] = {}
        self.seconds = Histogram(
            "vidpoll_api_first_byte_seconds", "Until the answer began.", buckets=_BUCKETS, registry=self.registry
        )
        self.streams = Gauge("vidpoll_api_streams", "Open event streams and held answers.", registry=self.registry)
        self.open = Gauge(
            "vidpoll_generations_open", "Generations that have not ended.", ["status"], registry=self.registry
        )

    def answered(self, method: str, status: int) -> None:
        """Count an answer."""
        counter = self._counters.get((method, status))
        if counter is None:
            counter = self._counters[method, status] = self.requests.labels(method, status)
        counter.inc()

    def update(self, *, streams: int, open_by_status: Mapping[Status, tuple[int, float]]) -> None:
        """Set what is only known when somebody asks."""
        self.streams.set(streams)
        for status in Status:
            if status not in FINAL:
                self.open.labels(status.value).set(open_by_status.get(status, (0, 0.0))[0])


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
