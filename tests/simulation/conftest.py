import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulation.sim import Sim


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="replay the simulation of this seed")


@pytest.fixture
def simulation(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], Sim]]:
    """Begin a simulation; the one before is ended."""
    running: list[Sim] = []
    state, propagates = random.getstate(), logging.getLogger("vidpoll").propagate
    logging.getLogger("vidpoll").propagate = False

    def begin(seed: int) -> Sim:
        for sim in running:
            sim.close()
        random.seed(seed)
        running[:] = [Sim(seed, database_url, redis_url, tmp_path)]
        monkeypatch.setattr("vidpoll.lifecycle.uuid4", running[0].uuid4)
        return running[0]

    yield begin
    for sim in running:
        sim.close()
    random.setstate(state)
    logging.getLogger("vidpoll").propagate = propagates
