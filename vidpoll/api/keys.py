"""Who asks: callers by their API keys, what these may do, and how often."""

import hmac
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from vidpoll.api.problems import Refusal
from vidpoll.api.settings import ApiSettings
from vidpoll.errors import StoreUnavailable
from vidpoll.keys import Scope, hash_of, split
from vidpoll.store.live import LiveStore

#: Seconds a key is believed without asking Postgres again.
TRUST_S: Final = 5.0
#: Keys remembered at most; beyond, those that are not valid are forgotten.
REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request comes from."""

    key_id: str
    owner: str
    scopes: frozenset[str]
    key: str = field(repr=False)


class Keyring:
    """Knows callers by their keys; asks Postgres about each every few seconds."""

    def __init__(self, live: LiveStore) -> None:
        self._live = live
        self._known: dict[bytes, tuple[float, Caller | None]] = {}

    async def caller(self, key: str) -> Caller | None:
        """Whom ``key`` belongs to; None when it is not valid, or no longer."""
        mark = hash_of(key)
        found = self._known.get(mark)
        if found and found[0] > time.monotonic():
            return found[1]
        caller = await self._look_up(key)
        if len(self._known) >= REMEMBERED:
            now = time.monotonic()
            self._known = {mark: known for mark, known in self._known.items() if known[1] and known[0] > now}
        self._known[mark] = (time.monotonic() + TRUST_S, caller)
        return caller

    async def is_valid(self, caller: Caller) -> bool:
        """Whether the caller's key still is; yes while nobody can tell."""
        try:
            return await self.caller(caller.key) is not None
        except StoreUnavailable:
            return True

    async def _look_up(self, key: str) -> Caller | None:
        well_formed = split(key)
        if well_formed is None:
            return None
        id, secret = well_formed
        stored = await self._live.key(id)
        if stored is None or stored.revoked_at or not hmac.compare_digest(stored.secret_hash, hash_of(secret)):
            return None
        return Caller(stored.id, stored.owner, frozenset(stored.scopes), key)


class Limiter:
    """Requests a key may make, counted in this process."""

    def __init__(self, settings: ApiSettings) -> None:
        self._windows = FixedWindowRateLimiter(MemoryStorage())
        self._limits = {name: settings.limit(name) for name in ("read", "write", "refresh", "webhook")}

    async def spend(self, limit: str, *whose: str) -> None:
        """Count one request.

        Raises:
            Refusal: 429, with the seconds until the next may come.
        """
        item = self._limits[limit]
        if await self._windows.hit(item, limit, *whose):
            return
        window = await self._windows.get_window_stats(item, limit, *whose)
        wait_s = max(1, math.ceil(window.reset_time - time.time()))
        words = f"more than {item} of this kind; try again in {wait_s} s"
        raise Refusal(429, "rate_limited", words, headers={"Retry-After": str(wait_s)})


_BEARER: Final = HTTPBearer(auto_error=False, description="An API key: `vidpoll keys create`.")
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


async def admit(request: Request, key: str | None, scope: Scope, limit: str) -> Caller:
    """Whom a request with this key comes from, one more counted.

    Raises:
        Refusal: the key is not valid, or lacks the scope, or has asked too often.
    """
    keyring: Keyring = request.app.state.parts.keyring
    caller = await keyring.caller(key) if key else None
    if caller is None:
        words = "send a valid API key as Authorization: Bearer vp_…"
        raise Refusal(401, "unauthorized", words, headers={"WWW-Authenticate": "Bearer"})
    if scope not in caller.scopes:
        raise Refusal(403, "forbidden", f"this key lacks the scope {scope!r}")
    await request.app.state.parts.limiter.spend(limit, caller.key_id)
    return caller


def bearer_key(authorization: str) -> str | None:
    """The key in an ``Authorization`` header."""
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _may(scope: Scope, limit: str) -> Callable[..., Awaitable[Caller]]:
    """The dependency of routes that need ``scope``."""

    async def caller(request: Request, given: Given) -> Caller:
        return await admit(request, given.credentials if given else None, scope, limit)

    return caller


Reader = Annotated[Caller, Depends(_may("read", "read"))]
Writer = Annotated[Caller, Depends(_may("write", "write"))]
Operator = Annotated[Caller, Depends(_may("operate", "read"))]
