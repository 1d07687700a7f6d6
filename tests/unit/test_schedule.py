import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from vidpoll.schedule import Geometric, Schedule, Tiers, backoff, growing

SCHEDULE = TypeAdapter(Schedule)


@pytest.mark.parametrize(
    ("checks", "seconds"), [(0, 1.0), (1, 1.5), (2, 2.25), (10, 57.6650390625), (11, 60.0), (100_000, 60.0)]
)
def test_geometric_grows_by_its_factor_up_to_its_cap(checks: int, seconds: float):
    assert Geometric(jitter=0).countdown(checks) == pytest.approx(seconds)


def test_tiers_are_worked_off_one_after_the_other():
    tiers = Tiers(tiers=((5, 1), (5, 2), (10, 5)), then_s=10, jitter=0)

    assert [tiers.countdown(checks) for checks in range(22)] == [1.0] * 5 + [2.0] * 5 + [5.0] * 10 + [10.0] * 2


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_jitter_stays_within_its_share(checks: int, jitter: float):
    plain, moved = Geometric(jitter=0).countdown(checks), Geometric(jitter=jitter).countdown(checks)

    assert plain * (1 - jitter) - 1e-9 <= moved <= plain * (1 + jitter) + 1e-9


def test_a_factor_of_one_never_grows():
    assert growing(2.0, 1.0, 60.0, 10**9) == 2.0


@given(st.integers(1, 1_000_000))
def test_backoff_never_exceeds_its_cap_and_jitter(failures: int):
    assert 0.8 <= backoff(failures) <= 72


def test_kind_is_told_by_what_is_written():
    assert SCHEDULE.validate_python({"tiers": [[3, 1]], "then_s": 5}) == Tiers(tiers=((3, 1),), then_s=5)
    assert SCHEDULE.validate_python({"first_s": 2}) == Geometric(first_s=2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tiers": [[0, 1]], "then_s": 5},
        {"tiers": [[1, -1]], "then_s": 5},
        {"first_s": 0},
        {"cap": 3},
        {"tiers": [[1, 1]]},
    ],
)
def test_impossible_schedules_are_refused(wrong: dict):
    with pytest.raises(ValidationError):
        SCHEDULE.validate_python(wrong)
