"""The lanes' Lua on fakeredis, with a clock that the test moves."""

import uuid
from collections.abc import Callable

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.fake_lanes import WIDE, Clock, fresh
from tests.unit.fake_lanes import ids as _ids
from vidpoll.errors import LanesUnavailable
from vidpoll.lanes import Flow, Lane, Lanes, Limits, both_lanes
from vidpoll.lanes.reading import RECOVERY_S

LANE = Lane("acme", "status")


def _claim(lanes: Lanes, limits: Limits = WIDE, *, want: int = 100, lease_s: float = 30) -> list[uuid.UUID]:
    return lanes.claim(LANE, limits, want=want, lease_s=lease_s).ids


def test_an_id_is_handed_out_when_its_countdown_is_over_and_not_before(lanes: Lanes, clock: Clock):
    (id,) = _ids(1)
    lanes.schedule(LANE, {id: 5.0})

    early = lanes.claim(LANE, WIDE, want=10, lease_s=30)
    clock.now += 5

    assert (early.ids, early.wait_s) == ([], pytest.approx(5, abs=0.01))
    assert _claim(lanes) == [id]


def test_an_id_is_never_in_the_lane_twice(lanes: Lanes):
    (id,) = _ids(1)
    for countdown in (9.0, 3.0, 0.0):
        lanes.schedule(LANE, {id: countdown})

    assert lanes.size(LANE) == 1
    assert _claim(lanes) == [id]


def test_only_absent_leaves_an_id_where_it_is(lanes: Lanes):
    (id,) = _ids(1)
    lanes.schedule(LANE, {id: 60.0})

    assert lanes.schedule(LANE, {id: 0.0}, only_absent=True) == 0
    assert _claim(lanes) == []


def test_a_claimed_id_is_due_again_when_its_lease_is_over(lanes: Lanes, clock: Clock):
    (id,) = _ids(1)
    lanes.schedule(LANE, {id: 0.0})

    assert _claim(lanes, lease_s=30) == [id]
    clock.now += 29.9
    assert _claim(lanes) == []
    clock.now += 0.2
    assert _claim(lanes) == [id]


def test_what_leaves_stays_where_somebody_moved_it_meanwhile(lanes: Lanes, clock: Clock):
    still, moved, absent = _ids(3)
    lanes.schedule(LANE, {still: 0.0, moved: 0.0})
    _claim(lanes)
    moments = lanes.moments(LANE, [still, moved, absent])
    clock.now += 1
    lanes.schedule(LANE, {moved: 0.0, absent: 0.0})

    lanes.leave(LANE, moments)

    assert sorted(_claim(lanes)) == sorted([moved, absent])
    assert lanes.size(LANE) == 2


def test_a_settled_id_is_gone(lanes: Lanes):
    one, other = _ids(2)
    lanes.schedule(LANE, {one: 0.0, other: 0.0})

    lanes.settle(LANE, [one])

    assert _claim(lanes) == [other]


def test_ids_leave_in_the_order_they_came_and_urgent_ones_overtake(lanes: Lanes, clock: Clock):
    first, second, urgent = _ids(3)
    for id in (first, second, urgent):
        lanes.schedule(LANE, {id: 0.0}, urgent=id == urgent)
        clock.now += 0.001

    assert _claim(lanes) == [urgent, first, second]


def test_an_urgent_id_is_not_handed_out_before_its_countdown(lanes: Lanes):
    lanes.schedule(LANE, {_ids(1)[0]: 5.0}, urgent=True)

    assert _claim(lanes) == []


def test_no_more_is_claimed_than_wanted(lanes: Lanes):
    lanes.schedule(LANE, dict.fromkeys(_ids(10), 0.0))

    assert len(_claim(lanes, want=3)) == 3
    assert len(_claim(lanes, want=0)) == 0


def test_the_bucket_grants_its_burst_and_then_its_rate(lanes: Lanes, clock: Clock):
    limits = Limits(rate=10, burst=3)
    lanes.schedule(LANE, dict.fromkeys(_ids(50), 0.0))

    assert len(_claim(lanes, limits)) == 3
    clock.now += 0.09
    assert len(_claim(lanes, limits)) == 0
    clock.now += 0.02
    assert len(_claim(lanes, limits)) == 1
    clock.now += 60
    assert len(_claim(lanes, limits)) == 3


def test_the_answer_says_when_the_next_token_comes(lanes: Lanes):
    limits = Limits(rate=10, burst=1)
    lanes.schedule(LANE, dict.fromkeys(_ids(2), 0.0))

    assert lanes.claim(LANE, limits, want=9, lease_s=30).wait_s == pytest.approx(0.1, abs=0.001)


def test_an_empty_lane_has_no_next_time(lanes: Lanes):
    assert lanes.claim(LANE, WIDE, want=9, lease_s=30).wait_s is None


def test_a_batch_call_costs_one_token_however_many_ids_it_carries(lanes: Lanes, clock: Clock):
    limits = Limits(rate=1, burst=2, batch=20)
    lanes.schedule(LANE, dict.fromkeys(_ids(100), 0.0))

    assert len(_claim(lanes, limits)) == 40
    clock.now += 1
    assert len(_claim(lanes, limits)) == 20


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from([0.5, 3, 7, 10, 100]),
    burst=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 0.7), st.integers(0, 30)), min_size=5, max_size=60),
)
def test_in_no_window_are_more_calls_granted_than_rate_times_window_plus_burst(rate: float, burst: int, steps: list):
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr("time.time", clock)
        lanes = fresh()
        lanes.schedule(LANE, dict.fromkeys(_ids(2000), 0.0))
        grants = []
        for pause, want in steps:
            clock.now += pause
            grants += [clock.now] * len(_claim(lanes, Limits(rate, burst), want=want, lease_s=10_000))

    for place, begin in enumerate(grants):
        for count, end in enumerate(grants[place:], start=1):
            assert count <= rate * (end - begin) + burst + 1e-3


def test_a_pause_holds_everything_back_and_is_never_shortened(lanes: Lanes, clock: Clock):
    lanes.schedule(LANE, dict.fromkeys(_ids(5), 0.0))
    lanes.pause(LANE, WIDE, 30)
    lanes.pause(LANE, WIDE, 2)

    claim = lanes.claim(LANE, WIDE, want=9, lease_s=30)

    assert (claim.ids, claim.wait_s) == ([], pytest.approx(30, abs=0.01))
    clock.now += 29.9
    assert _claim(lanes) == []
    clock.now += 0.2
    assert _claim(lanes) != []


def test_after_a_pause_the_rate_restarts_at_half_and_grows_back(lanes: Lanes, clock: Clock):
    limits = Limits(rate=100, burst=5)
    lanes.schedule(LANE, dict.fromkeys(_ids(30_000), 0.0))
    lanes.pause(LANE, limits, 1)
    clock.now += 1

    per_second = []
    for _ in range(round(RECOVERY_S)):
        count = 0
        for _ in range(100):
            clock.now += 0.01
            count += len(_claim(lanes, limits, lease_s=10_000))
        per_second.append(count)

    assert 45 <= per_second[0] <= 57
    assert 70 <= per_second[15] <= 82
    assert 97 <= per_second[-1] <= 103


def test_refusals_of_one_moment_halve_the_rate_once(lanes: Lanes, clock: Clock):
    for _ in range(10):
        lanes.pause(LANE, Limits(rate=100, burst=1), 1)
    assert lanes.view(LANE)["slow_rate"] == 50

    clock.now += 1.0
    lanes.pause(LANE, Limits(rate=100, burst=1), 1)
    assert lanes.view(LANE)["slow_rate"] == pytest.approx(25, rel=0.02)


def test_each_refusal_halves_the_rate_down_to_a_twentieth_and_it_grows_back(lanes: Lanes, clock: Clock):
    limits = Limits(rate=100, burst=1)
    rates = []
    for _ in range(8):
        lanes.pause(LANE, limits, 1)
        rates.append(lanes.view(LANE)["slow_rate"])
        clock.now += 1.0

    assert rates == [pytest.approx(rate, abs=0.1) for rate in (50, 25, 12.5, 6.25, 5, 5, 5, 5)]
    clock.now += 0.94 * RECOVERY_S
    _claim(lanes, limits)
    assert lanes.view(LANE)["slow_rate"] is not None
    clock.now += 0.02 * RECOVERY_S
    _claim(lanes, limits)
    assert lanes.view(LANE)["slow_rate"] is None


def test_a_pause_in_which_nothing_was_refused_leaves_the_rate_as_it_is(lanes: Lanes, clock: Clock):
    lanes.schedule(LANE, dict.fromkeys(_ids(50), 0.0))
    lanes.pause(LANE, Limits(rate=100, burst=1), 0.02, "no calls left", refused=False)

    assert lanes.view(LANE)["slow_rate"] is None
    clock.now += 0.019
    assert _claim(lanes) == []
    clock.now += 0.002
    assert _claim(lanes) != []


def _paused_s(lanes: Lanes, clock: Clock) -> float:
    return float(lanes._redis.hget(LANE.key("bucket"), "paused_until")) / 1e6 - clock.now


def test_calls_under_way_that_tell_of_one_reset_pause_once(lanes: Lanes, clock: Clock):
    limits = Limits(rate=100, burst=1)
    lanes.pause(LANE, limits, 1.0, refused=False)
    for _ in range(9):
        clock.now += 0.1
        lanes.pause(LANE, limits, 1.0, refused=False)
    assert _paused_s(lanes, clock) == pytest.approx(0.1, abs=1e-3)

    lanes.pause(LANE, limits, 40.0, refused=False)
    assert _paused_s(lanes, clock) == pytest.approx(40, abs=1e-3), "another quota is used up"
    lanes.pause(LANE, limits, 2.0, refused=False)
    assert _paused_s(lanes, clock) == pytest.approx(40, abs=1e-3)


def test_a_refusal_halves_the_rate_also_while_the_lane_waits_for_its_quota(lanes: Lanes, clock: Clock):
    limits = Limits(rate=100, burst=1)
    lanes.pause(LANE, limits, 5.0, refused=False)
    lanes.pause(LANE, limits, 2.0)
    lanes.pause(LANE, limits, 2.0)
    assert (lanes.view(LANE)["slow_rate"], _paused_s(lanes, clock)) == (50, pytest.approx(5, abs=1e-3))

    lanes.pause(LANE, limits, 9.0, refused=False)
    assert (lanes.view(LANE)["slow_rate"], _paused_s(lanes, clock)) == (50, pytest.approx(9, abs=1e-3))


def test_a_clock_that_steps_back_stops_nothing_for_long(lanes: Lanes, clock: Clock):
    limits = Limits(rate=10, burst=1)
    lanes.schedule(LANE, dict.fromkeys(_ids(50), 0.0))
    _claim(lanes, limits)
    clock.now -= 3600
    lanes.schedule(LANE, dict.fromkeys(_ids(50), 0.0))

    assert len(_claim(lanes, limits)) == 1


def test_no_more_generations_are_handed_out_than_may_be_in_flight(lanes: Lanes, clock: Clock):
    limits = Limits(rate=1000, burst=1000, max_in_flight=3)
    ids = _ids(10)
    lanes.schedule(LANE, dict.fromkeys(ids, 0.0))

    taken = _claim(lanes, limits)
    assert len(taken) == 3
    lanes.settle(LANE, taken)
    lanes.hold(LANE, dict.fromkeys(taken, 600.0))
    assert _claim(lanes, limits) == []

    lanes.release(LANE, taken[:1])
    assert len(_claim(lanes, limits)) == 1
    clock.now += 601
    assert len(_claim(lanes, limits)) == 3


def test_an_id_handed_out_again_keeps_its_place_for_as_long_as_it_was_held(lanes: Lanes, clock: Clock):
    limits = Limits(rate=1000, burst=1000, max_in_flight=2)
    (id,) = _ids(1)
    lanes.hold(LANE, {id: 600.0})
    lanes.schedule(LANE, {id: 0.0})

    assert _claim(lanes, limits, lease_s=30) == [id]
    clock.now += 100
    assert lanes.view(LANE)["in_flight"] == 1


def test_lanes_keep_out_of_each_others_way(lanes: Lanes):
    (id,) = _ids(1)
    lanes.schedule(Lane("acme", "submit"), {id: 0.0})

    assert _claim(lanes) == []
    assert lanes.claim(Lane("acme", "submit"), WIDE, want=1, lease_s=1).ids == [id]


def test_the_view_tells_what_waits_and_what_is_paused(lanes: Lanes):
    lanes.schedule(LANE, {_ids(2)[0]: 0.0, _ids(2)[1]: 60.0})
    lanes.pause(LANE, WIDE, 10)

    view = lanes.view(LANE)

    assert (view["waiting"], view["due"], view["paused_s"]) == (2, 1, pytest.approx(10, abs=0.1))


def test_the_redis_clock_is_known_without_asking_again(lanes: Lanes, clock: Clock):
    lanes.claim(LANE, WIDE, want=1, lease_s=1)

    assert lanes.now_us() == pytest.approx(clock.now * 1e6, abs=1e6)


@pytest.mark.parametrize(
    "call",
    [
        lambda lanes: lanes.enqueue(LANE, [uuid.uuid4()], Flow("alice")),
        lambda lanes: lanes.withdraw(LANE, [uuid.uuid4()], Flow("alice")),
        lambda lanes: lanes.schedule(LANE, {uuid.uuid4(): 0.0}),
        lambda lanes: lanes.hurry(LANE, WIDE, uuid.uuid4()),
        lambda lanes: lanes.claim(LANE, WIDE, want=1, lease_s=1),
        lambda lanes: lanes.settle(LANE, [uuid.uuid4()]),
        lambda lanes: lanes.moments(LANE, [uuid.uuid4()]),
        lambda lanes: lanes.leave(LANE, {uuid.uuid4(): 1.0}),
        lambda lanes: lanes.hold(LANE, {uuid.uuid4(): 1.0}),
        lambda lanes: lanes.release(LANE, [uuid.uuid4()]),
        lambda lanes: lanes.pause(LANE, WIDE, 1),
        lambda lanes: lanes.loads(["acme"]),
        lambda lanes: lanes.view(LANE),
        lambda lanes: lanes.size(LANE),
    ],
)
def test_a_redis_that_does_not_answer_is_said_to_be_unavailable(call: Callable[[Lanes], object]):
    nobody = Lanes(redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1, retry=None))

    with pytest.raises(LanesUnavailable):
        call(nobody)


def test_an_id_that_never_comes_back_is_handed_out_ever_more_rarely(lanes: Lanes, clock: Clock):
    poison, healthy = _ids(2)
    lanes.schedule(LANE, {poison: 0.0})
    leases = []
    for _ in range(8):
        assert _claim(lanes) == [poison]
        leases.append(lanes._redis.zscore(LANE.key("due"), poison.hex) / 1e6 - clock.now)
        clock.now += leases[-1]

    assert leases == sorted(leases)
    assert leases[2] <= 60
    assert leases[-1] > 400
    assert lanes.view(LANE)["never_back"] == 1
    lanes.schedule(LANE, {poison: 60.0, healthy: 0.0})
    assert lanes.view(LANE)["never_back"] == 0, "it came back"


def test_what_is_settled_leaves_nothing_behind(lanes: Lanes):
    (id,) = _ids(1)
    lanes.schedule(LANE, {id: 0.0})
    _claim(lanes)
    lanes.settle(LANE, [id])

    assert [key for key in lanes._redis.scan_iter() if not key.endswith(b"bucket")] == []


def test_a_redis_clock_that_steps_back_makes_nothing_wait_longer_than_it_must(lanes: Lanes, clock: Clock):
    ids = _ids(20)
    lanes.schedule(LANE, dict.fromkeys(ids, 0.0))
    assert len(_claim(lanes, Limits(rate=10, burst=5))) == 5

    clock.now -= 300
    lanes.schedule(LANE, dict.fromkeys(ids, 0.0))

    assert _claim(lanes, Limits(rate=10, burst=5)), "the bucket does not wait five minutes"


def test_an_id_that_did_not_come_back_is_handed_out_alone_with_a_token_of_its_own(lanes: Lanes, clock: Clock):
    ids, batched = _ids(6), Limits(rate=1, burst=3, batch=20)
    lanes.schedule(LANE, dict.fromkeys(ids, 0.0))
    assert len(_claim(lanes, batched, lease_s=10)) == 6
    lanes.schedule(LANE, dict.fromkeys(ids[2:], 10.0))
    clock.now += 20

    claim = lanes.claim(LANE, batched, want=100, lease_s=10)

    assert claim.alone == 2
    assert set(claim.ids[:2]) == set(ids[:2])
    assert set(claim.ids) == set(ids), "three tokens: two of them alone, the others together"
    assert _claim(lanes, batched) == []


def test_a_reserved_token_is_waited_for_and_keeps_the_pace_of_the_bucket(lanes: Lanes, clock: Clock):
    lane, limits = Lane("a", "status"), Limits(rate=10, burst=1)

    waits = [lanes.reserve(lane, limits, longest_s=0.25) for _ in range(4)]

    assert waits == [pytest.approx(0), pytest.approx(0.1), pytest.approx(0.2), None]
    lanes.schedule(lane, {uuid.uuid4(): 0})
    assert lanes.claim(lane, limits, want=1, lease_s=1).ids == []


def test_no_token_is_reserved_while_the_lane_is_paused(lanes: Lanes, clock: Clock):
    lane, limits = Lane("a", "status"), Limits(rate=10, burst=1)
    lanes.pause(lane, limits, 2.0)

    assert lanes.reserve(lane, limits, longest_s=10) is None


def test_a_load_is_what_waits_for_its_paid_call_or_is_looked_at_within_minutes(lanes: Lanes):
    submit, status = both_lanes("acme")
    lanes.enqueue(submit, _ids(3), Flow("alice"))
    lanes.schedule(status, dict.fromkeys(_ids(2, start=10), 120.0))
    lanes.schedule(status, dict.fromkeys(_ids(6, start=20), 1800.0))

    assert lanes.loads(["acme"])["acme"].backlog == 5
