"""A simulator for the vendors' own clients, which reach nothing else and find no key of anybody's."""

import os
import socket
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from vidpoll.simulator import World

#: google-genai 2 and later refuse videos of the Gemini API; `make test-sdks` puts version 1 before them for that folder.
collect_ignore = [] if version("google-genai").startswith("1.") else ["older"]

VENDORS = ("FAL_", "GEMINI_", "GOOGLE_", "LUMAAI_", "OPENAI_", "REPLICATE_", "RUNWARE_", "RUNWAYML_")
LOOPBACK = ("127.0.0.1", "localhost", b"127.0.0.1", b"localhost", None)


class Times:
    """A probability that is 1 for so many draws, and 0 from then on: ``world.faults.submit_429 = Times(1)``."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __float__(self) -> float:
        self.left -= 1
        return 1.0 if self.left >= 0 else 0.0


class Clock:
    """Time as the vendors see it, turned by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def reached_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Hosts that a client asked for besides the simulator; there must be none."""
    for name in [name for name in os.environ if name.startswith(VENDORS) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    elsewhere: list[object] = []
    resolve = socket.getaddrinfo

    def only_here(host: Any, *how: Any, **more: Any) -> Any:
        if host not in LOOPBACK:
            elsewhere.append(host)
            raise socket.gaierror(f"{host} is not the simulator")
        return resolve(host, *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
    yield elsewhere
    assert not elsewhere


@pytest.fixture
def clock(world: World) -> Clock:
    """Jobs take a hundred seconds of a clock that stands still."""
    world.durations.median_s = 100
    world.clock = Clock()
    return world.clock
