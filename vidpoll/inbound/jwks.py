"""A vendor's public keys, fetched when they are needed and kept for a while."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vidpoll.errors import Unavailable
from vidpoll.inbound.fal import keys_in
from vidpoll.providers.http import CallFailed, Http

#: Seconds for which keys are kept: fal allows 24 hours.
KEPT_S: Final = 12 * 3600.0
#: Seconds between two fetches: signatures by a key that is not known may be forgeries, and come by the thousand.
LEAST_S: Final = 60.0
#: Seconds for which a thread waits while another one fetches.
PATIENCE_S: Final = 1.0


class KeysUnavailable(Unavailable):
    """The vendor's public keys cannot be had now; sent again later, the webhook can be verified."""


class Jwks:
    """The keys at one address. Safe to share between threads, of which one fetches at a time.

    Args:
        fetch: asks for the document; raises KeysUnavailable.
    """

    def __init__(self, fetch: Callable[[], object], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._keys: Sequence[Ed25519PublicKey] = ()
        self._fetched_at = self._asked_at = float("-inf")

    def keys(self) -> Sequence[Ed25519PublicKey]:
        """The keys, at most half a day old.

        Raises:
            KeysUnavailable: there are none, or only older ones, and they cannot be fetched.
        """
        if self._monotonic() - self._fetched_at > KEPT_S:
            self._fetched()
        if not self._keys or self._monotonic() - self._fetched_at > KEPT_S:
            raise KeysUnavailable("the vendor's public keys cannot be fetched now")
        return self._keys

    def newer(self) -> Sequence[Ed25519PublicKey]:
        """The keys, fetched anew unless that was a moment ago: one may have come since."""
        self._fetched()
        return self.keys()

    def _fetched(self) -> None:
        if not self._lock.acquire(timeout=PATIENCE_S):
            return
        try:
            if self._monotonic() - self._asked_at >= LEAST_S:
                self._asked_at = self._monotonic()
                found = keys_in(self._fetch())
                if found:
                    self._keys, self._fetched_at = found, self._monotonic()
        finally:
            self._lock.release()


def jwks_at(url: str) -> Jwks:
    """The keys at a URL; no key of ours goes along, and no redirect is followed."""
    parts = urlsplit(url)
    http, path = Http(f"{parts.scheme}://{parts.netloc}"), parts.path + (f"?{parts.query}" if parts.query else "")

    def fetch() -> object:
        try:
            answer = http.check("GET", path, {"Accept": "application/json"})
        except CallFailed as error:
            raise KeysUnavailable(f"the public keys at {url}: {error}") from None
        if answer.status != 200:
            raise KeysUnavailable(f"the public keys at {url}: HTTP {answer.status}")
        return answer.object()

    return Jwks(fetch)
