"""Health is progress: what stands still is told, whatever processes exist."""

import json
from collections.abc import Callable
from dataclasses import replace

import redis

from tests.integration.driver import Driver
from vidpoll import health
from vidpoll.generation import GenerationRequest
from vidpoll.heartbeats import Heartbeats
from vidpoll.lanes import Lane, Lanes
from vidpoll.services import Services
from vidpoll.simulator import World
from vidpoll.store import Store, connect

Make = Callable[..., GenerationRequest]


def states(services: Services, redis_url: str, worker: str | None = None) -> dict[str, str]:
    return {one.name: one.state for one in health.look(services, redis_url, worker=worker)}


def words(services: Services, redis_url: str) -> str:
    return "\n".join(one.words for one in health.look(services, redis_url))


def test_a_worker_that_gets_on_is_well(services: Services, redis_url: str):
    services.heartbeats.beat("worker@a", finished=7, idle_s=1, queues=["check", "submit"])
    services.heartbeats.swept()

    assert set(states(services, redis_url).values()) == {"ok"}
    assert states(services, redis_url, "worker@a") == {"worker worker@a": "ok"}


def test_beat_is_judged_by_the_sweeps_it_asks_for(services: Services, redis_url: str, redis_client: "redis.Redis"):
    assert states(services, redis_url)["beat"] == "warning", "nobody knows yet"

    services.heartbeats.swept()
    assert states(services, redis_url)["beat"] == "ok"

    redis_client.set("vidpoll:swept", redis_client.time()[0] - 100)
    assert states(services, redis_url)["beat"] == "failing"
    assert "the last sweep was 10" in words(services, redis_url)


def test_no_worker_at_all_is_failing(services: Services, redis_url: str):
    assert states(services, redis_url)["workers"] == "failing"
    assert states(services, redis_url, "worker@a") == {"worker worker@a": "failing"}


def test_a_worker_that_takes_nothing_though_messages_wait_is_failing(
    services: Services, redis_url: str, redis_client: "redis.Redis"
):
    services.heartbeats.beat("worker@a", finished=7, idle_s=900, queues=["check", "submit"])
    assert states(services, redis_url)["worker worker@a"] == "ok", "there was nothing to do"

    redis_client.lpush("check", "a message")

    assert states(services, redis_url)["worker worker@a"] == "failing"
    services.heartbeats.beat("worker@b", finished=1, idle_s=0, queues=["check", "submit"])
    assert states(services, redis_url)["worker worker@a"] == "warning", "another one does the work"


def test_a_worker_that_fell_silent_is_failing_and_forgotten_after_a_while(
    services: Services, redis_url: str, redis_client: "redis.Redis"
):
    now = redis_client.time()[0]
    for name, silent_s in (("worker@a", 45), ("worker@gone", 3600)):
        said = json.dumps({"at": now - silent_s, "finished": 1, "idle_s": 0, "queues": ["check"]})
        redis_client.hset("vidpoll:workers", name, said)

    assert states(services, redis_url)["worker worker@a"] == "failing"
    assert "worker worker@gone" not in states(services, redis_url)
    assert len(redis_client.hkeys("vidpoll:workers")) == 2, "whoever looks changes nothing"
    services.heartbeats.forget()
    assert redis_client.hkeys("vidpoll:workers") == [b"worker@a"]


def test_looks_that_nobody_makes_are_failing(driver: Driver, make_request: Make, redis_url: str, world: World):
    world.durations.median_s = 600
    id = driver.submitted(make_request())
    driver.sql("UPDATE generations SET next_check_at = now() - interval '10 min' WHERE id = %s", id)
    driver.services.heartbeats.beat("worker@a", finished=7, idle_s=900, queues=["check", "submit"])
    assert states(driver.services, redis_url)["looks"] == "failing"

    driver.services.heartbeats.beat("worker@a", finished=8, idle_s=0, queues=["check", "submit"])
    assert states(driver.services, redis_url)["looks"] == "warning"


def test_a_refused_account_and_undecided_submits_are_warnings(
    driver: Driver, make_request: Make, redis_url: str, world: World
):
    driver.services.heartbeats.beat("worker@a", finished=7, idle_s=1, queues=["check", "submit"])
    world.faults.submit_cut_after = 1
    driver.submitted(make_request())
    driver.lifecycle._grants.rest_account("gemini", "API key not valid")

    found = states(driver.services, redis_url)
    assert (found["unknown"], found["lane gemini:status"]) == ("warning", "warning")
    assert "vidpoll unknown list" in words(driver.services, redis_url)
    assert "API key not valid" in words(driver.services, redis_url)


def test_an_id_that_never_comes_back_is_a_warning(driver: Driver, make_request: Make, redis_url: str):
    id = driver.accepted(make_request())
    lane = Lane("vertex", "submit")
    for _ in range(5):
        driver.services.lanes._redis.zadd(lane.key("due"), {id.hex: 0})
        driver.claim(lane)

    assert states(driver.services, redis_url)["lane vertex:submit"] == "warning"


def test_servers_that_do_not_answer_are_told_apart(services: Services, database_url: str, redis_url: str):
    nowhere = redis.Redis(port=1)
    away = replace(
        services,
        store=Store(connect("postgresql://nobody@127.0.0.1:1/none")),
        lanes=Lanes(nowhere),
        heartbeats=Heartbeats(nowhere),
    )
    found = states(replace(services, store=away.store), redis_url)
    assert (found["postgres"], found["unknown"]) == ("failing", "failing")

    found = states(replace(services, lanes=away.lanes, heartbeats=away.heartbeats), redis_url)
    assert (found["postgres"], found["lanes"], found["workers"]) == ("ok", "failing", "failing")
    assert states(services, "redis://127.0.0.1:1/0")["workers"] == "failing"
