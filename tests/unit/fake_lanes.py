"""Lanes on fakeredis, with a clock that the test moves."""

import uuid

import fakeredis

from vidpoll.lanes import Lanes, Limits

WIDE = Limits(rate=1000, burst=1000)


class Clock:
    """What fakeredis takes for the time."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def fresh() -> Lanes:
    """Empty lanes, on a Redis of their own."""
    return Lanes(fakeredis.FakeRedis(server=fakeredis.FakeServer()))


def ids(count: int, start: int = 0) -> list[uuid.UUID]:
    """So many ids, in the order in which Redis sorts them."""
    return [uuid.UUID(int=number) for number in range(start, start + count)]
