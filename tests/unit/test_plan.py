from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpoll.durations import Durations
from vidpoll.plan import Plan, planned

VEO = Durations.lognormal(64, 0.5)
TWO_CLUSTERS = Durations.lognormal(20, 0.1).mixed(Durations.lognormal(150, 0.1), 0.5)


def cost(durations: Durations, ages: list[float]) -> tuple[float, float]:
    """Mean looks and mean delay of looking at these ages."""
    looks = delay = 0.0
    for before, age in zip([0.0, *ages], ages, strict=False):
        looks += 1 - durations.done(before)
        steps = [before + (age - before) * part / 50 for part in range(51)]
        for low, high in pairwise(steps):
            delay += (durations.done(high) - durations.done(low)) * (age - (low + high) / 2)
    return looks, delay


def ages_of(plan: Plan, until_s: float) -> list[float]:
    ages = [0.0]
    while ages[-1] < until_s:
        ages.append(plan.next_age(ages[-1]))
    return ages[1:]


@pytest.mark.parametrize("durations", [VEO, TWO_CLUSTERS], ids=["one cluster", "two clusters"])
@pytest.mark.parametrize("price_s", [0.1, 1.0, 10.0])
def test_a_plan_costs_less_than_the_best_fixed_interval(durations: Durations, price_s: float):
    looks, delay = cost(durations, ages_of(planned(durations, price_s, 0.5, 1e4), 900))
    fixed = min(
        price_s * looks + delay
        for looks, delay in (
            cost(durations, [n * every for n in range(1, int(900 / every) + 2)])
            for every in (0.5, 1, 2, 5, 10, 20, 40, 60, 80, 160)
        )
    )

    assert price_s * looks + delay < 0.85 * fixed


def test_no_other_ages_nearby_are_cheaper():
    ages = ages_of(planned(VEO, 5.0, 0.1, 1e4), 900)
    looks, delay = cost(VEO, ages)
    for place in range(len(ages) - 1):
        for shift in (-3.0, 3.0):
            moved = sorted(age + shift * (index == place) for index, age in enumerate(ages))
            others = cost(VEO, moved)
            assert 5 * looks + delay <= 5 * others[0] + others[1] + 0.05


def test_nothing_is_looked_at_between_two_clusters():
    ages = ages_of(planned(TWO_CLUSTERS, 0.5, 0.5, 1e4), 400)

    assert not [age for age in ages if 40 < age < 95]
    assert len([age for age in ages if 12 < age < 40]) >= 3


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1, 5000), st.floats(0.05, 2), st.floats(0.01, 1e5), st.floats(0.5, 10), st.floats(20, 1e5),
    st.lists(st.floats(0, 1e6), min_size=1, max_size=20),
)  # fmt: skip
def test_every_next_look_is_later_by_at_least_the_floor_and_at_most_the_ceiling(
    median_s: float, sigma: float, price_s: float, floor_s: float, ceiling_s: float, ages: list[float]
):
    plan = planned(Durations.lognormal(median_s, sigma), price_s, floor_s, ceiling_s)

    for age in ages:
        assert floor_s * 0.99 <= plan.next_age(age) - age <= ceiling_s * 1.01


def test_what_outlives_all_that_were_seen_is_looked_at_ever_more_rarely():
    plan = planned(VEO, 0.25, 1.0, 120.0)
    intervals = [plan.next_age(age) - age for age in (500, 1000, 2000, 5000)]

    assert intervals == sorted(intervals)
    assert intervals[0] < 30
    assert intervals[-1] == 120
