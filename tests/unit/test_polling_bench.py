"""The simulation of ``make bench-polling``: that what it counts can be trusted. Figures of merit are its own business."""

import random
import uuid
from dataclasses import replace
from itertools import pairwise

import fakeredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.polling.bucket import Bucket
from tests.benchmarks.polling.cases import CASES, Case
from tests.benchmarks.polling.contenders import Named, Rotation
from tests.benchmarks.polling.figures import figures, over_budget
from tests.benchmarks.polling.running import learned
from tests.benchmarks.polling.simulated import LEAD_US, Simulation
from vidpoll.lanes import Lane, Lanes, Limits
from vidpoll.schedule import Tiers

LANE = Lane("acme", "status")
BUSY = replace(CASES["veo_like"], in_flight=60, rate=2.0)


class Every:
    """Looks every ten seconds to the microsecond, and notes what it is told."""

    def __init__(self) -> None:
        self.finishes: list[tuple[float, float]] = []

    def countdown(self, age_s: float, checks: int, waiting: int) -> float:
        return 10.0

    def finished(self, after_s: float, until_s: float) -> None:
        self.finishes.append((after_s, until_s))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 30)), min_size=1, max_size=25),
    st.sampled_from([0.3, 1.0, 7.0, 10.0, 33.3]), st.integers(1, 5), st.sampled_from([1, 4]),
)  # fmt: skip
def test_the_bucket_grants_what_the_lanes_bucket_grants(
    asked: list[tuple[int, int]], rate: float, burst: int, batch: int
):
    with pytest.MonkeyPatch.context() as patch:
        now = 1_800_000_000.0
        patch.setattr("time.time", lambda: now)
        lanes, bucket = Lanes(fakeredis.FakeRedis(server=fakeredis.FakeServer())), Bucket(rate, burst)
        lanes.schedule(LANE, {uuid.UUID(int=number): 0.0 for number in range(800)})
        limits = Limits(rate, burst, batch)
        for waited_us, want in asked:
            now += waited_us / 1e6
            claim = lanes.claim(LANE, limits, want=want, lease_s=3600)
            granted = min(want, bucket.tokens(claim.granted_at_us) * batch)
            bucket.spend(claim.granted_at_us, calls=-(-granted // batch))

            assert len(claim.ids) == granted


def test_a_bucket_says_when_it_has_a_token():
    bucket, dice, now = Bucket(rate=7.0, burst=2), random.Random(1), 0
    for _ in range(500):
        now = max(now, bucket.free_at()) + dice.choice([0, 0, 0, 90_000])
        assert bucket.tokens(now) >= 1
        bucket.spend(now, calls=1)
        assert bucket.tokens(bucket.free_at() - 1) == 0


@pytest.mark.parametrize(("every_us", "over"), [(100_000, 0), (99_000, 99)])
def test_calls_over_the_budget_are_seen(every_us: int, over: int):
    assert over_budget([number * every_us for number in range(100)], rate=10, burst=1) == over


@pytest.mark.parametrize("make", [Rotation, lambda: learned(BUSY), lambda: Named(Tiers(tiers=(), then_s=1))])
@pytest.mark.parametrize("batch", [1, 5])
def test_no_run_is_over_its_budget_and_every_completion_is_counted_once(make, batch: int):
    case = replace(BUSY, batch=batch)
    simulation = Simulation(case, make(), seed=3)
    phases = [simulation.run(150), simulation.run(150)]
    found = figures(phases, case.rate)

    assert found.seconds_over == 0
    assert 300 <= found.completions == sum(len(phase.calls) for phase in phases) < 300 + 2 * batch
    assert found.budget_use <= 1.01
    assert all(delay >= 0 for phase in phases for delay in phase.delays_s)
    assert phases[0].called_at_us[-1] <= phases[1].called_at_us[0]


def test_equal_seeds_give_equal_runs_and_others_do_not():
    def run(seed: int) -> list[float]:
        return Simulation(BUSY, learned(BUSY), seed).run(200).delays_s

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_looks_come_when_they_are_due_where_tokens_are_plenty():
    every = Every()
    phase = Simulation(_alone(), every, seed=1).run(40)

    for after_s, until_s in every.finishes:
        assert until_s - after_s == pytest.approx(10 + LEAD_US / 1e6)
    assert len(every.finishes) == 40
    assert phase.longest_gap_s == pytest.approx(10 + LEAD_US / 1e6)
    gaps = [later - earlier for earlier, later in pairwise(phase.called_at_us)]
    assert set(gaps) <= {10_000_000 + LEAD_US}


def test_a_generation_that_is_never_looked_at_shows_in_the_longest_gap():
    class Forgetful(Every):
        forgotten = False

        def countdown(self, age_s: float, checks: int, waiting: int) -> float:
            if not self.forgotten:
                self.forgotten = True
                return 1e6
            return 10.0

    phase = Simulation(replace(BUSY, in_flight=5), Forgetful(), seed=1).run(60)

    assert phase.longest_gap_s > (phase.ended_us - phase.began_us) / 1e6 / 2


def test_the_adaptive_one_learns_the_median_from_its_own_looks():
    contender = learned(CASES["cold_too_long"])
    Simulation(CASES["cold_too_long"], contender, seed=1).run(500)

    assert 60 < contender.durations.quantile(0.5) < 90  # the truth is 75, the providers file says 225


def test_all_cases_can_be_told_apart_and_name_who_runs():
    assert {"veo_like", "heavy_tail", "bimodal", "drift", "saturated_1000"} <= set(CASES)
    assert all(case.name == name and "adaptive" in case.schedules for name, case in CASES.items())


def _alone() -> Case:
    return replace(CASES["veo_like"], in_flight=1)
