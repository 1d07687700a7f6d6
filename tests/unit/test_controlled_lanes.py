"""What an operator decides of a lane: the Lua on fakeredis, with a clock that the test moves."""

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.fake_lanes import WIDE, Clock, fresh
from tests.unit.fake_lanes import ids as _ids
from vidpoll.accounts import jitter_reserve
from vidpoll.controls import Control, Override, Pause
from vidpoll.lanes import Lane, Lanes, Limits

LANE = Lane("acme", "status")
SINCE = datetime(2026, 11, 21, tzinfo=UTC)


def _paused(version: int, for_s: float | None = None, **changes: object) -> Control:
    return Control(*LANE, version, pause=Pause("the bill", "ann", SINCE, for_s), **changes)


def _rated(version: int, rate: float, burst: int, **changes: object) -> Control:
    return Control(*LANE, version, override=Override(rate, burst, "ann", SINCE), **changes)


def _claim(lanes: Lanes, limits: Limits = WIDE, *, want: int = 100) -> list[uuid.UUID]:
    return lanes.claim(LANE, limits, want=want, lease_s=10_000).ids


@pytest.fixture
def full(lanes: Lanes) -> Lanes:
    lanes.schedule(LANE, dict.fromkeys(_ids(3000), 0.0))
    return lanes


def test_an_operators_pause_holds_until_it_is_ended_and_then_the_whole_rate_is_back(full: Lanes, clock: Clock):
    full.control(LANE, WIDE, _paused(1))
    clock.now += 30 * 24 * 3600
    assert _claim(full) == []

    full.control(LANE, WIDE, Control(*LANE, 2))

    assert len(_claim(full)) == 100
    assert full.view(LANE)["slow_rate"] is None


def test_an_operators_pause_with_an_end_ends_by_itself(full: Lanes, clock: Clock):
    full.control(LANE, WIDE, _paused(1, 60.0))
    clock.now += 59.9
    assert _claim(full) == []
    clock.now += 0.2
    assert _claim(full) != []


def test_a_pause_the_provider_asks_for_neither_shortens_nor_lengthens_an_operators(full: Lanes, clock: Clock):
    full.control(LANE, WIDE, _paused(1, 60.0))
    full.pause(LANE, WIDE, 2)
    full.pause(LANE, WIDE, 5, refused=False)
    clock.now += 30
    assert _claim(full) == [], "the provider's is over, the operator's is not"
    clock.now += 31
    assert _claim(full) != []

    full.pause(LANE, WIDE, 30)
    full.control(LANE, WIDE, _paused(2))
    full.control(LANE, WIDE, Control(*LANE, 3))
    assert _claim(full) == [], "the operator's is over, the provider's is not"
    clock.now += 31
    assert _claim(full) != []


def test_nothing_urgent_and_no_second_call_leaves_a_paused_lane(lanes: Lanes):
    (id,) = _ids(1)
    lanes.control(LANE, WIDE, _paused(1))
    lanes.schedule(LANE, {id: 0.0}, urgent=True)
    lanes.hurry(LANE, WIDE, id)

    assert _claim(lanes) == []
    assert lanes.take(LANE, WIDE, 1) is False
    assert lanes.reserve(LANE, WIDE, longest_s=1e6) is None
    assert lanes.free(LANE, WIDE) == (0, None)


def test_accounts_whose_paid_calls_are_paused_say_so(lanes: Lanes):
    lane = Lane("acme", "submit")
    lanes.control(lane, WIDE, Control(*lane, 1, pause=Pause("the bill", "ann", SINCE)))

    assert lanes.loads(["acme"])["acme"].paused
    assert not lanes.loads(["other"])["other"].paused


def test_what_was_read_before_somebody_else_decided_takes_nothing_back(full: Lanes):
    assert full.control(LANE, WIDE, _paused(5))

    assert not full.control(LANE, WIDE, Control(*LANE, 4))
    assert not full.control(LANE, WIDE, _paused(5, 1.0)), "the same again is no news, and its end does not move"

    assert _claim(full) == []
    assert full.view(LANE)["stopped"] == {"by": "ann", "reason": "the bill", "since": SINCE.isoformat(), "for_s": None}


def test_another_rate_is_in_force_at_the_next_claim_and_so_is_the_end_of_it(full: Lanes, clock: Clock):
    limits = Limits(rate=10, burst=1)

    def in_ten_seconds() -> int:
        count = 0
        for _ in range(1000):
            clock.now += 0.01
            count += len(_claim(full, limits))
        return count

    assert in_ten_seconds() == pytest.approx(100, abs=2)
    full.control(LANE, limits, _rated(1, 50, 4))
    assert in_ten_seconds() == pytest.approx(500, abs=5)
    full.control(LANE, limits, _rated(2, 2, 2))
    assert in_ten_seconds() == pytest.approx(20, abs=2)
    full.control(LANE, limits, Control(*LANE, 3))
    assert in_ten_seconds() == pytest.approx(100, abs=2)


def test_the_process_that_claims_knows_the_rate_in_force(full: Lanes):
    limits = Limits(rate=10, burst=1, batch=7)
    full.control(LANE, limits, _rated(1, 50, 4))
    _claim(full, limits)

    assert full.in_force(LANE, limits) == Limits(rate=50, burst=1, batch=7), "3 of 4 are kept for jitter"
    assert full.free(LANE, limits) == (0, 50)
    full.control(LANE, limits, Control(*LANE, 2))
    _claim(full, limits)
    assert full.in_force(LANE, limits) == limits


def test_a_slow_start_after_a_refusal_goes_up_to_the_rate_an_operator_set(full: Lanes, clock: Clock):
    limits = Limits(rate=100, burst=1)
    full.control(LANE, limits, _rated(1, 20, 2))
    full.pause(LANE, limits, 1)

    assert full.view(LANE)["slow_rate"] == 10
    clock.now += 100
    _claim(full, limits)
    assert full.free(LANE, limits) == (0, 20)


def test_a_lane_that_nobody_told_what_was_decided_asks_first(clock: Clock):
    asked = []

    def decided(account: str, verb: str) -> Control:
        asked.append((account, verb))
        return _paused(1)

    lanes = Lanes(fresh()._redis, controls=decided)
    lanes.schedule(LANE, dict.fromkeys(_ids(3), 0.0))
    assert _claim(lanes) == _claim(lanes) == []
    assert asked == [LANE], "once"

    lanes._redis.flushall()
    lanes.schedule(LANE, dict.fromkeys(_ids(3), 0.0))
    assert _claim(lanes) == []
    assert asked == [LANE, LANE]


def test_while_nobody_can_tell_what_was_decided_nothing_leaves(clock: Clock):
    def away(account: str, verb: str) -> Control:
        raise ConnectionError

    lanes = Lanes(fresh()._redis, controls=away)
    lanes.schedule(LANE, dict.fromkeys(_ids(3), 0.0))

    with pytest.raises(ConnectionError):
        _claim(lanes)
    assert lanes.view(LANE)["due"] == 3


def test_the_view_tells_how_late_the_most_overdue_is_whatever_overtakes_it(lanes: Lanes, clock: Clock):
    def late_s() -> float:
        return Lanes(lanes._redis).view(LANE)["late_s"]  # new ones ask what time it is

    one, urgent = _ids(2)
    assert late_s() == 0
    lanes.schedule(LANE, {one: 1.0})
    clock.now += 8
    assert late_s() == pytest.approx(7, abs=0.5)

    lanes.schedule(LANE, {urgent: 0.0}, urgent=True)
    clock.now += 1
    assert late_s() == pytest.approx(8, abs=0.5)


def test_a_lower_rate_forgives_nothing_that_was_granted_before(full: Lanes, clock: Clock):
    limits = Limits(rate=100, burst=5)
    assert len(_claim(full, limits)) == 5
    full.control(LANE, limits, _rated(1, 1, 6))
    assert _claim(full, limits) == []
    clock.now += 0.9
    assert _claim(full, limits) == [], "what is owed is paid back at the new rate from the change on"
    clock.now += 0.2
    assert len(_claim(full, limits)) == 1


def test_a_higher_rate_does_not_wait_for_the_lower_ones_debt(full: Lanes, clock: Clock):
    limits = Limits(rate=0.01, burst=1)
    assert len(_claim(full, limits)) == 1
    full.control(LANE, limits, _rated(1, 10, 2))
    assert _claim(full, limits) == []
    clock.now += 0.11
    assert len(_claim(full, limits)) == 1


def test_another_rate_after_a_clock_that_stepped_back_stops_nothing_for_long(full: Lanes, clock: Clock):
    limits = Limits(rate=10, burst=1)
    assert len(_claim(full, limits)) == 1
    clock.now -= 3600
    full.schedule(LANE, dict.fromkeys(_ids(50), 0.0))
    full.control(LANE, limits, _rated(1, 20, 2))

    assert len(_claim(full, limits)) == 1


def test_a_refusal_forgives_nothing_either(full: Lanes, clock: Clock):
    limits = Limits(rate=1, burst=5)
    assert len(_claim(full, limits)) == 5
    full.pause(LANE, limits, 0.5)
    clock.now += 0.51
    assert _claim(full, limits) == []


CHANGES = st.one_of(
    st.none(),
    st.tuples(st.sampled_from([0.5, 1, 3, 10, 40, 100]), st.integers(1, 12)),
    st.sampled_from(["reset", "refused", "stop", "go"]),
)


@settings(max_examples=100, deadline=None)
@given(
    configured=st.tuples(st.sampled_from([0.5, 3, 10, 100]), st.integers(1, 12)),
    steps=st.lists(st.tuples(st.floats(0, 1.5), st.integers(0, 30), CHANGES), min_size=5, max_size=40),
)
def test_no_change_of_the_rate_lets_more_out_than_the_rates_in_force_and_one_burst(configured: tuple, steps: list):
    """Between two grants, at most the integral of the rate in force, plus the burst in force at the later one."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr("time.time", clock)
        lanes, limits = fresh(), Limits(*configured)
        lanes.schedule(LANE, dict.fromkeys(_ids(3000), 0.0))
        (rate, burst), due, grants = configured, 0.0, []
        override, pause = None, None
        for version, (seconds, want, change) in enumerate(steps, start=1):
            clock.now += seconds
            due += rate * seconds
            if change == "refused":
                lanes.pause(LANE, limits, 0.5)
            elif change == "stop":
                pause = Pause("r", "b", SINCE)
            elif change == "go":
                pause = None
            elif change == "reset":
                override, (rate, burst) = None, configured
            elif change:
                rate, burst = change
                # What is granted at once is what is left of it after the reserve for jitter.
                override = Override(rate, burst + jitter_reserve(rate), "b", SINCE)
                assert override.granted_burst == burst
            lanes.control(LANE, limits, Control(*LANE, version, pause, override))
            free, _ = lanes.free(LANE, limits)
            claimed = _claim(lanes, limits, want=want)
            assert len(claimed) == min(free, want), "what is told to be free is what is handed out"
            grants += [(due, burst)] * len(claimed)

    least = 0.0  # of all grants before, calls made less calls that were due
    for place, (now_due, burst_then) in enumerate(grants):
        least = min(least, place - now_due) if place else place - now_due
        assert place - now_due - least + 1 <= burst_then + 1e-3
