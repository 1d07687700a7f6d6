"""The proxy itself: each mode does to a tiny echo server's clients what it says."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.faults.proxy import Proxy
from tests.acceptance.faults.remote import RemoteProxy
from tests.waiting import until


class _Echo(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.heard: list[bytes] = []
        super().__init__(("127.0.0.1", port), _Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(socketserver.BaseRequestHandler):
    server: _Echo

    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.server.heard.append(data)
                self.request.sendall(data)
        except ConnectionError:
            pass  # the proxy's doing


@pytest.fixture
def server() -> Iterator[_Echo]:
    running = _Echo()
    yield running
    running.stop()


@pytest.fixture
def proxy(server: _Echo) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", server.port) as running:
        yield running


@pytest.fixture
def connect(proxy: Proxy) -> Iterator:
    opened: list[socket.socket] = []

    def open_one(timeout: float = 5) -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def _echoed(client: socket.socket, said: bytes) -> bytes:
    client.sendall(said)
    return client.recv(65536)


def _silent(client: socket.socket, seconds: float = 0.3) -> bool:
    client.settimeout(seconds)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)
    return False


def test_it_is_a_wire_by_default_and_counts_connections(proxy: Proxy, connect):
    first, second = connect(), connect()

    assert (_echoed(first, b"one"), _echoed(second, b"two")) == (b"one", b"two")
    assert (proxy.connections, proxy.open) == (2, 2)


def test_an_end_of_one_side_reaches_the_other(proxy: Proxy, connect):
    client = connect()
    client.sendall(b"last")
    client.shutdown(socket.SHUT_WR)

    assert client.makefile("rb").read() == b"last"
    until(lambda: proxy.open == 0)


def test_much_data_passes_unharmed(connect):
    client, said = connect(), bytes(range(256)) * 8000
    threading.Thread(target=client.sendall, args=[said], daemon=True).start()

    assert client.makefile("rb").read(len(said)) == said


def test_a_delay_holds_in_both_directions_and_ends_at_once(proxy: Proxy, connect):
    client = connect()
    proxy.delay(0.2)

    began = time.monotonic()
    assert _echoed(client, b"slow") == b"slow"
    assert time.monotonic() - began >= 0.4

    client.sendall(b"late")
    proxy.delay(30)
    proxy.pass_through()
    assert client.recv(10) == b"late"


def test_refused_means_refused_and_cut_and_the_port_stays_ours(proxy: Proxy, connect):
    client, port = connect(), proxy.port
    _echoed(client, b"x")

    proxy.refuse()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect()
    proxy.pass_through()
    assert proxy.port == port
    assert _echoed(connect(), b"back") == b"back"


def test_a_cut_resets_what_is_open_and_nothing_else(proxy: Proxy, connect):
    old = connect()
    _echoed(old, b"x")

    proxy.cut()

    with pytest.raises(ConnectionResetError):
        old.recv(1)
    assert proxy.open == 0
    assert _echoed(connect(), b"new") == b"new"


def test_in_a_black_hole_connections_stay_and_no_byte_moves(proxy: Proxy, server: _Echo, connect):
    old = connect()
    _echoed(old, b"x")

    proxy.black_hole()
    new = connect()
    old.sendall(b"old")
    new.sendall(b"new")

    assert _silent(old)
    assert _silent(new)
    assert server.heard == [b"x"]
    assert proxy.holding == 2
    proxy.pass_through()
    assert (old.recv(10), new.recv(10)) == (b"old", b"new")


def test_a_black_hole_swallows_even_a_server_that_died(proxy: Proxy, server: _Echo, connect):
    proxy.black_hole()
    proxy.target = ("127.0.0.1", 1)

    assert _silent(connect())


def test_held_answers_come_when_released(proxy: Proxy, server: _Echo, connect):
    client = connect()
    _echoed(client, b"x")
    proxy.hold_answers()

    client.sendall(b"asked")

    until(lambda: server.heard == [b"x", b"asked"])
    assert _silent(client)
    proxy.release()
    assert client.recv(10) == b"asked"


def test_a_lost_answer_was_asked_for_and_only_as_many_are_lost_as_said(proxy: Proxy, server: _Echo, connect):
    client, other = connect(), connect()
    _echoed(client, b"x")
    proxy.lose_answers(1, matching=b"commit")

    assert _echoed(other, b"something else") == b"something else"
    client.sendall(b"commit 1")

    with pytest.raises(ConnectionResetError):
        client.recv(10)
    assert b"commit 1" in server.heard
    assert _echoed(connect(), b"commit 2") == b"commit 2"
    assert proxy.spoiled == 1


def test_a_reset_in_the_middle_lets_half_of_the_answer_pass(proxy: Proxy, connect):
    client = connect()
    proxy.reset_mid_answer()

    client.sendall(b"12345678")

    assert client.recv(100) == b"1234"
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    assert _echoed(connect(), b"whole") == b"whole"


def test_a_server_that_is_away_costs_the_connection_and_may_move(proxy: Proxy, server: _Echo, connect):
    other = _Echo()
    server.stop()
    with pytest.raises(ConnectionResetError):
        connect().recv(1)

    proxy.target = ("127.0.0.1", other.port)

    assert _echoed(connect(), b"moved") == b"moved"
    other.stop()


def test_one_in_a_process_of_its_own_does_the_same_and_ends_with_its_controller(tmp_path: Path, server: _Echo):
    (tmp_path / "logs").mkdir()
    remote = RemoteProxy(tmp_path, "echo", "127.0.0.1", server.port)
    with socket.create_connection(("127.0.0.1", remote.port), timeout=5) as client:
        assert _echoed(client, b"x") == b"x"
        assert (remote.connections, remote.open, remote.holding) == (1, 1, 0)
        remote.lose_answers(1, matching=b"y")
        client.sendall(b"y")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert remote.spoiled == 1
    with pytest.raises(RuntimeError, match="no_such_mode"):
        remote.no_such_mode()
    pid = remote._child.pid

    remote.close()

    assert not psutil.pid_exists(pid)


def test_its_end_leaves_neither_thread_nor_socket(server: _Echo):
    before = threading.active_count()
    with Proxy("127.0.0.1", server.port) as proxy:
        port = proxy.port
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"x")

    with pytest.raises(ConnectionResetError):
        _ = client.recv(1) + client.recv(1)
    client.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert not [one for one in threading.enumerate() if one.name == f"proxy-{port}"]
    until(lambda: threading.active_count() <= before)
