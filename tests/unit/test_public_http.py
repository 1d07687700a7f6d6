"""Calls to addresses that others name reach the public internet only."""

import socket
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
import trustme
from requests import ConnectionError as NoConnection
from requests.exceptions import InvalidSchema, ReadTimeout, SSLError

from vidpoll.deadline import deadline
from vidpoll.public_http import NotPublic, session


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/secret")
        else:
            self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def names(**of: str):
    return lambda name: {ip_address(of[name])} if name in of else set()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
        "http://0.0.0.0:{port}/", "http://2130706433:{port}/", "http://0x7f.1:{port}/", "http://10.0.0.1/", "http://169.254.169.254/",
        "http://user:secret@example.com/", "http://metadata.internal/",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_however_they_are_written(url: str, server: ThreadingHTTPServer):
    with pytest.raises(NotPublic), session() as http:
        http.get(url.format(port=server.server_port), timeout=2)


def test_a_name_that_turns_private_after_it_was_checked_is_refused_where_it_is_connected_to(
    server: ThreadingHTTPServer,
):
    answers = iter(["93.184.216.34", "127.0.0.1"])
    ask = lambda _: {ip_address(next(answers))}  # noqa: E731
    assert ask("rebinding.example") == {ip_address("93.184.216.34")}

    with pytest.raises(NotPublic, match=r"rebinding\.example"), session(look_up=ask) as http:
        http.get(f"http://rebinding.example:{server.server_port}/", timeout=2)


def test_one_private_address_among_public_ones_is_enough_to_refuse_a_name():
    both = lambda _: {ip_address("93.184.216.34"), ip_address("10.0.0.7")}  # noqa: E731

    with pytest.raises(NotPublic), session(look_up=both) as http:
        http.get("http://both.example/", timeout=2)


def test_it_connects_to_the_address_that_was_checked(server: ThreadingHTTPServer):
    with session(local=True, look_up=names(**{"here.example": "127.0.0.1"})) as http:
        said = http.get(f"http://here.example:{server.server_port}/", timeout=5)

    assert (said.status_code, said.text) == (200, "ok")


def test_the_certificate_must_be_that_of_the_name(server: ThreadingHTTPServer, tmp_path: Path):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("here.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server.socket = context.wrap_socket(server.socket, server_side=True)

    with session(local=True, look_up=lambda _: {ip_address("127.0.0.1")}) as http:
        http.verify = str(tmp_path / "ca.pem")
        assert http.get(f"https://here.example:{server.server_port}/", timeout=5).text == "ok"
        with pytest.raises(SSLError):
            http.get(f"https://there.example:{server.server_port}/", timeout=5)


def test_redirects_are_not_followed(server: ThreadingHTTPServer):
    with session(local=True) as http:
        url = f"http://127.0.0.1:{server.server_port}/away"
        said = http.get(url, timeout=5)

    assert (said.status_code, said.history) == (302, [])


def test_a_proxy_of_the_environment_is_not_used(server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with session(local=True) as http:
        assert http.get(f"http://127.0.0.1:{server.server_port}/", timeout=5).text == "ok"


def test_a_name_without_an_address_and_a_port_nobody_listens_on_are_errors_of_the_connection():
    with session(local=True, look_up=lambda _: ()) as http:
        with pytest.raises(NoConnection, match=r"nowhere\.example"):
            http.get("http://nowhere.example/", timeout=2)
        with pytest.raises(NoConnection, match="no connection to"):
            http.get(f"http://127.0.0.1:{_free_port()}/", timeout=2)


def test_other_schemes_are_refused():
    with session() as http, pytest.raises((InvalidSchema, NotPublic)):
        http.get("file:///etc/passwd", timeout=2)


def test_a_deadline_ends_a_call_that_is_not_answered():
    with socket.create_server(("127.0.0.1", 0)) as silent, session(local=True) as http:
        with deadline(0.3) as call, pytest.raises((NoConnection, ReadTimeout)):
            http.get(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=30)
        assert call.expired


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
