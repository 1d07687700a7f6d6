"""The same simulation, driven by hypothesis: it looks for short histories that break something, and shrinks them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.simulation import invariants
from tests.simulation.accounts import TARGETS
from tests.simulation.faults import FATES, Armed
from tests.simulation.sim import SHARED, VENDOR_FAULTS, Sim
from tests.simulation.walk import end

ACCOUNTS = st.sampled_from(sorted(TARGETS))


def machine(simulation: Callable[[int], Sim]) -> type[RuleBasedStateMachine]:
    class Vidpoll(RuleBasedStateMachine):
        sim: Sim

        @initialize(seed=st.integers(0, 1000))
        def begin(self, seed: int) -> None:
            self.sim = simulation(seed)

        @rule(account=ACCOUNTS, prompt=st.sampled_from([*SHARED, "a dog", "a cow"]), times=st.integers(1, 3))
        def send(self, account: str, prompt: str, times: int) -> None:
            request = self.sim.request(account, prompt)
            for _ in range(times):
                self.sim.send(request)
            self.sim.loop.run_until(self.sim.loop.now)

        @rule(account=ACCOUNTS, prompt=st.sampled_from(SHARED))
        def insert(self, account: str, prompt: str) -> None:
            self.sim.insert(self.sim.request(account, prompt))
            self.sim.loop.run_until(self.sim.loop.now)

        @rule(kind=st.sampled_from(["sql", "redis", "call"]), skip=st.integers(0, 8), fate=st.sampled_from(FATES))
        def arm(self, kind: Any, skip: int, fate: Any) -> None:
            self.sim.trouble.armed.append(Armed(kind, skip, fate))

        @rule(seconds=st.sampled_from([0.05, 0.2, 0.5, 2.0, 5.0]))
        def advance(self, seconds: float) -> None:
            self.sim.advance(seconds)

        @rule(seconds=st.sampled_from([0.1, 1.0, 20.0, 50.0]))
        def silence(self, seconds: float) -> None:
            self.sim.loop.run_until(self.sim.loop.now + seconds)

        @rule()
        def tick(self) -> None:
            self.sim.tick(self.sim.fleet.any())

        @rule()
        def restore(self) -> None:
            self.sim.restore()

        @rule(data=st.data(), verb=st.sampled_from(["cancel", "refresh", "decide"]))
        def ask(self, data: st.DataObject, verb: str) -> None:
            rows = self.sim.rows("status = 'unknown'" if verb == "decide" else "true")
            if rows:
                getattr(self.sim, verb)(data.draw(st.sampled_from([row["id"] for row in rows])))

        @rule()
        def kill(self) -> None:
            self.sim.kill(self.sim.fleet.any())

        @rule()
        def flush(self) -> None:
            self.sim.flush()

        @rule()
        def drop(self) -> None:
            self.sim.drop_messages()

        @rule(server=st.sampled_from(["sql", "redis"]), seconds=st.sampled_from([0.5, 10.0, 70.0]))
        def away(self, server: str, seconds: float) -> None:
            self.sim.away(server, seconds)

        @rule(seconds=st.sampled_from([-120.0, -2.0, 2.0, 120.0]))
        def step_clock(self, seconds: float) -> None:
            self.sim.step_redis_clock(seconds)

        @rule(names=st.lists(st.sampled_from(sorted(VENDOR_FAULTS)), max_size=3))
        def vendors(self, names: list[str]) -> None:
            self.sim.vendors(**{name: VENDOR_FAULTS[name] for name in names})

        @invariant()
        def holds(self) -> None:
            if hasattr(self, "sim"):
                invariants.during(self.sim)

        def teardown(self) -> None:
            if hasattr(self, "sim"):
                end(self.sim)

    return Vidpoll


@pytest.mark.timeout(600)
def test_no_short_history_breaks_anything(simulation: Callable[[int], Sim]):
    run_state_machine_as_test(
        machine(simulation),
        settings=settings(
            max_examples=15,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
