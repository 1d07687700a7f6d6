"""A server before the vendors, or in their place: it answers as it is told to, and keeps what it was asked."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType, TracebackType
from typing import Self

from vidpoll.simulator import Call, Reply, World, answer
from vidpoll.simulator.sending import send

NOTHING: Mapping[str, str] = MappingProxyType({})


class Gateway:
    """An HTTP server on a loopback port of its own.

    Attributes:
        calls: what it was asked since it was last told what to answer.
        answer: what it makes of a call.
    """

    calls: list[Call]
    answer: Callable[[Call], Reply]

    def __init__(self) -> None:
        self.says("")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def says(self, body: str, status: int = 200, headers: Mapping[str, str] = NOTHING) -> str:
        """Answer every call with this; its URL."""
        self.calls = []
        self.answer = lambda call: Reply(status, raw=body.encode(), headers=dict(headers))
        return getattr(self, "url", "")

    def passes_on(self, world: World, headers: Mapping[str, str] = NOTHING) -> str:
        """Answer every call as the world's vendors do, with these headers too; its URL."""
        self.calls = []
        self.answer = lambda call: _with(answer(world, call), headers)
        return self.url

    def was_only_called_under(self, path: str) -> bool:
        """Whether no call went to another path."""
        return all(f"{call.path}/".startswith(f"{path}/") for call in self.calls)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _with(reply: Reply, headers: Mapping[str, str]) -> Reply:
    lowered = {name.lower(): value for name, value in reply.headers.items()}
    return replace(reply, headers={**lowered, **{name.lower(): value for name, value in headers.items()}})


def _handler(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = Call(self.command, self.path, headers, body)
            gateway.calls.append(call)
            send(self.connection, gateway.answer(call), threading.Event())

        do_GET = do_PUT = do_DELETE = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """No line per request."""

    return Handler
