"""The simulator's HTTP server. The standard library's, because faults need the bare socket."""

import math
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from vidpoll.simulator import files
from vidpoll.simulator.dispatch import answer
from vidpoll.simulator.hooks import Sender
from vidpoll.simulator.sending import send
from vidpoll.simulator.wire import Call, Reply
from vidpoll.simulator.world import World


class Simulator:
    """A simulator in this process, on a loopback port of its own; for tests, several of which may share it.

    Example::

        with Simulator(World()) as simulator:
            requests.get(f"{simulator.url}/_sim/report").json()
    """

    def __init__(self, world: World, port: int = 0) -> None:
        self._server = _Server(world, port)
        self.url = self._server.url

    @property
    def world(self) -> World:
        """The vendors it plays. Another world takes over with the next call."""
        return self._server.world

    @world.setter
    def world(self, world: World) -> None:
        world.address, world.announce = self.url, self._server.hooks.add
        self._server.world = world

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def serve(
    world: World, port: int, *, host: str = "127.0.0.1", address: str | None = None, started: Callable[[str], None]
) -> None:
    """Serve until interrupted; ``started`` is told the URL, which is ``address`` where others reach it by that."""
    with _Server(world, port, host, address) as server:
        started(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, world: World, port: int, host: str = "127.0.0.1", address: str | None = None) -> None:
        self.world = world
        self.stopping = threading.Event()
        super().__init__((host, port), _Handler)
        self.hooks = Sender(lambda: self.world)
        world.announce = self.hooks.add
        self.url = world.address = address or f"http://{host}:{self.server_port}"

    def server_close(self) -> None:
        self.hooks.close()
        self.stopping.set()  # whoever drips or delays an answer lets go
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that hung up is no error of ours
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: object) -> None:
        """No line per request."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self._reply(Call(self.command, self.path, headers, body))
        if self.command == "HEAD":
            reply = replace(reply, manner="headers")
        if not send(self.connection, reply, self.server.stopping):
            self.close_connection = True

    def _reply(self, call: Call) -> Reply:
        world = self.server.world
        if call.path.startswith("/_sim/"):
            return _control(world, replace(call, path=call.path.removeprefix("/_sim/").partition("?")[0]))
        if call.path.startswith(files.PREFIX):
            return files.download(world, call)
        self.server.stopping.wait(world.faults.delay_s)
        return answer(world, call)


def _control(world: World, call: Call) -> Reply:
    """The ``/_sim/`` side: look into the ledger, set what happens next."""
    match call.method, call.path:
        case "GET", "report":
            return Reply(200, world.report())
        case "GET", "jobs":
            return Reply(200, world.jobs())
        case "GET", "webhooks":
            return Reply(200, world.hooks())
        case "POST", "webhooks":
            return _changed(call, lambda urls: _register(world, urls), lambda: world.registered)
        case "GET", "faults":
            return Reply(200, asdict(world.faults))
        case "POST", "faults":
            return _changed(call, world.faults.change, lambda: asdict(world.faults))
        case "POST", "durations":
            return _changed(call, lambda changes: _set_durations(world, changes), lambda: asdict(world.durations))
        case "POST", "reset":
            world.reset()
            return Reply(200, world.report())
        case _:
            return Reply(404, {"error": f"no {call.method} /_sim/{call.path}"})


def _changed(call: Call, change: Callable[[dict[str, Any]], None], state: Callable[[], dict[str, Any]]) -> Reply:
    changes = call.json()
    if not isinstance(changes, dict):
        return Reply(400, {"error": "send a JSON object"})
    try:
        change(changes)
    except ValueError as error:
        return Reply(400, {"error": str(error)})
    return Reply(200, state())


def _register(world: World, urls: dict[str, Any]) -> None:
    if not all(isinstance(url, str) for url in urls.values()):
        raise ValueError("send a vendor's name and a URL for each")
    world.registered.update(urls)


def _set_durations(world: World, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if name not in asdict(world.durations):
            raise ValueError(f"no {name!r}; there are {', '.join(asdict(world.durations))}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ValueError(f"{name}: must be a number from 0 up, not {value!r}")
        setattr(world.durations, name, float(value))
