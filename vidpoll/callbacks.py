"""Where vendors are told to say that something is done: addresses of ours that nobody can guess. Pure.

An address names one generation and carries a token that only we can make: an HMAC (RFC 2104) with SHA-256 of account
and generation under ``VIDPOLL_WEBHOOKS_SECRET``. Whoever has the address may say "look now", and no more than that.
"""

import hmac
import os
import re
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import quote, urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr

from vidpoll.errors import NotConfigured
from vidpoll.redact import SECRETS

#: Path of the route, below the address under which vendors reach the API.
PATH: Final = "/v1/webhooks/in"
#: Shortest secret, in characters; ``openssl rand -hex 32`` makes one of 64.
SHORTEST_SECRET: Final = 16
_PUBLIC_URL: Final = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?")
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Makes the addresses, and knows them again.

    Attributes:
        public_url: where vendors reach the API, e.g. ``https://vidpoll.example``.
        secret: what tokens are made with.

    Example:
        >>> callbacks, id = Callbacks("https://vidpoll.example/", "0123456789abcdef"), UUID(int=7)
        >>> callbacks.url("fal", "fal", id).partition("&")[0]
        'https://vidpoll.example/v1/webhooks/in/fal/fal?generation=00000000-0000-0000-0000-000000000007'
        >>> callbacks.made("fal", id, callbacks.token("fal", id)), callbacks.made("fal", id, "guessed")
        (True, False)
    """

    public_url: str
    secret: str = field(repr=False)

    def url(self, provider: str, account: str, id: UUID) -> str:
        """The address for one generation."""
        where = f"{self.public_url.rstrip('/')}{PATH}/{quote(provider, safe='')}/{quote(account, safe='')}"
        return f"{where}?generation={id}&token={self.token(account, id)}"

    def token(self, account: str, id: UUID) -> str:
        """What proves that an address was made by us."""
        return hmac.digest(self.secret.encode(), f"webhook in {id} {account}".encode(), "sha256").hex()

    def made(self, account: str, id: UUID, token: str) -> bool:
        """Whether ``token`` is that of the generation; compared in constant time."""
        return hmac.compare_digest(self.token(account, id).encode(), token.encode(errors="replace"))

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return urlsplit(self.public_url).hostname in LOOPBACK


def reachable(url: str) -> str:
    """The URL, if addresses can begin with it. Raises ValueError."""
    if not _PUBLIC_URL.fullmatch(url):
        raise ValueError("must be like https://vidpoll.example, without login, ? or #")
    return url


def long_enough(secret: SecretStr) -> SecretStr:
    """The secret, if nobody guesses it. Raises ValueError."""
    if len(secret.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"must have {SHORTEST_SECRET} characters at least: openssl rand -hex 32")
    return secret


class Announcing(BaseModel):
    """What an account says of webhooks.

    Attributes:
        webhooks: whether its vendor is asked to tell when something is done; ``docs/webhooks-in.md``.
        webhook_secret_env: name of the environment variable that holds what its vendor signs webhooks with.
        webhook_secret: the same itself; for loopback addresses and the simulator only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhooks: bool = False
    webhook_secret_env: str | None = None
    webhook_secret: SecretStr | None = None
    _callbacks: Callbacks | None = PrivateAttr(default=None)

    @property
    def callbacks(self) -> Callbacks | None:
        """Makes this account's addresses; None where none can be made, or none is wanted."""
        return self._callbacks if self.webhooks else None

    def calling_back(self, callbacks: Callbacks | None) -> Self:
        """The same account, whose vendor is told these addresses."""
        copy = self.model_copy()
        copy._callbacks = callbacks
        return copy

    def webhook_key(self) -> str:
        """What the vendor signs with, read at the moment of use.

        Raises:
            NotConfigured: it is not set.
        """
        if self.webhook_secret is not None:
            key = self.webhook_secret.get_secret_value()
        else:
            key = os.environ.get(self.webhook_secret_env or "", "").strip()
        if not key:
            raise NotConfigured(
                f"set {self.webhook_secret_env or 'webhook_secret_env'} to what its webhooks are signed with"
            )
        SECRETS.add(key)
        return key
