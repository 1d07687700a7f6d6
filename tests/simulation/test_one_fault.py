"""One fault, or none: what the long runs cannot see, because so much else is going on there."""

from collections.abc import Callable

import pytest

from tests.simulation.accounts import LEASE_S, TARGETS
from tests.simulation.faults import Armed, Fate
from tests.simulation.sim import Sim
from tests.simulation.walk import end


def test_without_faults_no_call_is_made_in_vain(simulation: Callable[[int], Sim]):
    sim = simulation(5)
    for number in range(40):
        sim.send(sim.request(list(TARGETS)[number % 4], f"prompt {number}", timeout_s=600.0))
    sim.advance(60)
    end(sim)

    rows = sim.rows()
    assert {row["status"] for row in rows} == {"completed"}
    assert {row["failures"] for row in rows} == {0}
    lanes = sim.world.report()["by_key"]
    assert {one["refused_429"] for one in lanes.values()} == {0}
    for account in TARGETS:
        theirs = [row for row in rows if row["account"] == account]
        assert lanes[f"key-{account}:submit"]["calls"] == len(theirs)
        checks = sum(row["checks"] for row in theirs)
        calls = lanes[f"key-{account}:status"]["calls"]
        assert calls < checks if account == "runware" else calls == checks


@pytest.mark.parametrize("account", TARGETS)
def test_the_lease_alone_brings_back_what_a_killed_worker_had(simulation: Callable[[int], Sim], account: str):
    sim = simulation(6)
    sim.send(sim.request(account, "a fox"))
    sim.loop.run_until(sim.loop.now)
    sim.tick(sim.fleet.workers[0])
    sim.drop_messages()  # the grant is lost with its message, and nobody restores anything

    sim.advance(LEASE_S + 2)

    assert sim.rows()[0]["status"] in ("processing", "completed")
    end(sim)


#: Where to strike: strands of these names, at so many await points of each kind from the first.
PLACES = {
    "accept": {"sql": 2, "redis": 1},
    "submit": {"sql": 2, "redis": 4, "call": 1},
    "check_status": {"sql": 2, "redis": 3, "call": 1},
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("account", ["runware", "vertex"])
@pytest.mark.parametrize("fate", ["fails", "lost", "killed before", "killed after"])
def test_any_await_point_of_one_generation_may_go_wrong(simulation: Callable[[int], Sim], account: str, fate: Fate):
    """Every await point on the way of one generation, one after the other."""
    struck = 0
    for task, kind, place in [(t, k, p) for t, kinds in PLACES.items() for k, n in kinds.items() for p in range(n)]:
        sim = simulation(7)
        sim.trouble.armed.append(Armed(kind, place, fate, within=task))  # type: ignore[arg-type]
        sim.send(sim.request(account, "a fox", timeout_s=600.0))
        end(sim, calm=False)

        (row,) = sim.rows()
        struck += not sim.trouble.armed
        may_be_unknown = account == "vertex" and (task, kind) in (("submit", "sql"), ("submit", "call"))
        assert row["status"] == "completed" or (may_be_unknown and row["status"] == "unknown"), (task, kind, place)
    assert struck >= 10
