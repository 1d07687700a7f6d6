"""A call that takes several ids, and is made anyway, takes along those that are nearly due."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.unit.fake_lanes import Clock, ids
from vidpoll.lanes import REST_S, Lane, Lanes, Limits

LANE = Lane("acme", "status")
AHEAD = Limits(rate=10, burst=2, batch=20, ahead_s=2.0)


def _claim(lanes: Lanes, limits: Limits = AHEAD, want: int = 100) -> list[int]:
    return [id.int for id in lanes.claim(LANE, limits, want=want, lease_s=30).ids]


@pytest.mark.parametrize(("limits", "calls"), [(AHEAD, range(5, 6)), (replace(AHEAD, ahead_s=0), range(10, 14))])
def test_a_hundred_that_are_due_within_a_second_leave_in_full_calls(
    lanes: Lanes, clock: Clock, limits: Limits, calls: range
):
    lanes.schedule(LANE, {id: id.int / 100 + 0.0001 for id in ids(100)})
    made = []
    for _ in range(110):
        clock.now += 0.01
        made.append(len(_claim(lanes, limits)))

    assert sum(made) == 100
    assert len([size for size in made if size]) in calls


def test_the_earliest_fill_up_the_last_call(lanes: Lanes):
    lanes.schedule(LANE, {id: 0.0 if id.int < 23 else (100 - id.int) / 60 for id in ids(100)})

    taken = _claim(lanes)

    assert set(taken[:23]) == set(range(23))
    assert taken[23:] == list(range(99, 82, -1)), "two calls, of twenty each"


def test_nothing_leaves_before_its_time_when_nothing_is_due(lanes: Lanes):
    lanes.schedule(LANE, dict.fromkeys(ids(5), 0.5))

    assert _claim(lanes) == []


def test_what_is_due_later_than_the_window_waits(lanes: Lanes):
    due, near, far = ids(3)
    lanes.schedule(LANE, {due: 0.0, near: 1.9, far: 2.1})

    assert _claim(lanes) == [due.int, near.int]


def test_filling_up_costs_no_token(lanes: Lanes):
    lanes.schedule(LANE, {id: id.int / 10 for id in ids(20)})
    assert len(_claim(lanes)) == 20

    lanes.schedule(LANE, dict.fromkeys(ids(40), 0.0))
    assert len(_claim(lanes)) == 20, "one of two tokens is left"


@pytest.mark.parametrize("want", [0, 1, 3, 20, 21])
def test_no_more_leave_than_are_wanted(lanes: Lanes, want: int):
    lanes.schedule(LANE, {id: 0.0 if id.int < 2 else 1.0 for id in ids(60)})

    assert len(_claim(lanes, want=want)) == min(want, 20)


def test_nobody_is_looked_at_twice_within_a_second(lanes: Lanes, clock: Clock):
    lanes.schedule(LANE, {id: id.int * 0.05 for id in ids(10)})
    looks: dict[int, list[float]] = {}
    for round in range(800):
        clock.now += 0.02
        if round % 15 == 0:  # a call is made, that has room for nearly everybody
            lanes.schedule(LANE, dict.fromkeys(ids(1, start=1000 + round), 0.0))
        taken = [number for number in _claim(lanes) if number < 1000]
        for number in taken:
            looks.setdefault(number, []).append(clock.now)
        lanes.schedule(LANE, {id: 1.0 + id.int % 3 / 2 for id in ids(10) if id.int in taken})

    apart = [later - sooner for times in looks.values() for sooner, later in pairwise(times)]
    assert len(apart) > 80
    assert min(apart) >= REST_S - 0.001


def test_what_is_being_looked_at_is_not_taken_along(lanes: Lanes, clock: Clock):
    lost, due = ids(2)
    lanes.schedule(LANE, {lost: 0.0})
    assert lanes.claim(LANE, AHEAD, want=9, lease_s=3.5).ids == [lost]
    clock.now += 2
    lanes.schedule(LANE, {due: 0.0})

    assert _claim(lanes) == [due.int]


def test_one_that_did_not_come_back_leaves_the_others_their_call(lanes: Lanes, clock: Clock):
    lost = ids(3)
    lanes.schedule(LANE, dict.fromkeys(lost, 0.0))
    _claim(lanes)
    clock.now += 100
    lanes.schedule(LANE, {id: (id.int - 3) / 100 for id in ids(20, start=3)})

    claim = lanes.claim(LANE, Limits(rate=1, burst=3, batch=20, ahead_s=2), want=100, lease_s=30)

    assert (claim.alone, len(claim.ids)) == (3, 3), "three tokens for the suspects, none for a call to fill up"
    clock.now += 1
    claim = lanes.claim(LANE, Limits(rate=1, burst=3, batch=20, ahead_s=2), want=100, lease_s=30)
    assert (claim.alone, len(claim.ids)) == (0, 20)
