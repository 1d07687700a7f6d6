"""How much rarer looks become while webhooks arrive."""

from hypothesis import given
from hypothesis import strategies as st

from vidpoll.hints import Standing
from vidpoll.stretching import ENOUGH, MOST, MOST_S, factor, stretched

COUNTS = st.floats(0, 1e6)
SECONDS = st.floats(0.01, 1e6)


@given(COUNTS, COUNTS)
def test_a_factor_is_between_one_and_the_most(announced: float, ended: float):
    assert 1.0 <= factor(announced, ended) <= MOST


@given(COUNTS, COUNTS, COUNTS)
def test_the_more_ends_come_unannounced_the_nearer_to_usual(announced: float, ended: float, more: float):
    assert factor(announced, ended + more) <= factor(announced, ended)


@given(st.floats(0, ENOUGH, exclude_max=True), COUNTS)
def test_a_few_webhooks_are_not_relied_on(announced: float, ended: float):
    assert factor(announced, ended) == 1.0


def test_when_webhooks_stop_looks_are_as_usual_after_as_many_ends_again():
    assert factor(10, 10) == MOST
    assert factor(10, 20) == 1.0


@given(SECONDS, st.floats(1, MOST), st.floats(-1e6, 1e6))
def test_no_look_comes_sooner_nor_much_later(countdown: float, times: float, until_expected: float):
    found = stretched(countdown, times, until_expected)

    assert countdown <= found <= countdown + MOST_S
    assert found <= countdown * times


@given(SECONDS, st.floats(1, MOST), SECONDS)
def test_the_moment_by_which_it_is_expected_is_not_passed_over(countdown: float, times: float, until_expected: float):
    found = stretched(countdown, times, until_expected)

    assert found <= until_expected or countdown >= until_expected


def test_the_share_is_told_while_something_ends():
    assert Standing().share is None
    assert Standing(announced=1e-3, ended=1e-3).share is None
    assert Standing(announced=12, ended=10).share == 1.0
