"""The HTTP side, served over a real socket from a thread."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
import uvicorn
from fastapi import FastAPI

from vidpoll.keys import new_key
from vidpoll.store import Store


@contextmanager
def served(app: FastAPI, **options: Any) -> Iterator[str]:
    """The app's address, while it is served."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=5, **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            app.state.parts.tail.close()
            server.should_exit = True
            thread.join()


class Caller(requests.Session):
    """A session of somebody with a key, for paths of one API."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__()
        self.url, self.key = url, key
        self.headers["Authorization"] = f"Bearer {key}"

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", 30)
        return super().request(method, self.url + url if url.startswith("/") else url, *args, **kwargs)


def key_of(store: Store, owner: str, *scopes: str) -> str:
    id, key, secret_hash = new_key()
    store.add_key(id, owner, scopes or ("read", "write"), secret_hash)
    return key


def until(holds: Callable[[], object], within_s: float = 20) -> None:
    """Wait for a condition."""
    give_up_at = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.01)
