"""A server that is there and says nothing holds nobody for ever."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from vidpoll.errors import StoreUnavailable
from vidpoll.store import Store, connect
from vidpoll.store.patience import PatientConnection


@pytest.fixture
def stalling(database_url: str) -> Iterator[tuple[str, threading.Event]]:
    """Postgres behind a relay that stops relaying, without hanging up, once the event is set."""
    host, port = "127.0.0.1", int(database_url.rpartition(":")[2].partition("/")[0])
    stalled, listener = threading.Event(), socket.create_server((host, 0))

    def relay(source: socket.socket, target: socket.socket) -> None:
        with closing(source), closing(target):
            try:
                while data := source.recv(65536):
                    if stalled.is_set():
                        return stalled_for_good.wait()
                    target.sendall(data)
            except OSError:
                return None

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((host, port))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=relay, args=pair, daemon=True).start()

    stalled_for_good = threading.Event()
    threading.Thread(target=accept, daemon=True).start()
    yield f"postgresql://postgres@{host}:{listener.getsockname()[1]}/{database_url.rpartition('/')[2]}", stalled
    stalled_for_good.set()
    listener.close()


def test_a_postgres_that_goes_silent_is_given_up_and_asked_anew(
    stalling: tuple[str, threading.Event], monkeypatch: pytest.MonkeyPatch
):
    url, stalled = stalling
    engine = connect(url)
    store = Store(engine)
    assert store.find([uuid.uuid4()]) == []
    monkeypatch.setattr(PatientConnection, "patience_s", 0.5)
    stalled.set()

    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="no answer within"):
        store.find([uuid.uuid4()])
    assert time.monotonic() - began < 10

    stalled.clear()
    assert store.find([uuid.uuid4()]) == []
    engine.dispose()
