"""Lanes on a real Redis, claimed by several processes at once."""

import multiprocessing
import time
import uuid
from collections.abc import Callable

import redis

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
