import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from vidpoll.durations import Durations
from vidpoll.schedule import (
    NAMED,
    Adaptive,
    Forecast,
    Geometric,
    Look,
    Schedule,
    Tiers,
    backoff,
    countdown,
    fixed,
    growing,
)

SCHEDULE = TypeAdapter(Schedule)


@pytest.mark.parametrize(
    ("checks", "seconds"), [(0, 1.0), (1, 1.5), (2, 2.25), (10, 57.6650390625), (11, 60.0), (100_000, 60.0)]
)
def test_geometric_grows_by_its_factor_up_to_its_cap(checks: int, seconds: float):
    assert Geometric(jitter=0).interval(Look(checks)) == pytest.approx(seconds)


def test_tiers_are_worked_off_one_after_the_other():
    tiers = Tiers(tiers=((5, 1), (5, 2), (10, 5)), then_s=10, jitter=0)

    assert [tiers.interval(Look(checks)) for checks in range(22)] == [1.0] * 5 + [2.0] * 5 + [5.0] * 10 + [10.0] * 2


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_jitter_stays_within_its_share(checks: int, jitter: float):
    plain, moved = (countdown(Geometric(jitter=part), Look(checks)) for part in (0, jitter))

    assert plain * (1 - jitter) - 1e-9 <= moved <= plain * (1 + jitter) + 1e-9


def test_a_factor_of_one_never_grows():
    assert growing(2.0, 1.0, 60.0, 10**9) == 2.0


@given(st.integers(1, 1_000_000))
def test_backoff_never_exceeds_its_cap_and_jitter(failures: int):
    assert 0.8 <= backoff(failures) <= 72


def test_kind_is_told_by_what_is_written():
    assert SCHEDULE.validate_python({"tiers": [[3, 1]], "then_s": 5}) == Tiers(tiers=((3, 1),), then_s=5)
    assert SCHEDULE.validate_python({"first_s": 2}) == Geometric(first_s=2)
    assert SCHEDULE.validate_python({"price_s": 2}) == Adaptive(price_s=2)
    assert SCHEDULE.validate_python({}) == Adaptive()


@pytest.mark.parametrize(
    "wrong",
    [
        {"tiers": [[0, 1]], "then_s": 5},
        {"tiers": [[1, -1]], "then_s": 5},
        {"first_s": 0},
        {"cap": 3},
        {"tiers": [[1, 1]]},
        {"price_s": 0},
        "cleverly",
        "fixed(0)",
        "fixed(-3)",
        7,
    ],
)
def test_impossible_schedules_are_refused(wrong: dict):
    with pytest.raises(ValidationError):
        SCHEDULE.validate_python(wrong)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("geometric", [1.0, 1.5, 2.25, 3.375]),
        ("smart", [1.0, 2.0, 5.0, 10.0, 10.0]),
        ("progressive", [1.0] * 5 + [2.0] * 5 + [5.0] * 10 + [10.0]),
        ("fixed(7.5)", [7.5] * 3),
    ],
)
def test_the_schedules_of_other_systems_have_names(name: str, first: list[float]):
    schedule = SCHEDULE.validate_python(name)

    assert [schedule.interval(Look(checks)) for checks in range(len(first))] == first


def test_smart_doubles_its_wait_with_every_failure_and_the_others_back_off():
    smart = NAMED["smart"].model_copy(update={"jitter": 0.0})

    assert [smart.failed(Look(checks=2), failures) for failures in (1, 2, 3, 4, 5)] == [10, 20, 40, 60, 60]
    assert 0.8 <= NAMED["progressive"].failed(Look(checks=2), 1) <= 1.2


def test_an_overdue_one_is_looked_at_half_as_often_by_a_schedule_that_knows_no_durations():
    assert fixed(10).interval(Look(overdue=True)) == 20
    assert NAMED["geometric"].interval(Look(overdue=True)) == 2


def test_no_schedule_looks_sooner_than_the_provider_wants():
    for schedule in (*NAMED.values(), fixed(0.1)):
        assert countdown(schedule, Look(not_before_s=400)) >= 400
        assert countdown(schedule, Look(checks=5, age_s=80, not_before_s=5)) >= 5


# -- the adaptive one ----------------------------------------------------------------------------------------------

VEO = Durations.lognormal(64, 0.5)
ADAPTIVE = Adaptive(jitter=0)


def interval(**look: float | bool | None) -> float:
    return ADAPTIVE.interval(Look(forecast=Forecast(VEO, VEO), **look))


def test_the_adaptive_one_looks_rarely_at_first_and_densely_where_most_are_done():
    assert interval(age_s=0) > 20
    assert interval(age_s=60) < interval(age_s=0) / 4


def test_a_more_urgent_one_is_looked_at_sooner():
    intervals = [interval(age_s=60, priority=priority) for priority in (0, 3, 9)]

    assert intervals == sorted(intervals, reverse=True)
    assert intervals[0] / intervals[2] == pytest.approx(10**0.5, rel=0.25)


def test_four_times_the_price_halves_the_looks():
    assert interval(age_s=60, pressure=4) / interval(age_s=60) == pytest.approx(2, rel=0.25)


def test_what_has_not_begun_is_not_looked_at_before_the_quickest_run():
    run = Durations.lognormal(300, 0.2)
    look = Look(age_s=60, forecast=Forecast(VEO, run), queued=True)

    assert ADAPTIVE.interval(look) >= min(run.quantile(0.01), ADAPTIVE.ceiling_s)


def test_what_has_begun_is_looked_at_by_the_age_of_its_run():
    young = Look(age_s=1000, forecast=Forecast(VEO, VEO), running_s=0)

    assert ADAPTIVE.interval(young) == interval(age_s=0)


@settings(deadline=None)  # the first plan of a distribution takes its time
@given(st.floats(0, 1e6), st.floats(1, 1e6), st.integers(0, 9), st.floats(1.5, 5000), st.floats(0.05, 2.5))
def test_the_adaptive_one_keeps_its_floor_and_its_ceiling_and_never_stops_looking(
    age_s: float, pressure: float, priority: int, median_s: float, sigma: float
):
    durations = Durations.lognormal(median_s, sigma)
    look = Look(age_s=age_s, pressure=pressure, priority=priority, forecast=Forecast(durations, durations))

    assert 0.99 <= ADAPTIVE.interval(look) <= 1.2 * ADAPTIVE.ceiling_s


def test_under_pressure_the_longest_interval_is_the_lanes():
    assert interval(age_s=1e5, pressure=1e6, longest_s=900) <= 1.2 * 900
    assert interval(age_s=1e5, pressure=1e6, longest_s=900) > ADAPTIVE.ceiling_s
