import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.providers.subject import MODELS, Subject, adapter
from vidpoll.simulator import Simulator, World


@pytest.fixture(params=MODELS)
def subject(request: pytest.FixtureRequest, world: World, simulator: Simulator, tmp_path: Path) -> Subject:
    return Subject(request.param, adapter(request.param, tmp_path, simulator.url), world)


@pytest.fixture
def answering() -> Iterator[Callable[..., str]]:
    """Start a server that answers everything with 200, one body and headers; its URL."""
    servers = []

    def start(body: str, headers: Mapping[str, str] = MappingProxyType({})) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response_only(200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
