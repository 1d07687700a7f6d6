import pytest

from tests.unit.fake_lanes import Clock, fresh
from vidpoll.lanes import Lanes


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", clock)
    return clock


@pytest.fixture
def lanes(clock: Clock) -> Lanes:
    return fresh()
