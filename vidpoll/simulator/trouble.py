"""Faults between the vendor and its caller: answers that are lost, delayed, replaced, cut short or far too long."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Final

from vidpoll.simulator.wire import CUT, Manner, Reply, with_quota
from vidpoll.simulator.world import Verb, World

#: Bytes of JSON in a huge answer, and bytes that a bomb unpacks to.
HUGE: Final = 50_000_000
BOMB: Final = 210_000_000
_CHUNK: Final = b"x" * 50_000
_HTML: Final = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def _json_of(length: int) -> Iterator[bytes]:
    yield b'{"data": "'
    for _ in range(length // len(_CHUNK)):
        yield _CHUNK
    yield b'"}'


@cache
def _bomb() -> bytes:
    pack = zlib.compressobj(wbits=31)
    return b"".join(pack.compress(chunk) for chunk in _json_of(BOMB)) + pack.flush()


_INSTEAD: Final[dict[str, Callable[[], Reply]]] = {
    "status_cut": lambda: CUT,
    "status_html": lambda: Reply(502, raw=_HTML, content_type="text/html"),
    "status_html_200": lambda: Reply(200, raw=_HTML, content_type="text/html"),
    "status_empty": lambda: Reply(200, raw=b""),
    "status_huge": lambda: Reply(200, chunks=lambda: _json_of(HUGE)),
    "status_bomb": lambda: Reply(200, raw=_bomb(), headers={"Content-Encoding": "gzip"}),
}
_MANNERS: Final[dict[str, Manner]] = {
    "status_truncated": "half_closed",
    "status_drip": "drip",
    "status_drip_headers": "drip_headers",
}


def through_faults(world: World, key: str, verb: Verb, answer: Callable[[], Reply]) -> Reply:
    """What becomes of the vendor's answer to a key on its way; one that is replaced was never asked for."""
    return with_quota(world, key, verb, _through_faults(world, verb, answer))


def _through_faults(world: World, verb: Verb, answer: Callable[[], Reply]) -> Reply:
    if verb == "submit":
        return CUT if world.strikes("submit_cut_before") else _after_taking(world, answer())
    for fault, instead in _INSTEAD.items():
        if world.strikes(fault):
            return instead()
    reply = answer()
    for fault, manner in _MANNERS.items():
        if world.strikes(fault):
            return replace(reply, manner=manner)
    return reply


def _after_taking(world: World, reply: Reply) -> Reply:
    if reply.status >= 300:  # nothing was taken
        return reply
    if world.strikes("submit_cut_after"):
        reply = CUT
    elif world.strikes("submit_500_after"):
        reply = Reply(500, {"detail": "Internal server error."})
    elif world.strikes("submit_reset_mid_body"):
        reply = replace(reply, manner="half_reset")
    return replace(reply, delay_s=world.faults.submit_delay_s)
