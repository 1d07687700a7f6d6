"""A proxy in a process of its own: a test busy with ten thousand rows must not delay what passes through.

Calls delayed together arrive together, and would look as if vidpoll had broken its budget.
"""

import os
import secrets
import sys
import threading
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any, Final

from tests.acceptance.faults.proxy import Proxy
from tests.acceptance.stack import PROJECT
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port, wait_until

_VALUES: Final = frozenset({"port", "connections", "spoiled", "open", "holding"})
_KEY: Final = "PROXY_CONTROL_KEY"


class RemoteProxy:
    """What :class:`Proxy` is, elsewhere: the same modes by the same names."""

    def __init__(self, folder: Path, name: str, target_host: str, target_port: int) -> None:
        control, key = free_port(), secrets.token_hex()
        command = [sys.executable, "-m", "tests.acceptance.faults.remote", target_host, target_port, control]
        self._lock = threading.Lock()
        self._child = Child(f"{name}-proxy", command, folder / "logs" / f"{name}-proxy.log", {_KEY: key}, PROJECT)
        self._child.start()

        def connect() -> None:
            self._control = Client(("127.0.0.1", control), authkey=key.encode())

        wait_until(connect, self._child, (OSError,))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in _VALUES:
            return self._ask(name)
        return lambda *args, **kwargs: self._ask(name, *args, **kwargs)

    def close(self) -> None:
        """End the process."""
        self._control.close()
        self._child.stop()

    def _ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self._control.send((name, args, kwargs))
            done, answer = self._control.recv()
        if not done:
            raise RuntimeError(f"{self._child.name}: {answer}")
        return answer


def main(target_host: str, target_port: str, control: str) -> None:
    """Serve one controller; end with it."""
    with (
        Proxy(target_host, int(target_port)) as proxy,
        Listener(("127.0.0.1", int(control)), authkey=os.environ[_KEY].encode()) as listener,
        listener.accept() as controller,
    ):
        while True:
            try:
                name, args, kwargs = controller.recv()
            except (EOFError, ConnectionError):
                return
            try:
                found = getattr(proxy, name)
                controller.send((True, found(*args, **kwargs) if callable(found) else found))
            except Exception as error:
                controller.send((False, repr(error)))


if __name__ == "__main__":
    main(*sys.argv[1:])
