"""How many endpoints a worker sends to at once, and that one owner's slow ones keep no others waiting for long."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

#: Seconds for which it is remembered that an owner found no place: it asks again before that.
WAITS_S: Final = 3.0


class _Waiting(NamedTuple):
    """An owner that found no place: since when, and when it asked last."""

    since: float
    asked_at: float


class Places:
    """So many at once, of whichever owners; who has half of them gets more only when nobody has waited for longer.

    Safe to use from many threads.

    Args:
        most: places in all.

    Example:
        >>> places = Places(2)
        >>> [places.take(owner) for owner in ("alice", "alice", "bob")]
        [True, True, False]
        >>> places.give_back("alice"), places.take("alice"), places.take("bob")
        (None, False, True)
    """

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most, self._share = most, most // 2
        self._monotonic = monotonic
        self._lock = threading.Lock()  # of what follows
        self._taken: Counter[str] = Counter()
        self._waiting: dict[str, _Waiting] = {}

    def take(self, owner: str) -> bool:
        """Whether there is a place for one of the owner's endpoints, which it has from then on."""
        with self._lock:
            now = self._monotonic()
            self._waiting = {one: its for one, its in self._waiting.items() if now - its.asked_at < WAITS_S}
            since = self._waiting[owner].since if owner in self._waiting else now
            is_behind = any(its.since < since for one, its in self._waiting.items() if one != owner)
            if self._taken.total() >= self._most or (is_behind and self._taken[owner] >= self._share):
                self._waiting[owner] = _Waiting(since, now)
                return False
            self._waiting.pop(owner, None)
            self._taken[owner] += 1
            return True

    def give_back(self, owner: str) -> None:
        """Somebody else may have it."""
        with self._lock:
            self._taken[owner] -= 1
            self._taken += Counter()  # forgets owners without any
