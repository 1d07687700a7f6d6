"""A worker's metrics over HTTP, from its start to its end, where ``VIDPOLL_METRICS_PORT`` says so."""

import logging
import sys
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIServer

from celery import bootsteps
from prometheus_client import start_http_server

from tasks.wiring import services
from vidpoll.settings import load_settings

log = logging.getLogger("vidpoll.metrics")


class MetricsStep(bootsteps.StartStopStep):
    """Serves what this process counted; its pool is one of threads, so that is all of the worker."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self._serving: tuple[WSGIServer, Thread] | None = None

    def start(self, worker: Any) -> None:
        """Serve. A worker that could not be watched does not start."""
        settings = load_settings()
        if settings.metrics_port is None:
            return
        host, port = settings.metrics_host, settings.metrics_port
        try:
            self._serving = start_http_server(port, host, registry=services().telemetry.registry)
        except OSError as error:
            log.critical("metrics cannot be served on %s:%s (VIDPOLL_METRICS_PORT): %s", host, port, error.strerror)
            raise SystemExit(1) from None
        self._serving[0].handle_error = _cut_off  # type: ignore[method-assign]

    def stop(self, worker: Any) -> None:
        """Serve no more."""
        if self._serving:
            server, thread = self._serving
            server.shutdown()
            server.server_close()
            thread.join()
            self._serving = None


def _cut_off(request: object, client_address: object) -> None:
    """A line instead of the traceback that socketserver prints."""
    log.warning("the metrics were not read to their end: %s", sys.exc_info()[1])
