"""A name's addresses, soon or not at all: a name server that hangs holds up nobody for long."""

import socket
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from vidpoll.urls import Address

#: Seconds one look-up may take, and how many may be under way: each that hangs keeps a thread of its own.
PATIENCE_S: Final = 2.0
AT_ONCE: Final = 8
#: Seconds for which an answer, or that there was none, holds; and how many are kept.
KEPT_S: Final = 60.0
MOST: Final = 1000


def ask(name: str) -> Collection[Address]:
    """The system's resolver, however long it takes. Raises OSError."""
    answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return {ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers}


class Resolver:
    """Tells the addresses of names. Safe to share between threads; made without asking anybody.

    Args:
        ask: tells them, or raises OSError.

    Example::

        urls.problem("https://example.com/a.png", look_up=Resolver().addresses)
    """

    def __init__(
        self, ask: Callable[[str], Collection[Address]] = ask, *, patience_s: float = PATIENCE_S, at_once: int = AT_ONCE
    ) -> None:
        self._ask = ask
        self._patience_s = patience_s
        self._free = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._answers: dict[str, _Answer] = {}

    def addresses(self, name: str) -> Collection[Address]:
        """Its addresses; none when there are none, or nobody tells in time."""
        with self._lock:
            answer = self._answers.get(name)
            if answer is None or answer.asked_at + KEPT_S < time.monotonic():
                if not self._free.acquire(blocking=False):
                    return ()  # too many hang already
                answer = self._asked(name)
        answer.told.wait(max(0.0, answer.asked_at + self._patience_s - time.monotonic()))
        return answer.addresses

    def _asked(self, name: str) -> "_Answer":
        """Ask from a thread that may be left behind."""
        if len(self._answers) >= MOST:
            self._answers.clear()
        answer = self._answers[name] = _Answer(time.monotonic())

        def asking() -> None:
            try:
                answer.addresses = self._ask(name)
            except (OSError, ValueError):
                pass  # there is no such name, or it cannot be one
            finally:
                self._free.release()
                answer.told.set()

        threading.Thread(target=asking, name="vidpoll-resolving", daemon=True).start()
        return answer


@dataclass
class _Answer:
    """What is known of a name: nothing yet, or its addresses."""

    asked_at: float
    addresses: Collection[Address] = ()
    told: threading.Event = field(default_factory=threading.Event)
