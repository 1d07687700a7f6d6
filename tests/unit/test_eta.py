import math
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpoll.accounts import ModelPolicy
from vidpoll.durations import BINS, Durations
from vidpoll.eta import Eta, Etas, eta_of
from vidpoll.forecasts import Snapshot
from vidpoll.generation import Generation, Status
from vidpoll.schedule import Forecast
from vidpoll.store import Learned

NOW = datetime(2026, 11, 21, tzinfo=UTC)
AGES = st.floats(0, 10 * 24 * 3600)


@st.composite
def histograms(draw: st.DrawFn) -> Durations:
    """Any: also with gaps, and with all of it in one bin."""
    filled = draw(st.dictionaries(st.integers(0, BINS - 1), st.floats(0.001, 1000), min_size=1, max_size=20))
    return Durations(filled.get(bin, 0.0) for bin in range(BINS))


def forecast(durations: Durations) -> Forecast:
    return Forecast(durations, durations)


def generation(status: Status, *, ago_s: float = 0.0, **fields: object) -> Generation:
    """One that was asked for ``ago_s`` seconds ago."""
    made_at = NOW - timedelta(seconds=ago_s)
    return Generation(
        id=uuid4(), owner="alice", provider="veo", model="veo-fast", prompt="a lion", status=status,
        created_at=made_at, updated_at=made_at, read_at=NOW, **fields,
    )  # fmt: skip


def learned(durations: Durations, params: str = "{}") -> Learned:
    return Learned("veo", "veo-fast", params, "total", 100, durations, NOW)


@given(histograms(), AGES)
def test_half_are_never_done_after_nine_tenths_and_nothing_is_done_in_the_past(durations: Durations, age_s: float):
    eta = eta_of(forecast(durations), age_s)

    assert eta is None or 1 <= eta.p50_s <= eta.p90_s


@given(histograms(), AGES, st.floats(0, 24 * 3600))
def test_the_moment_it_will_be_done_never_comes_closer_while_it_runs(durations: Durations, age_s: float, more_s: float):
    before, after = eta_of(forecast(durations), age_s), eta_of(forecast(durations), age_s + more_s)

    if before and after:
        assert age_s + more_s + after.p50_s >= age_s + before.p50_s - 1.01  # rounded to whole seconds
        assert age_s + more_s + after.p90_s >= age_s + before.p90_s - 1.01


@given(st.floats(1, 3600), st.floats(0.2, 1.0))
def test_before_anything_ran_it_is_the_median_and_the_ninth_tenth(median_s: float, sigma: float):
    durations = Durations.lognormal(median_s, sigma)

    assert eta_of(forecast(durations), 0) == Eta(math.ceil(durations.quantile(0.5)), math.ceil(durations.quantile(0.9)))


def test_nobody_can_tell_of_one_that_runs_longer_than_any():
    assert eta_of(forecast(Durations.lognormal(10, 0.1)), 3600) is None


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.COMPLETED, Status.FAILED, Status.CANCELLED])
def test_what_is_final_or_unknown_has_no_eta(status: Status):
    assert Etas(Snapshot().of, None).of(generation(status)) is None


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUBMITTING])
def test_what_was_not_taken_by_the_provider_has_the_eta_of_one_submitted_now(status: Status):
    etas = Etas(Snapshot([learned(Durations.lognormal(64, 0.5))]).of, None)

    assert etas.of(generation(status, ago_s=50)) == Eta(64, 122)


def test_the_eta_of_one_that_runs_falls_with_its_age():
    etas = Etas(Snapshot([learned(Durations.lognormal(64, 0.2))]).of, None)

    early, late = (etas.of(generation(Status.PROCESSING, submitted_at=NOW - timedelta(seconds=age))) for age in (1, 40))

    assert early is not None
    assert late is not None
    assert early.p50_s - 39 <= late.p50_s < early.p50_s


def test_the_kind_of_video_counts_then_the_model_then_the_defaults_of_a_model():
    long, any = Durations.lognormal(200, 0.3), Durations.lognormal(50, 0.3)
    etas = Etas(Snapshot([learned(any), learned(long, '{"durationSeconds": 8}')]).of, None)

    assert etas.of(generation(Status.PENDING, params={"durationSeconds": 8, "seed": 1})) == eta_of(forecast(long), 0)
    assert etas.of(generation(Status.PENDING, params={"durationSeconds": 4})) == eta_of(forecast(any), 0)
    assert Etas(Snapshot().of, None).of(generation(Status.PENDING)) == eta_of(forecast(ModelPolicy().prior), 0)


@pytest.mark.parametrize(
    ("status", "moments", "elapsed_s"),
    [
        (Status.PENDING, {}, 100),
        (Status.PENDING, {"sent_at": 60}, 100),  # a call that did not reach the provider
        (Status.SUBMITTING, {"sent_at": 60}, 60),
        (Status.PROCESSING, {"sent_at": 60, "submitted_at": 60}, 60),
        (Status.COMPLETED, {"sent_at": 60, "submitted_at": 60, "completed_at": 20}, 40),
        (Status.CANCELLED, {"completed_at": 20}, 80),
    ],
)
def test_time_counts_from_the_paid_call_to_the_end(status: Status, moments: dict[str, float], elapsed_s: float):
    ago = {name: NOW - timedelta(seconds=seconds) for name, seconds in moments.items()}

    assert generation(status, ago_s=100, **ago).elapsed_s() == elapsed_s


def test_the_next_check_is_told_while_one_is_planned():
    soon, past = NOW + timedelta(seconds=5), NOW - timedelta(seconds=5)

    assert generation(Status.PROCESSING, next_check_at=soon).next_check_s() == 5
    assert generation(Status.PROCESSING, next_check_at=past).next_check_s() == 0
    assert generation(Status.PENDING).next_check_s() is None
    assert generation(Status.COMPLETED, next_check_at=soon).next_check_s() is None
