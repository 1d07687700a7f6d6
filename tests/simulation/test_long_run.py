"""Thousands of steps of a whole vidpoll under faults at every await point, and what must be true all along.

A failure prints its seed: ``pytest tests/simulation -k long_run --seed=…`` replays it, or ``VIDPOLL_SIM_SEED=…``;
``VIDPOLL_SIM_STEPS=…`` makes the runs longer, as ``VIDPOLL_FAULTS=full`` does.
"""

import os
import random
from collections.abc import Callable

import pytest

from tests.simulation.sim import Sim
from tests.simulation.walk import walk

STEPS = int(os.environ.get("VIDPOLL_SIM_STEPS", "10000" if os.environ.get("VIDPOLL_FAULTS") == "full" else "2000"))
#: Four that stay, and one that is new in every run; the same in all processes that share a run's tests.
SEEDS = [1, 2, 3, 4, random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).randrange(10**6)]


def _seeds(given: int | None) -> list[int]:
    wanted = given if given is not None else os.environ.get("VIDPOLL_SIM_SEED")
    return SEEDS if wanted is None else [int(wanted)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        seeds = _seeds(metafunc.config.getoption("--seed", None))
        metafunc.parametrize("seed", seeds)


@pytest.mark.timeout(900)
def test_a_long_run_loses_nothing_and_pays_nothing_twice(simulation: Callable[[int], Sim], seed: int):
    print(f"replay: pytest tests/simulation -k long_run --seed={seed}")
    sim = simulation(seed)
    walk(sim, STEPS)


def test_the_same_seed_is_the_same_run(simulation: Callable[[int], Sim]):
    runs = []
    for _ in range(2):
        sim = simulation(320)
        walk(sim, 300)
        rows = [{name: value for name, value in row.items() if name != "updated_at"} for row in sim.rows()]
        runs.append((sim.trace.count, sim.trace.digest, rows))
    assert runs[0] == runs[1]


def test_everything_goes_by_the_virtual_clock(simulation: Callable[[int], Sim]):
    sim = simulation(1)
    sim.advance(1000)
    sim.send(sim.request("vertex", "a lion"))
    sim.loop.run_until(sim.loop.now + 0.05)
    (row,) = sim.rows()
    began = sim.time.postgres()
    assert abs((row["created_at"] - began).total_seconds()) < 1
    sim.advance(1)
    granted_us = float(sim.redis.hget("vidpoll:{vertex:submit}:bucket", "tat"))
    assert abs(granted_us - sim.time.redis_us()) < 2e6
