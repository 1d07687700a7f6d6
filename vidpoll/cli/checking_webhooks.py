"""What is wrong with an account that is to receive webhooks; ``checking.py`` looks at the rest of it."""

import os
from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import urlsplit

from vidpoll.accounts import Account
from vidpoll.callbacks import LOOPBACK
from vidpoll.providers.base import Capabilities

Found = tuple[Literal["error", "warning"], str | None, str]


def about_webhooks(account: Account, can: Capabilities, environ: Mapping[str, str]) -> Iterator[Found]:
    """Mistakes in what the account says of webhooks, and in what they need; contacts nobody."""
    if not account.webhooks:
        return
    if can.webhook is None:
        yield "error", "webhooks", f"{account.provider} tells of no end by a webhook; leave it out"
        return
    if can.webhook != "registered":
        yield from _addresses(account, environ)
    if can.webhook != "unsigned":
        yield from _signatures(account)


def _addresses(account: Account, environ: Mapping[str, str]) -> Iterator[Found]:
    """The vendor is told an address with every request: its beginning, and what makes it unguessable."""
    for name, what in (
        ("VIDPOLL_PUBLIC_URL", "where the vendor reaches the API"),
        ("VIDPOLL_WEBHOOKS_SECRET", "what addresses are made unguessable with (openssl rand -hex 32)"),
    ):
        if not environ.get(name, "").strip():
            yield "error", "webhooks", f"needs {name}: {what}; the API and the workers need the same"
    url = urlsplit(environ.get("VIDPOLL_PUBLIC_URL", "").strip())
    if account.is_local or account.simulated:
        return
    if url.hostname in LOOPBACK:
        yield "warning", "webhooks", f"nobody but this machine reaches {url.hostname}, so the vendor is told no address"
    elif url.scheme == "http":
        yield "warning", "webhooks", "VIDPOLL_PUBLIC_URL is not https: whoever reads along can say that things are done"


def _signatures(account: Account) -> Iterator[Found]:
    """What the API verifies signatures with."""
    if account.provider == "fal":
        if not account.options.get("jwks_url", "").startswith(("https://", "http://", "/")):
            yield "error", "options.jwks_url", "must be where the vendor's public keys are, to verify its webhooks"
        return
    if account.webhook_secret is None and not os.environ.get(account.webhook_secret_env or "", "").strip():
        name = account.webhook_secret_env or "webhook_secret_env"
        yield "warning", "webhook_secret_env", f"{name} is not set here; the API needs it to verify webhooks"
