"""Runs the HTTP side: one process; for more, run more of them behind a proxy."""

import gc
import resource
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from vidpoll.api.parts import Parts

#: Seconds answers under way may take when the process is asked to end.
GRACE_S: Final = 10


class _Server(uvicorn.Server):
    """Ends the event streams first, which would never end by themselves: their readers come back elsewhere."""

    def __init__(self, config: uvicorn.Config, parts: Parts, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._parts, self._say_started = parts, started

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        gc.collect()
        gc.freeze()  # a collection need not look at what stays for ever: it would take tens of milliseconds
        if self.started:
            self._say_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._parts.tail.close()
        super().handle_exit(sig, frame)


def serve(app: FastAPI, host: str, port: int, started: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGINT or SIGTERM."""
    _allow_many_connections()
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S, backlog=4096,
    )  # fmt: skip
    _Server(config, app.state.parts, started).run()


def _allow_many_connections() -> None:
    """As many open files as the system lets us have: each stream is one, and the usual limit is about a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
