"""What the routes work with."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from vidpoll.api.estimates import Estimates
from vidpoll.api.keys import Keyring, Limiter
from vidpoll.api.metrics import Metrics
from vidpoll.api.settings import ApiSettings
from vidpoll.api.tail import Tail
from vidpoll.archive import Archive
from vidpoll.client import Client
from vidpoll.doorbell import Doorbell
from vidpoll.inbound.receiving import Receiving
from vidpoll.store import Store
from vidpoll.store.live import LiveStore


@dataclass(frozen=True)
class Parts:
    """Everything a process of the HTTP side has.

    Attributes:
        store: for routes that write or read much, from threads.
        live: for what is read all the time, from the event loop.
        client: sends to workers, as every other service does.
        receiving: takes vendors' webhooks; None without a providers file.
    """

    settings: ApiSettings
    store: Store
    live: LiveStore
    client: Client
    estimates: Estimates
    tail: Tail
    keyring: Keyring
    limiter: Limiter
    doorbell: Doorbell
    metrics: Metrics
    archive: Archive | None = None
    receiving: Receiving | None = None


def parts(request: Request) -> Parts:
    """The parts of the app that got this request."""
    return cast(Parts, request.app.state.parts)
