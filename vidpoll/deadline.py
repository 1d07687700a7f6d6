"""A total deadline for a call over HTTP: its headers, its chunk sizes and its body, however busily they trickle.

Socket timeouts begin anew with every byte; a vendor that sends a byte a second would hold a thread for hours.
A watchdog thread shuts the socket down instead, and the call fails as it does when the other side hangs up.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

#: Seconds between two looks at the calls under way: how late a deadline may strike.
TICK_S: Final = 0.25


class Call:
    """One call under way.

    Attributes:
        expired: the deadline struck.
    """

    def __init__(self, give_up_at: float) -> None:
        self.give_up_at = give_up_at
        self.expired = False
        self.socket: socket.socket | None = None

    def expire(self) -> None:
        """End it: whoever reads from the socket is woken."""
        self.expired = True
        if self.socket is not None:
            with suppress(OSError):  # closed already
                self.socket.shutdown(socket.SHUT_RDWR)


class _Watchdog:
    """The thread that ends calls past their deadline; started with the first call."""

    def __init__(self) -> None:
        self._calls: set[Call] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, call: Call) -> None:
        with self._changed:
            self._calls.add(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vidpoll-deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()

    def attach(self, call: Call, reading: socket.socket | None) -> None:
        """The answer comes from this socket; TimeoutError when the deadline struck before it began."""
        with self._changed:
            call.socket = reading
            if call.expired:
                raise TimeoutError("the deadline struck before the answer began")

    def remove(self, call: Call) -> None:
        with self._changed:
            self._calls.discard(call)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(TICK_S if self._calls else None)
                expired = [call for call in self._calls if time.monotonic() > call.give_up_at and not call.expired]
                for call in expired:
                    call.expire()


_watchdog: Final = _Watchdog()
_current: Final = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[Call]:
    """Everything this thread reads over HTTP inside must be there within so many seconds.

    Works on the connections of a :class:`WatchedAdapter`.
    """
    call = Call(time.monotonic() + seconds)
    _current.call = call
    _watchdog.add(call)
    try:
        yield call
    finally:
        _watchdog.remove(call)
        _current.call = None


class _Watched:
    """Tells the call under way which socket its answer comes from."""

    sock: socket.socket | None

    def getresponse(self) -> Any:
        call: Call | None = getattr(_current, "call", None)
        if call is not None:
            _watchdog.attach(call, self.sock)
        return super().getresponse()  # type: ignore[misc]  # a mixin of urllib3's connections


class Connection(_Watched, HTTPConnection):
    """One that a deadline can end."""


class SecureConnection(_Watched, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = SecureConnection


class WatchedAdapter(HTTPAdapter):
    """A transport of ``requests`` whose calls :func:`deadline` can end."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Connections of our own kind."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """The same through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager
