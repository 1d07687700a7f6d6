"""What all processes share, as the API tells Prometheus; also when a part of it cannot be read."""

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.serving import key_of, served
from tests.integration.driver import RUNWARE, Driver
from vidpoll.api import create_app
from vidpoll.api.settings import ApiSettings
from vidpoll.lanes import Lane
from vidpoll.services import Services
from vidpoll.settings import Settings
from vidpoll.shared_state import SharedState

VERTEX = {"account": "vertex", "verb": "status"}
Scrape = Callable[..., float | None]


def found_in(text: str) -> Scrape:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def value(name: str, **labels: str) -> float | None:
        values = [one.value for one in samples if one.name == f"vidpoll_{name}" and one.labels == labels]
        return values[0] if values else None

    return value


@pytest.fixture
def scrape(caller) -> Callable[[], Scrape]:
    operator = caller("alice", "operate")

    def scraped() -> Scrape:
        answer = operator.get("/metrics")
        assert answer.status_code == 200, answer.text
        return found_in(answer.text)

    return scraped


def test_rows_that_are_open_are_told_by_status_provider_and_account(scrape, driver: Driver, make_request):
    _, undecided = driver.submitted(make_request()), driver.submitted(make_request())
    driver.accepted(make_request())
    driver.services.store.accept(make_request(id=uuid.uuid4()))
    driver.sql("UPDATE generations SET created_at = now() - interval '1 minute' WHERE account IS NULL")
    driver.sql("UPDATE generations SET next_check_at = now() - interval '1 hour' WHERE status = 'processing'")
    driver.sql(
        "UPDATE generations SET status = 'unknown', next_check_at = NULL, operation_name = NULL WHERE id = %s",
        undecided,
    )

    value = scrape()

    assert value("generations_open", status="processing", provider="veo", account="vertex") == 1
    assert value("generations_open", status="pending", provider="veo", account="vertex") == 1
    assert value("generations_open", status="pending", provider="veo", account="") == 1
    assert value("generations_open", status="pending", provider="runware", account="runware") == 0
    assert 60 <= value("generations_oldest_seconds", status="pending") < 90
    assert value("generations_oldest_seconds", status="submitting") == 0
    assert (value("unknown_undecided"), value("looks_late")) == (1, 1)


def test_lanes_tell_what_is_in_them_and_by_how_much_it_is_late(scrape, driver: Driver, redis_client):
    lanes, status = driver.services.lanes, Lane("vertex", "status")
    late, urgent, waiting = (uuid.uuid4() for _ in range(3))
    lanes.schedule(status, {late: 0.0, waiting: 60.0})
    redis_client.zincrby(status.key("due"), -7_000_000, late.hex)
    lanes.schedule(status, {urgent: 0.0}, urgent=True)

    value = scrape()

    assert (value("lane_depth", **VERTEX), value("lane_due", **VERTEX)) == (3, 2)
    assert value("lane_lateness_seconds", **VERTEX) == pytest.approx(7, abs=2)
    assert value("lane_rate", **VERTEX) == 200
    assert value("lane_paused_seconds", **VERTEX) == 0
    assert value("lane_lateness_seconds", account="gemini", verb="status") == 0


def test_those_that_wait_for_their_turn_are_due_and_not_late(scrape, driver: Driver, make_request):
    driver.accepted(make_request())

    value = scrape()

    assert value("lane_due", account="vertex", verb="submit") == 1
    assert value("lane_lateness_seconds", account="vertex", verb="submit") == 0


def test_a_pause_and_the_rate_it_leaves_are_told(scrape, driver: Driver, redis_client):
    lanes, status = driver.services.lanes, Lane("vertex", "status")
    lanes.pause(status, driver.services.limits(status), 40)
    paused = scrape()
    redis_client.hincrby(status.key("bucket"), "paused_until", -70_000_000)
    redis_client.hincrby(status.key("bucket"), "slow_from", -46_000_000)
    grown = scrape()

    assert (paused("lane_rate", **VERTEX), grown("lane_paused_seconds", **VERTEX)) == (0, 0)
    assert 38 < paused("lane_paused_seconds", **VERTEX) <= 40
    assert grown("lane_rate", **VERTEX) == pytest.approx(120, abs=10)


def test_places_workers_and_queues_are_told(scrape, driver: Driver, make_request, redis_client):
    driver.submitted(make_request(**RUNWARE), "runware")
    driver.services.heartbeats.beat("worker@here", finished=1, idle_s=0, queues=["check"])
    redis_client.lpush("check", "x", "y")

    value = scrape()

    assert value("lane_in_flight", account="runware") == 1
    assert value("lane_in_flight", account="vertex") is None
    assert value("workers") == 1
    assert (value("celery_queue_depth", queue="check"), value("celery_queue_depth", queue="submit")) == (2, 0)


@pytest.fixture
def half_blind(settings: Settings, services: Services) -> Iterator[FastAPI]:
    """An API whose Redis is gone."""
    gone = "redis://127.0.0.1:1/0"
    made = create_app(settings.model_copy(update={"redis_url": gone, "broker_url": gone}), ApiSettings())
    yield made
    made.state.parts.store._engine.dispose()


def test_without_redis_the_rest_is_served_and_what_is_missing_is_counted(half_blind: FastAPI, services: Services):
    key = key_of(services.store, "alice", "operate")
    with served(half_blind) as url:
        answers = [
            requests.get(f"{url}/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=30) for _ in range(2)
        ]

    value = found_in(answers[1].text)
    assert [one.status_code for one in answers] == [200, 200]
    assert value("generations_open", status="pending", provider="veo", account="vertex") == 0
    assert value("lane_depth", **VERTEX) is value("workers") is value("celery_queue_depth", queue="check") is None
    assert {part: value("scrape_errors_total", part=part) for part in ("generations", "lanes", "workers", "queues")} == {
        "generations": 0, "lanes": 2, "workers": 2, "queues": 2,
    }  # fmt: skip


def test_a_part_that_hangs_holds_up_no_scrape_and_is_not_started_again(services: Services, redis_url: str):
    let_go, started = threading.Event(), []

    class Hanging:
        def all(self) -> list[Any]:
            started.append(1)
            let_go.wait(60)
            return []

    shared = SharedState(
        services.store, services.lanes, Hanging(), services.accounts,
        broker_url=redis_url, lease_s=30, timeout_s=0.5,
    )  # fmt: skip
    registry = CollectorRegistry()
    registry.register(shared)

    texts = [generate_latest(registry).decode() for _ in range(3)]
    let_go.set()

    value = found_in(texts[-1])
    assert len(started) == 1
    assert value("scrape_errors_total", part="workers") == 3
    assert value("workers") is None
    assert value("lane_rate", **VERTEX) == 200
