"""What somebody asks to have looked at: a share of a status lane, never all of it."""

import uuid
from itertools import cycle, islice

import pytest

from tests.unit.fake_lanes import WIDE, Clock, ids
from vidpoll.lanes import HURRY_BURST, HURRY_SHARE, PAUSE_FLOOR_S, Lane, Lanes, Limits

LANE = Lane("acme", "status")
TEN = Limits(rate=10, burst=1)


def _next(lanes: Lanes, want: int = 1) -> list[uuid.UUID]:
    return lanes.claim(LANE, WIDE, want=want, lease_s=30).ids


def _overdue(lanes: Lanes, clock: Clock, count: int) -> list[uuid.UUID]:
    """Ids that are due, and have been for an hour."""
    overdue = ids(count)
    lanes.schedule(LANE, dict.fromkeys(overdue, 0.0))
    clock.now += 3600
    return overdue


def test_an_id_somebody_asks_for_is_granted_next_though_a_thousand_are_overdue(lanes: Lanes, clock: Clock):
    *overdue, asked_for = _overdue(lanes, clock, 1001)
    lanes.schedule(LANE, {asked_for: 60.0})

    lanes.hurry(LANE, TEN, asked_for)

    assert _next(lanes) == [asked_for]
    assert set(_next(lanes, want=900)) <= set(overdue)


def test_what_is_urgent_stays_in_front_of_what_is_hurried(lanes: Lanes, clock: Clock):
    _overdue(lanes, clock, 10)
    hurried, urgent = ids(2, start=100)
    lanes.hurry(LANE, TEN, hurried)
    lanes.schedule(LANE, {urgent: 0.0}, urgent=True)

    assert _next(lanes, want=2) == [urgent, hurried]


@pytest.mark.parametrize("batch", [1, 20])
def test_somebody_who_asks_all_the_time_leaves_the_others_their_looks(lanes: Lanes, clock: Clock, batch: int):
    limits = Limits(rate=10, burst=2, batch=batch)
    ordinary, asked_for = set(_overdue(lanes, clock, 500 * batch)), cycle(ids(100, start=100_000))
    taken = []
    for _ in range(300):
        clock.now += 0.1
        for id in islice(asked_for, 10):
            lanes.hurry(LANE, limits, id)
        looked_at = lanes.claim(LANE, limits, want=100, lease_s=30).ids
        lanes.schedule(LANE, dict.fromkeys(looked_at, 600.0))
        taken += looked_at

    share = sum(id in ordinary for id in taken) / len(taken)
    assert len(taken) >= 299 * batch
    assert 0.85 <= share <= 1 - HURRY_SHARE * 0.9


def test_past_its_share_an_id_is_due_now_behind_what_is_overdue(lanes: Lanes, clock: Clock):
    overdue = _overdue(lanes, clock, 10)
    asked_for = ids(HURRY_BURST + 1, start=100)
    lanes.schedule(LANE, dict.fromkeys(asked_for, 60.0))
    for id in asked_for:
        lanes.hurry(LANE, TEN, id)

    assert set(_next(lanes, want=HURRY_BURST)) == set(asked_for[:-1])
    assert set(_next(lanes, want=10)) == set(overdue)
    assert _next(lanes) == asked_for[-1:]


def test_no_id_becomes_later_by_being_asked_for(lanes: Lanes, clock: Clock):
    first, *others = ids(20)
    lanes.schedule(LANE, {first: 0.0})
    clock.now += 1
    lanes.schedule(LANE, dict.fromkeys(others, 0.0))
    clock.now += 1
    for id in ids(HURRY_BURST, start=100):
        lanes.hurry(LANE, TEN, id)

    lanes.hurry(LANE, TEN, first)

    assert _next(lanes, want=HURRY_BURST + 1)[-1] == first


def test_asking_again_for_the_same_costs_nothing_of_the_share(lanes: Lanes, clock: Clock):
    _overdue(lanes, clock, 10)
    one, other = ids(2, start=100)
    for _ in range(50):
        lanes.hurry(LANE, TEN, one)
    lanes.hurry(LANE, TEN, other)

    assert _next(lanes, want=2) == [one, other]


def test_what_is_being_looked_at_is_not_handed_out_again_for_being_asked_for(lanes: Lanes):
    (id,) = ids(1)
    lanes.schedule(LANE, {id: 0.0})
    assert _next(lanes) == [id]

    lanes.hurry(LANE, TEN, id)

    assert _next(lanes) == []


def test_of_a_slowed_lane_no_more_than_a_share_is_taken(lanes: Lanes, clock: Clock):
    hundred = Limits(rate=100, burst=10)
    _overdue(lanes, clock, 10)
    for _ in range(8):
        lanes.pause(LANE, hundred, 1)
        clock.now += 1
    *asked_for, late = ids(HURRY_BURST + 1, start=100)
    for id in asked_for:
        lanes.hurry(LANE, hundred, id)
    clock.now += 0.5

    lanes.hurry(LANE, hundred, late)

    assert late not in _next(lanes, want=HURRY_BURST + 1), "half a second is enough at the whole rate only"


def test_while_a_lane_is_paused_nothing_overtakes(lanes: Lanes, clock: Clock):
    overdue = _overdue(lanes, clock, 2)
    lanes.pause(LANE, TEN, PAUSE_FLOOR_S)
    lanes.hurry(LANE, TEN, ids(1, start=100)[0])
    clock.now += PAUSE_FLOOR_S

    assert set(_next(lanes, want=2)) == set(overdue)
