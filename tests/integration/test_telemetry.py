"""What is counted while generations run, on real servers, at a simulator whose durations are known."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

from tests.integration.driver import REPLICATE, RUNWARE, Driver
from vidpoll import restore
from vidpoll.errors import InvalidRequest, LanesUnavailable
from vidpoll.generation import GenerationRequest
from vidpoll.lanes import Lane, Lanes
from vidpoll.lifecycle import Lifecycle
from vidpoll.providers.outcomes import RateLimited
from vidpoll.simulator import World

Make = Callable[..., GenerationRequest]
VEO = {"provider": "veo", "model": "veo-fast"}


def counted(driver: Driver, name: str, **labels: str) -> float:
    return driver.services.telemetry.registry.get_sample_value(f"vidpoll_{name}", labels) or 0


def moves(driver: Driver, **target: str) -> dict[str, float]:
    statuses = ("pending", "submitting", "processing", "unknown", "completed", "failed", "cancelled")
    found = {status: counted(driver, "generations_total", **target, status=status) for status in statuses}
    return {status: count for status, count in found.items() if count}


def test_a_generations_whole_way_is_counted_once(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request())
    driver.check()
    driver.check()
    world.clock = lambda: time.time() + 100
    driver.check()
    driver.check()

    assert moves(driver, **VEO) == {"pending": 1, "submitting": 1, "processing": 1, "completed": 1}
    assert counted(driver, "submits_total", account="vertex", outcome="submitted") == 1
    assert counted(driver, "checks_total", account="vertex", outcome="pending") == 2
    assert counted(driver, "checks_total", account="vertex", outcome="ready") == 1
    assert counted(driver, "checks_per_generation_sum", **VEO) == driver.get(id).checks == 3
    assert counted(driver, "completion_seconds_count", **VEO) == 1
    assert counted(driver, "queue_seconds_count", account="vertex") == 1
    assert counted(driver, "provider_call_seconds_count", account="vertex", verb="submit") == 1
    assert counted(driver, "provider_call_seconds_count", account="vertex", verb="status") == 3


def test_the_delay_of_detection_is_what_the_provider_tells_of_its_end(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    world.clock = lambda: time.time() + 100
    driver.sql("UPDATE generations SET submitted_at = submitted_at - interval '100 s' WHERE id = %s", id)

    driver.check("replicate")

    assert counted(driver, "detection_delay_seconds_sum", **REPLICATE) == pytest.approx(40, abs=3)


def test_untold_it_is_half_of_the_last_interval_between_looks(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request())
    driver.check()
    driver.sql("UPDATE generations SET last_pending_at = last_pending_at - interval '30 s' WHERE id = %s", id)
    world.clock = lambda: time.time() + 100

    driver.check()

    assert counted(driver, "detection_delay_seconds_sum", **VEO) == pytest.approx(15, abs=2)


@pytest.mark.parametrize(
    ("fault", "outcome", "ends_in"),
    [
        ("submit_429", "rate_limited", {}),
        ("submit_cut_after", "ambiguous", {"unknown": 1}),
        ("submit_refused", "refused", {"failed": 1}),
    ],
)
def test_paid_calls_are_counted_by_their_outcome(
    driver: Driver, make_request: Make, world: World, fault: str, outcome: str, ends_in: dict
):
    if fault == "submit_refused":
        driver.accepted(make_request(params={"durationSeconds": "refuse me"}))
    else:
        setattr(world.faults, fault, 1)
        driver.accepted(make_request())
    driver.submit()

    assert counted(driver, "submits_total", account="vertex", outcome=outcome) == 1
    assert moves(driver, **VEO) == {"pending": 1, "submitting": 1, **ends_in}


def test_a_pause_is_counted_and_the_tokens_that_were_granted(driver: Driver, make_request: Make, world: World):
    world.faults.status_429 = 1
    ids = [driver.submitted(make_request()) for _ in range(2)]

    driver.check()

    assert counted(driver, "checks_total", account="vertex", outcome="rate_limited") == len(ids)
    assert counted(driver, "lane_pauses_total", account="vertex", verb="status") == 1
    assert counted(driver, "lane_pauses_total", account="vertex", verb="submit") == 0


def test_a_failure_is_counted_by_its_code(driver: Driver, make_request: Make, world: World):
    world.faults.job_filtered = 1
    id = driver.submitted(make_request())

    driver.check()

    code = driver.get(id).error["code"]
    assert counted(driver, "failures_total", **VEO, code=code) == 1
    assert counted(driver, "checks_total", account="vertex", outcome="failed") == 1


def test_a_request_nobody_can_make_is_a_failure_of_another_model(driver: Driver, make_request: Make):
    request = make_request(model="none")
    driver.services.store.accept(request)

    with pytest.raises(InvalidRequest):
        driver.lifecycle.accept(request)

    assert counted(driver, "failures_total", provider="veo", model="other", code="unknown_target") == 1


def test_a_message_that_comes_twice_is_accepted_once(driver: Driver, make_request: Make):
    request = make_request()
    for _ in range(3):
        driver.accepted(request)

    assert moves(driver, **VEO) == {"pending": 1}


def test_a_cancel_is_counted_where_it_ends(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    waiting, running = driver.accepted(make_request()), None
    driver.lifecycle.cancel(waiting)
    running = driver.submitted(make_request(**REPLICATE), "replicate")
    driver.lifecycle.cancel(running)
    driver.check("replicate")

    assert moves(driver, **VEO) == {"pending": 1, "cancelled": 1}
    assert moves(driver, **REPLICATE)["cancelled"] == 1
    assert counted(driver, "provider_call_seconds_count", account="replicate", verb="cancel") == 1


def test_what_timed_out_and_came_late_is_both(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request())
    driver.sql("UPDATE generations SET deadline_at = now() WHERE id = %s", id)
    driver.check()
    world.clock = lambda: time.time() + 100
    driver.check()

    assert moves(driver, **VEO) == {"pending": 1, "submitting": 1, "processing": 1, "failed": 1, "completed": 1}
    assert counted(driver, "failures_total", **VEO, code="timed_out") == 1
    assert counted(driver, "checks_per_generation_count", **VEO) == 1


def test_what_providers_charge_is_added_up_where_they_tell(driver: Driver, make_request: Make):
    ids = [driver.submitted(make_request(**RUNWARE), "runware") for _ in range(2)]
    driver.check("runware")

    told = sum(driver.get(id).result["cost"] for id in ids)
    assert told > 0
    assert counted(driver, "charges_total", **RUNWARE, currency="USD") == pytest.approx(told)


def test_what_is_restored_is_counted_by_kind(driver: Driver, make_request: Make):
    ids = [driver.accepted(make_request()) for _ in range(3)]
    driver.services.lanes.settle(Lane("vertex", "submit"), ids)

    restore.restore_stuck(driver.services, driver.lifecycle)

    assert counted(driver, "restored_total", kind="pending") == 3


def test_rows_whose_message_was_lost_are_accepted_by_the_sweep(driver: Driver, make_request: Make):
    request = make_request(id=uuid.uuid4())
    driver.services.store.accept(request)
    driver.sql("UPDATE generations SET created_at = now() - interval '1 minute'")

    restore.restore_stuck(driver.services, driver.lifecycle)

    assert moves(driver, **VEO) == {"pending": 1}
    assert counted(driver, "restored_total", kind="unpinned") == 1


def test_a_look_whose_outcome_could_not_be_stored_is_not_counted(driver: Driver, make_request: Make):
    generation = driver.get(driver.submitted(make_request()))
    nowhere = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1, retry=None)
    lifecycle = Lifecycle(replace(driver.services, lanes=Lanes(nowhere)))

    with pytest.raises(LanesUnavailable):
        lifecycle._acted(driver.services.accounts["vertex"], generation, RateLimited(5))

    assert counted(driver, "checks_total", account="vertex", outcome="rate_limited") == 0
