"""Who leaves a submit lane next: start-time fair queueing between flows."""

import random
import uuid
from collections import Counter
from fractions import Fraction
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.fake_lanes import WIDE, Clock, fresh, ids
from vidpoll.lanes import Flow, Lane, Lanes, Limits

LANE = Lane("acme", "submit")
ALICE, BOB = Flow("alice"), Flow("bob")

flows = st.lists(
    st.builds(Flow, st.sampled_from(["alice", "bob", "carol", "dora"]), st.integers(0, 9)),
    min_size=2, max_size=6, unique=True,
)  # fmt: skip


def _next(lanes: Lanes, want: int = 1) -> list[uuid.UUID]:
    """Hand out the next ones, and settle them, as the paid call does."""
    taken = lanes.claim(LANE, WIDE, want=want, lease_s=30).ids
    lanes.settle(LANE, taken)
    return taken


def _random_ids(count: int, dice: random.Random) -> list[uuid.UUID]:
    return [uuid.UUID(int=dice.getrandbits(128)) for _ in range(count)]


@pytest.fixture(autouse=True)
def standing_clock(clock: Clock) -> None:
    """Turns do not depend on time."""


@settings(max_examples=60, deadline=None)
@given(flows=flows, seed=st.integers(0, 10**6), late=st.integers(0, 20))
def test_flows_that_wait_leave_in_proportion_to_their_weights_within_one_request(
    flows: list[Flow], seed: int, late: int
):
    """The bound of the paper: what two of them got, each divided by its weight, differs by one request of each."""
    lanes, dice, taken = fresh(), random.Random(seed), Counter[Flow]()
    backlog = {flow: _random_ids(40, dice) for flow in flows}
    flow_of = {id: flow for flow, theirs in backlog.items() for id in theirs}
    *first, last = flows
    for flow in first:
        lanes.enqueue(LANE, backlog[flow], flow)
    for _ in range(late):
        backlog[flow_of[_next(lanes)[0]]].pop()
    lanes.enqueue(LANE, backlog[last], last)

    while all(taken[flow] < len(theirs) for flow, theirs in backlog.items()):
        taken[flow_of[_next(lanes)[0]]] += 1
        for one, other in combinations(flows, 2):
            apart = abs(Fraction(taken[one], one.weight) - Fraction(taken[other], other.weight))
            assert apart <= Fraction(1, one.weight) + Fraction(1, other.weight), taken


@settings(max_examples=40, deadline=None)
@given(flows=flows, seed=st.integers(0, 10**6), before=st.integers(0, 60))
def test_a_newcomers_request_leaves_after_at_most_one_request_of_each_flow_that_waits(
    flows: list[Flow], seed: int, before: int
):
    lanes, dice = fresh(), random.Random(seed)
    for flow in flows:
        lanes.enqueue(LANE, _random_ids(40, dice), flow)
    for _ in range(min(before, 35)):
        _next(lanes)
    (newcomer,) = _random_ids(1, dice)
    lanes.enqueue(LANE, [newcomer], Flow("newcomer"))

    assert newcomer in _next(lanes, want=len(flows) + 1)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["enqueue", "withdraw", "claim"]), st.integers(0, 3), st.integers(0, 29)),
        max_size=60,
    )
)
def test_whatever_is_put_in_and_taken_out_each_id_leaves_once_and_nothing_stays(steps: list[tuple[str, int, int]]):
    lanes, left = fresh(), []
    flows = [Flow("alice"), Flow("alice", 9), Flow("bob"), Flow("carol", 4)]
    waiting: set[uuid.UUID] = set()
    for verb, flow, number in steps:
        id = uuid.UUID(int=number * 4 + flow)
        if verb == "enqueue":
            assert lanes.enqueue(LANE, [id], flows[flow]) == (id not in waiting)
            waiting.add(id)
        elif verb == "withdraw":
            lanes.withdraw(LANE, [id], flows[flow])
            waiting.discard(id)
        else:
            left = _next(lanes, want=1 + number % 3)
            assert len(left) == len(set(left))
            assert set(left) <= waiting
            waiting -= set(left)
        assert lanes.size(LANE) == len(waiting)
        assert lanes.view(LANE)["due"] == len(waiting)
    assert set(_next(lanes, want=100)) == waiting
    assert [key for key in lanes._redis.scan_iter() if not key.endswith(b"bucket")] == []


def test_one_owners_requests_leave_in_the_order_they_came(lanes: Lanes):
    mine = _random_ids(30, random.Random(7))
    lanes.enqueue(LANE, mine[:10], ALICE)
    lanes.enqueue(LANE, mine[10:], ALICE)

    assert _next(lanes, want=30) == mine


@pytest.mark.parametrize("backwards", [False, True])
def test_flows_that_begin_leave_in_the_order_they_came_whatever_their_ids(lanes: Lanes, backwards: bool):
    came = sorted(_random_ids(30, random.Random(7)), reverse=backwards)
    for number, id in enumerate(came):
        lanes.enqueue(LANE, [id], Flow(f"owner {number}", priority=number % 10))

    assert _next(lanes, want=30) == came


def test_nobody_waits_for_those_who_came_later_while_new_owners_never_stop_coming(lanes: Lanes):
    """A hundred wait, for one who leaves another comes: each waits for the hundred before it, whatever its id."""
    dice, came = random.Random(7), []

    def arrive(id: uuid.UUID) -> None:
        came.append(id)
        lanes.enqueue(LANE, [id], Flow(f"owner {len(came)}"))

    for id in [uuid.UUID(int=2**128 - 1), *_random_ids(98, dice), uuid.UUID(int=0)]:
        arrive(id)
    left = []
    for id in _random_ids(400, dice):
        left += _next(lanes)
        arrive(id)

    assert left == came[:400]


@pytest.mark.parametrize("priority", [0, 9])
def test_who_has_many_waiting_is_not_starved_by_owners_of_one(lanes: Lanes, priority: int):
    many, mine, turns = Flow("alice", priority), ids(4), []
    lanes.enqueue(LANE, mine, many)
    dice = random.Random(7)
    for newcomer in range(1000):
        lanes.enqueue(LANE, _random_ids(1, dice), Flow(f"owner {newcomer}"))
        if newcomer >= 100:
            turns += [newcomer] * (_next(lanes)[0] in mine)

    assert len(turns) == 4
    assert max(after - before for before, after in pairwise(turns)) <= 252 // many.weight + 3


def test_a_newcomer_waits_for_one_of_a_large_flow_also_behind_other_newcomers(lanes: Lanes):
    lanes.enqueue(LANE, ids(500), Flow("alice", 9))
    came = _random_ids(24, random.Random(7))
    for newcomer, id in enumerate(came):
        lanes.enqueue(LANE, [id], Flow(f"owner {newcomer}"))

    assert came[-1] in _next(lanes, want=25)


def test_an_urgent_request_overtakes_its_owners_own(lanes: Lanes):
    lanes.enqueue(LANE, ids(50), ALICE)
    _next(lanes, want=20)
    (urgent,) = ids(1, start=99)
    lanes.enqueue(LANE, [urgent], Flow("alice", priority=9))

    assert urgent in _next(lanes, want=2)


def test_who_waited_for_nothing_is_owed_nothing(lanes: Lanes):
    flow_of = dict.fromkeys(ids(100), ALICE) | dict.fromkeys(ids(100, start=100), BOB)
    lanes.enqueue(LANE, ids(100), ALICE)
    _next(lanes, want=40)
    lanes.enqueue(LANE, ids(100, start=100), BOB)

    assert Counter(flow_of[id] for id in _next(lanes, want=60)) == {ALICE: 30, BOB: 30}


def test_what_is_put_in_twice_costs_its_flow_one_turn(lanes: Lanes):
    for _ in range(20):
        lanes.enqueue(LANE, ids(3), ALICE)
    lanes.enqueue(LANE, ids(3, start=10), BOB)

    assert len(set(_next(lanes, want=4)) & set(ids(3))) == 2


def test_what_was_withdrawn_costs_its_owner_nothing(lanes: Lanes):
    lanes.enqueue(LANE, ids(50, start=1000), BOB)
    lanes.enqueue(LANE, ids(500), ALICE)
    lanes.withdraw(LANE, ids(500), ALICE)
    (anew,) = ids(1, start=999)
    lanes.enqueue(LANE, [anew], ALICE)

    assert anew in _next(lanes, want=2)


def test_a_turn_that_was_taken_is_not_given_back(lanes: Lanes):
    lanes.enqueue(LANE, ids(10), ALICE)
    lanes.enqueue(LANE, ids(10, start=10), BOB)
    taken = lanes.claim(LANE, WIDE, want=8, lease_s=30).ids
    lanes.withdraw(LANE, [id for id in taken if id in ids(10)], ALICE)
    lanes.enqueue(LANE, ids(10, start=20), ALICE)

    assert len(set(_next(lanes, want=12)) & set(ids(10, start=10))) == 6, "the rest of the old ones, six each"


def test_what_had_its_turn_comes_before_those_that_wait_for_theirs(lanes: Lanes, clock: Clock):
    lanes.enqueue(LANE, ids(10), ALICE)
    given_back, again = _next(lanes, want=2)
    lanes.schedule(LANE, {again: 5.0, given_back: 0.0})

    assert _next(lanes) == [given_back]
    assert _next(lanes) == ids(1, start=2)
    clock.now += 5
    assert _next(lanes) == [again]


def test_a_full_account_makes_everybody_wait_and_nobody_twice(lanes: Lanes):
    limits = Limits(rate=1000, burst=1000, max_in_flight=2)
    flow_of = dict.fromkeys(ids(20), ALICE) | dict.fromkeys(ids(3, start=100), BOB)
    lanes.enqueue(LANE, ids(20), ALICE)
    lanes.enqueue(LANE, ids(3, start=100), BOB)

    turns = []
    for waiting in range(23, 17, -2):
        assert lanes.size(LANE) == waiting
        taken = lanes.claim(LANE, limits, want=10, lease_s=30).ids
        lanes.settle(LANE, taken)
        lanes.hold(LANE, dict.fromkeys(taken, 600.0))
        assert lanes.claim(LANE, limits, want=10, lease_s=30).ids == []
        lanes.release(LANE, taken)
        turns.append({flow_of[id] for id in taken})

    assert turns == [{ALICE, BOB}] * 3


def test_a_lane_remembers_no_more_flows_than_wait(lanes: Lanes):
    for number in range(300):
        lanes.enqueue(LANE, ids(1, start=number), Flow(f"owner {number}"))
    lanes.enqueue(LANE, ids(5, start=1000), ALICE)
    _next(lanes, want=302)

    assert lanes._redis.zcard(LANE.key("flows")) == 2, "alice and the virtual time"
    _next(lanes, want=10)
    assert not lanes._redis.exists(LANE.key("flows"))
