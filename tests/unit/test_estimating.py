import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vidpoll.durations import Durations
from vidpoll.estimating import Observed, estimated

PRIOR = Durations.lognormal(75, 0.8)


def veo(dice: random.Random) -> float:
    return 11 + dice.lognormvariate(math.log(64), 0.5)


def seen_every(seconds: float, durations: list[float]) -> list[Observed]:
    """What looks at a fixed interval learn: the interval in which it ended."""
    return [Observed(seconds * (one // seconds), seconds * (one // seconds + 1)) for one in durations]


@pytest.mark.parametrize("every", [2, 10, 30])
def test_the_truth_is_found_behind_intervals(every: float):
    dice = random.Random(1)
    learned = estimated(seen_every(every, [veo(dice) for _ in range(500)]), PRIOR)

    truth = sorted(veo(dice) for _ in range(20_000))
    for part in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert learned.quantile(part) == pytest.approx(truth[int(part * len(truth))], rel=0.13)


def test_finish_times_as_seen_are_later_than_the_truth_and_the_estimate_is_not():
    dice = random.Random(2)
    durations = [veo(dice) for _ in range(500)]
    observed = seen_every(40, durations)

    as_seen = sum(one.until_s for one in observed) / 500
    learned = estimated(observed, PRIOR).mean
    truth = sum(durations) / 500
    assert as_seen > truth + 15
    assert abs(learned - truth) < 5


def test_a_few_samples_move_the_prior_only_a_little_and_many_leave_a_tail():
    few, many = estimated([Observed(10, 10)] * 2, PRIOR), estimated([Observed(10, 10)] * 500, PRIOR)

    assert few.quantile(0.5) == pytest.approx(PRIOR.quantile(0.5), rel=0.3)
    assert many.quantile(0.5) == pytest.approx(10, rel=0.1)
    assert many.done(200) < 1


def test_two_clusters_stay_apart():
    dice = random.Random(3)
    durations = [dice.gauss(20, 2) if number % 2 else dice.gauss(150, 8) for number in range(500)]
    learned = estimated(seen_every(2, durations), PRIOR)

    assert learned.done(100) - learned.done(40) < 0.01
    assert learned.done(40) == pytest.approx(0.5, abs=0.02)


def test_recent_ones_weigh_more():
    old, new = [Observed(60, 60)] * 300, [Observed(120, 120)] * 200

    assert estimated(new + old, PRIOR).quantile(0.5) == pytest.approx(120, rel=0.1)


def test_an_interval_that_the_prior_rules_out_is_believed():
    learned = estimated([Observed(20_000, 20_100)] * 100, Durations.lognormal(1, 0.05))

    assert learned.quantile(0.7) == pytest.approx(20_050, rel=0.2)


@settings(deadline=None)
@example([(0.0, 5e-324), (1e6, 2e6), (3, 3)])
@given(st.lists(st.tuples(st.floats(-5, 1e7), st.floats(-5, 1e7)), max_size=30))
def test_whatever_was_seen_a_distribution_comes_out(pairs: list[tuple[float, float]]):
    learned = estimated([Observed(*pair) for pair in pairs], PRIOR)

    assert sum(learned.weights) == pytest.approx(1)
