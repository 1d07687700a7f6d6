"""Lanes on a real Redis, claimed by several processes at once."""

import multiprocessing
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import redis

from vidpoll import lanes as lanes_module
from vidpoll.controls import Control, Pause
from vidpoll.errors import LanesUnavailable
from vidpoll.lanes import Flow, Lane, Lanes, Limits

LANE = Lane("acme", "status")


def _claim_until_empty(redis_url: str, limits: Limits, seconds: float) -> list[tuple[int, str]]:
    lanes = Lanes(redis.Redis.from_url(redis_url))
    give_up_at, taken = time.monotonic() + seconds, []
    while time.monotonic() < give_up_at:
        claim = lanes.claim(LANE, limits, want=7, lease_s=600)
        taken += [(claim.granted_at_us, id.hex) for id in claim.ids]
        if not claim.ids:
            time.sleep(0.002)
    return taken


def _together(redis_url: str, limits: Limits, seconds: float) -> list[tuple[int, str]]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        parts = pool.starmap(_claim_until_empty, [(redis_url, limits, seconds)] * 3)
    return sorted(grant for part in parts for grant in part)


def test_no_id_is_handed_to_two_processes(redis_url: str, redis_client: "redis.Redis"):
    ids = [uuid.uuid4() for _ in range(3000)]
    Lanes(redis_client).schedule(LANE, dict.fromkeys(ids, 0.0))

    taken = [id for _, id in _together(redis_url, Limits(rate=1e6, burst=10_000), 3)]

    assert sorted(taken) == sorted(id.hex for id in ids)


def test_all_processes_together_keep_to_one_rate(redis_url: str, redis_client: "redis.Redis"):
    Lanes(redis_client).schedule(LANE, {uuid.uuid4(): 0.0 for _ in range(3000)})
    limits = Limits(rate=50, burst=5)

    times = [at / 1e6 for at, _ in _together(redis_url, limits, 4)]

    assert len(times) > 50
    for place, begin in enumerate(times):
        within = sum(begin <= at < begin + 1 for at in times[place:])
        assert within <= limits.rate + limits.burst


def test_a_waiting_generation_costs_at_most_200_bytes_of_redis(redis_client: "redis.Redis"):
    lanes, count = Lanes(redis_client), 20_000
    lanes.schedule(LANE, {uuid.uuid4(): 0.0})
    before = redis_client.info("memory")["used_memory"]

    lanes.schedule(LANE, {uuid.uuid4(): 3600.0 for _ in range(count)})

    assert (redis_client.info("memory")["used_memory"] - before) / count <= 200


def test_a_redis_that_lost_its_scripts_is_given_them_again(redis_client: "redis.Redis", make_request: Callable):
    lanes = Lanes(redis_client)
    id = uuid.uuid4()
    lanes.schedule(LANE, {id: 0.0})

    redis_client.script_flush()

    assert lanes.claim(LANE, Limits(10, 1), want=1, lease_s=1).ids == [id]


def test_a_request_waits_for_one_of_fifty_thousand_of_another_owner(redis_client: "redis.Redis"):
    lanes, lane = Lanes(redis_client), Lane("acme", "submit")
    lanes.enqueue(lane, [uuid.uuid4() for _ in range(50_000)], Flow("alice"))
    lanes.claim(lane, Limits(1e6, 1000), want=700, lease_s=600)
    bobs = uuid.uuid4()
    lanes.enqueue(lane, [bobs], Flow("bob"))

    assert bobs in lanes.claim(lane, Limits(1e6, 1000), want=2, lease_s=600).ids


def test_fifty_thousand_cancelled_requests_do_not_punish_their_owner(redis_client: "redis.Redis"):
    lanes, lane, cancelled = Lanes(redis_client), Lane("acme", "submit"), [uuid.uuid4() for _ in range(50_000)]
    lanes.enqueue(lane, cancelled, Flow("alice"))
    lanes.enqueue(lane, [uuid.uuid4() for _ in range(100)], Flow("bob"))
    lanes.withdraw(lane, cancelled, Flow("alice"))
    again = uuid.uuid4()
    lanes.enqueue(lane, [again], Flow("alice"))

    assert again in lanes.claim(lane, Limits(1e6, 1000), want=2, lease_s=600).ids


def test_a_request_that_waits_for_its_turn_costs_at_most_200_bytes_of_redis(redis_client: "redis.Redis"):
    lanes, lane, owners = Lanes(redis_client), Lane("acme", "submit"), 2000
    lanes.enqueue(lane, [uuid.uuid4()], Flow("warm"))
    before = redis_client.info("memory")["used_memory"]

    for owner in range(owners):
        lanes.enqueue(lane, [uuid.uuid4() for _ in range(10)], Flow(f"an owner with a long name, {owner}"))

    assert (redis_client.info("memory")["used_memory"] - before) / owners / 10 <= 200


@pytest.fixture
def unconfirmed(redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> Lanes:
    """Lanes that want a replica, on a Redis that has none."""
    monkeypatch.setattr(lanes_module, "REPLICAS_TIMEOUT_S", 0.01)
    return Lanes(redis_client, replicas=1)


def test_what_no_replica_confirmed_is_due_at_once_and_suspected_of_nothing(
    unconfirmed: Lanes, redis_client: "redis.Redis"
):
    limits, ids = Limits(rate=1e6, burst=10_000, batch=10), [uuid.uuid4() for _ in range(3)]
    unconfirmed.schedule(LANE, {ids[0]: 0.0})
    unconfirmed.enqueue(LANE, ids[1:], Flow("ann", 0))

    for _ in range(6):
        with pytest.raises(LanesUnavailable, match="0 replicas have what was written, 1 must"):
            unconfirmed.claim(LANE, limits, want=9, lease_s=600)

    claim = Lanes(redis_client).claim(LANE, limits, want=9, lease_s=600)
    assert (set(claim.ids), claim.alone) == (set(ids), 0)


def test_a_pause_and_a_decision_are_told_only_once_a_replica_has_them(unconfirmed: Lanes):
    stop = Control(*LANE, 1, pause=Pause("the bill", "ann", datetime.now(UTC)))

    for _ in range(2):
        with pytest.raises(LanesUnavailable, match="replicas"):
            unconfirmed.control(LANE, Limits(10, 1), stop)
        with pytest.raises(LanesUnavailable, match="replicas"):
            unconfirmed.pause(LANE, Limits(10, 1), 60)
