import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpoll.durations import BINS, EDGES, Durations

ANY = st.builds(Durations.lognormal, median_s=st.floats(1, 10_000), sigma=st.floats(0.05, 2))


@given(ANY, st.floats(0.001, 0.999))
def test_a_quantile_is_the_age_by_which_that_part_is_done(durations: Durations, probability: float):
    assert durations.done(durations.quantile(probability)) == pytest.approx(probability, abs=1e-6)


@given(ANY, st.floats(0, 1e7), st.floats(0, 1e7))
def test_more_is_done_at_a_later_age(durations: Durations, age: float, other: float):
    first, second = sorted((age, other))

    assert 0 <= durations.done(first) <= durations.done(second) <= 1 + 1e-9


@given(ANY, st.floats(0.01, 0.99), st.floats(0, 1e7))
def test_what_remains_is_never_negative_and_never_nonsense(durations: Durations, probability: float, age: float):
    assert 0 <= durations.remaining(probability, age) < math.inf


def test_a_lognormal_one_has_the_quantiles_of_its_formula():
    veo = Durations.lognormal(median_s=64, sigma=0.5)

    assert veo.quantile(0.5) == pytest.approx(64, rel=0.01)
    assert veo.quantile(0.975) == pytest.approx(64 * math.exp(0.5 * 1.96), rel=0.02)
    assert veo.mean == pytest.approx(64 * math.exp(0.125), rel=0.02)


@given(ANY)
def test_what_is_written_sparsely_is_read_back_as_it_was(durations: Durations):
    assert Durations.from_sparse(*durations.sparse()).weights == pytest.approx(durations.weights)


def test_a_mixture_lies_between_its_parts():
    quick, slow = Durations.lognormal(10, 0.2), Durations.lognormal(1000, 0.2)

    assert quick.mixed(slow, 0.25).done(100) == pytest.approx(0.75, abs=0.01)
    assert quick.mixed(slow, 0) == quick


@pytest.mark.parametrize(
    "weights", [[], [1.0] * (BINS - 1), [0.0] * BINS, [-1.0] + [1.0] * (BINS - 1), [math.inf] * BINS]
)
def test_weights_that_are_no_histogram_are_refused(weights: list[float]):
    with pytest.raises(ValueError, match="histogram"):
        Durations(weights)


def test_the_bins_reach_from_a_quarter_of_a_second_over_a_week():
    assert EDGES[0] == 0
    assert EDGES[1] == 0.25
    assert EDGES[-1] > 7 * 24 * 3600
