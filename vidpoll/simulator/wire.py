"""What the simulated vendors' formats share: a request in, a reply out."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from vidpoll.simulator.world import Verb, World

#: How a reply leaves: whole; its headers alone; not at all; half of it before the connection is closed or reset;
#: a byte a second; whole, with a Content-Length beyond it.
Manner = Literal["whole", "headers", "cut", "half_closed", "half_reset", "drip", "drip_headers", "overstated"]


@dataclass(frozen=True)
class Call:
    """An HTTP request as it came in.

    Attributes:
        path: with the query and the vendor's base before :func:`vidpoll.simulator.answer`, without them after.
        headers: names in lower case.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    query: str = ""

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Reply:
    """What goes back.

    Attributes:
        body: sent as JSON, unless there is ``raw`` or ``chunks``.
        raw: a body as it is.
        chunks: begins a body too large to hold in memory.
        bytes_per_s: how quickly the body leaves, where it leaves whole; 0: as quickly as can be.
        delay_s: seconds until it leaves.
    """

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    raw: bytes | None = None
    chunks: Callable[[], Iterator[bytes]] | None = None
    manner: Manner = "whole"
    bytes_per_s: float = 0.0
    delay_s: float = 0.0

    def data(self) -> bytes:
        """The whole body, however much of it is to arrive."""
        if self.chunks is not None:
            return b"".join(self.chunks())
        return json.dumps(self.body).encode() if self.raw is None else self.raw


CUT = Reply(manner="cut")


def retry_later(world: World) -> dict[str, str]:
    """Headers of a 429."""
    return {"Retry-After": world.faults.retry_after} if world.faults.retry_after else {}


def with_quota(world: World, key: str, verb: Verb, reply: Reply) -> Reply:
    """The reply with headers that tell how many calls are left, where the world is told to send them."""
    if not world.faults.quota:
        return reply
    (left, seconds), limit = world.left(key, verb), world.limits[verb]
    match world.faults.quota:
        case "ratelimit":
            headers = {
                "RateLimit-Policy": f'"default";q={limit};w=1',
                "RateLimit": f'"default";r={left};t={math.ceil(seconds)}',
            }
        case "ratelimit-3":
            headers = {"RateLimit-Limit": f"{limit}", "RateLimit-Remaining": f"{left}"}
            headers["RateLimit-Reset"] = f"{math.ceil(seconds)}"
        case _:
            headers = {"x-ratelimit-limit-requests": f"{limit}", "x-ratelimit-remaining-requests": f"{left}"}
            headers["x-ratelimit-reset-requests"] = f"{math.ceil(seconds * 1000)}ms"
    return replace(reply, headers={**headers, **reply.headers})
