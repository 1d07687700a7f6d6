"""Webhooks out: sent when something happened or a try is due, and swept up by beat."""

from typing import Final
from uuid import UUID

from tasks import app
from tasks.wiring import services, webhooks
from vidpoll import messages

#: Seconds between two sweeps of beat.
EVERY_S: Final = 10.0


@app.task(name=messages.DELIVER)
def deliver(ids: list[str], v: int = 1, **_: object) -> None:
    """Send to endpoints; acked early, since the sweep brings back what gets lost."""
    if messages.readable(v):
        webhooks().work([UUID(id) for id in ids])


@app.task(name=messages.DELIVER_WEBHOOKS)
def deliver_webhooks(**_: object) -> int:
    """Find events nobody was told of, and endpoints that wait in no lane; once, when sweeps have piled up."""
    if not services().lanes.once_in(messages.DELIVER_WEBHOOKS, EVERY_S / 2):
        return 0
    return webhooks().sweep()
