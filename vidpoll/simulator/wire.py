"""What the simulated vendors' formats share: a request in, a reply out, faults on the way."""

import json
from dataclasses import dataclass, field
from typing import Any

from vidpoll.simulator.world import Verb, World


@dataclass(frozen=True)
class Call:
    """An HTTP request as it came in; ``path`` is relative to the vendor's base URL."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Reply:
    """What goes back. ``cut`` closes the connection instead, without a byte."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    html: str | None = None
    cut: bool = False


CUT = Reply(cut=True)


def retry_later(world: World) -> dict[str, str]:
    """Headers of a 429."""
    return {"Retry-After": world.faults.retry_after} if world.faults.retry_after else {}


def broken(world: World, verb: Verb) -> Reply | None:
    """A transport fault, drawn by probability, that hides whatever the vendor would have answered."""
    if verb == "submit":
        if world.strikes("submit_cut_before"):
            return CUT
    else:
        if world.strikes("status_cut"):
            return CUT
        if world.strikes("status_html"):
            return Reply(502, html="<html><body><h1>502 Bad Gateway</h1></body></html>")
    return None
