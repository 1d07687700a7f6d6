"""Classes of failed looks, lost operations, cancels at the provider: what a check can meet."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.integration.driver import REPLICATE, RUNWARE, Driver
from vidpoll.errors import LanesUnavailable, StoreUnavailable
from vidpoll.generation import GenerationRequest, Status
from vidpoll.lanes import Lane
from vidpoll.providers.base import Operation
from vidpoll.simulator import World

Make = Callable[..., GenerationRequest]


@pytest.mark.parametrize(
    ("fault", "failure_class", "words"),
    [
        ("status_500", "server_error", "HTTP 503"),
        ("status_html", "server_error", "HTTP 502"),
        ("status_html_200", "unreadable", "HTML in place of JSON"),
        ("status_empty", "unreadable", "an empty body"),
        ("status_truncated", "network", "no answer"),
        ("status_unknown_word", "unknown_status", "unknown status"),
        ("status_huge", "too_large", "larger than"),
        ("status_bomb", "too_large", "larger than"),
        ("status_cut", "network", "no answer"),
    ],
)
def test_each_class_of_failure_has_its_counter_and_its_words_and_ends_nothing(
    driver: Driver, make_request: Make, world: World, fault: str, failure_class: str, words: str
):
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    setattr(world.faults, fault, 1)
    driver.check("replicate")

    seen = driver.get(id)
    assert (seen.status, seen.checks, seen.failure_counts) == (Status.PROCESSING, 0, {failure_class: 1})
    assert words in str(seen.stage)

    setattr(world.faults, fault, 0)
    driver.check("replicate")
    assert driver.get(id).status is Status.COMPLETED


def test_failures_back_off_up_to_the_deadline(driver: Driver, make_request: Make, world: World):
    id = driver.submitted(make_request(timeout_s=100))
    world.faults.status_500 = 1
    waits = []
    for _ in range(5):
        driver.check()
        row = driver.get(id)
        waits.append(row.seconds_until(row.next_check_at))
    assert waits[0] < 1.5
    assert 10 < waits[4] < 20

    driver.sql("UPDATE generations SET deadline_at = now() + interval '2 s' WHERE id = %s", id)
    driver.check()
    row = driver.get(id)
    assert row.next_check_at <= row.deadline_at + timedelta(seconds=0.2)


def test_an_operation_the_provider_does_not_know_yet_is_waited_for(driver: Driver, make_request: Make, world: World):
    world.faults.not_found_first = 3
    id = driver.submitted(make_request(**REPLICATE), "replicate")

    for _ in range(3):
        driver.check("replicate")
        assert driver.get(id).status is Status.PROCESSING
    driver.check("replicate")

    assert driver.get(id).status is Status.COMPLETED
    assert driver.get(id).failure_counts == {"not_found": 3}


def test_an_operation_never_known_is_lost_after_several_looks_and_a_grace(
    driver: Driver, make_request: Make, world: World
):
    world.faults.job_lost = 1
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    for _ in range(8):
        driver.check("replicate")
    assert driver.get(id).status is Status.PROCESSING, "often enough, but not for long enough"

    driver.sql("UPDATE generations SET not_found_since = now() - interval '5 min' WHERE id = %s", id)
    driver.check("replicate")

    lost = driver.get(id)
    assert (lost.status, lost.error["code"], lost.watch_until) == (Status.FAILED, "lost", None)
    assert not driver.waits_in(Lane("replicate", "status"), id)


def test_progress_that_goes_backwards_is_not_believed(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request(**RUNWARE), "runware")
    driver.sql("UPDATE generations SET progress = 60 WHERE id = %s", id)
    world.faults.status_backwards = 1
    driver.check("runware")

    assert driver.get(id).progress == 60


def test_done_without_a_video_is_waited_for(driver: Driver, make_request: Make, world: World):
    id = driver.submitted(make_request())
    world.faults.status_no_url = 1
    driver.check()
    assert driver.get(id).status is Status.PROCESSING

    world.faults.status_no_url = 0
    driver.check()
    assert driver.get(id).status is Status.COMPLETED


def test_overdue_is_an_event_of_its_own_and_slows_the_looks(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 600
    id = driver.submitted(make_request())
    driver.check()
    before = driver.get(id)
    driver.sql("UPDATE generations SET expected_at = now() - interval '1 s' WHERE id = %s", id)
    driver.check()
    driver.check()

    row = driver.get(id)
    kinds = [event["kind"] for event in driver.services.store.events(id)]
    assert kinds.count("overdue") == 1
    assert row.seconds_until(row.next_check_at) > 1.5 * before.seconds_until(before.next_check_at)


# -- cancels at the provider ----------------------------------------------------------------


def cancelled_at_provider(driver: Driver, id: uuid.UUID) -> None:
    driver.lifecycle.cancel(id)
    ids, at = driver.claim(Lane("replicate", "status"))
    assert ids == [id], "the call waits for a token, ahead of all others"
    driver.lifecycle.check("replicate", ids, at)


def test_a_cancel_is_asked_of_the_provider_and_ends_it(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    cancelled_at_provider(driver, id)

    assert driver.get(id).status is Status.CANCELLED
    assert world.report()["cancelled"] == 1
    assert not driver.waits_in(Lane("replicate", "status"), id)


def test_a_cancel_of_what_is_done_already_leaves_the_video(driver: Driver, make_request: Make, world: World):
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    cancelled_at_provider(driver, id)
    assert driver.get(id).status is Status.PROCESSING

    driver.check("replicate")
    assert driver.get(id).status is Status.COMPLETED


@pytest.mark.parametrize("fault", ["cancel_refused", "cancel_ignored"])
def test_a_cancel_that_the_provider_does_not_carry_out_goes_on_being_watched(
    driver: Driver, make_request: Make, world: World, fault: str
):
    world.durations.median_s = 60
    setattr(world.faults, fault, 1)
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    cancelled_at_provider(driver, id)

    asked = driver.get(id)
    assert (asked.status, asked.cancel_answered_at is not None) == (Status.PROCESSING, True)
    driver.check("replicate")
    assert driver.get(id).checks == 1
    assert world.report()["status_calls"] == 2, "it is asked once"


def test_a_cancel_that_got_no_answer_is_asked_again(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    world.faults.cancel_500 = 1
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    cancelled_at_provider(driver, id)
    assert (driver.get(id).status, driver.get(id).cancel_answered_at) == (Status.PROCESSING, None)

    world.faults.cancel_500 = 0
    driver.check("replicate")
    assert driver.get(id).checks == 1, "a look comes between two cancels"
    driver.check("replicate")
    assert driver.get(id).status is Status.CANCELLED


def test_a_cancel_that_never_gets_an_answer_hides_neither_the_video_nor_the_deadline(
    driver: Driver, make_request: Make, world: World
):
    world.faults.cancel_500 = 1
    done = driver.submitted(make_request(**REPLICATE), "replicate")
    world.durations.median_s = 600
    late = driver.submitted(make_request(**REPLICATE), "replicate")
    for id in (done, late):
        driver.lifecycle.cancel(id)
    driver.sql("UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = %s", late)
    for _ in range(8):
        driver.check("replicate")

    assert driver.get(done).status is Status.COMPLETED
    assert driver.get(late).error["code"] == "timed_out"


def test_a_cancel_whose_message_got_lost_is_asked_at_the_next_look(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    driver.services.store.cancel_requested(id)
    driver.check("replicate")

    assert driver.get(id).status is Status.CANCELLED


def test_a_generation_that_times_out_is_cancelled_where_that_can_be(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 600
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    driver.sql("UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = %s", id)
    driver.check("replicate")
    driver.check("replicate")

    ended = driver.get(id)
    assert (ended.status, ended.error["code"], ended.watch_until) == (Status.FAILED, "timed_out", None)
    assert world.report()["cancelled"] == 1


def test_what_the_provider_cancels_by_itself_is_a_failure(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    row = driver.get(id)
    driver.services.providers["replicate"].cancel(Operation(row.operation_name))
    driver.check("replicate")

    assert (driver.get(id).status, driver.get(id).error["code"]) == (Status.FAILED, "cancelled_by_provider")


# -- when things of ours are away, or break ----------------------------------------------------------------


def test_an_outage_makes_no_id_suspect_of_ending_its_workers(
    driver: Driver, make_request: Make, world: World, monkeypatch: pytest.MonkeyPatch
):
    world.durations.median_s = 600
    id, lane = driver.submitted(make_request()), Lane("vertex", "status")
    find = driver.services.store.find

    def away(ids: list) -> list:
        raise StoreUnavailable("away")

    monkeypatch.setattr(driver.services.store, "find", away)
    for _ in range(9):
        driver.services.lanes._redis.zadd(lane.key("due"), {id.hex: 0})
        ids, at = driver.claim(lane)
        with pytest.raises(StoreUnavailable):
            driver.lifecycle.check("vertex", ids, at)
    monkeypatch.setattr(driver.services.store, "find", find)

    view = driver.services.lanes.view(lane)
    assert (view["waiting"], view["never_back"]) == (1, 0)
    due_us = driver.services.lanes._redis.zscore(lane.key("due"), id.hex)
    assert due_us - driver.services.lanes.now_us() < 10e6


def test_how_long_a_video_took_at_the_provider_is_no_part_of_its_result(driver: Driver, make_request: Make):
    id = driver.submitted(make_request(**REPLICATE), "replicate")
    driver.check("replicate")

    assert not {"queued_s", "run_s"} & driver.get(id).result.keys()


def test_a_429_whose_lane_cannot_be_paused_is_still_noted_in_the_row(
    driver: Driver, make_request: Make, world: World, monkeypatch: pytest.MonkeyPatch
):
    id = driver.accepted(make_request())
    ids, at = driver.claim(Lane("vertex", "submit"))
    world.faults.submit_429 = 1

    def away(*args: object, **more: object) -> None:
        raise LanesUnavailable("away")

    monkeypatch.setattr(driver.services.lanes, "pause", away)
    with pytest.raises(LanesUnavailable):
        driver.lifecycle.submit("vertex", ids, at)

    assert driver.get(id).status is Status.PENDING


def test_an_adapter_that_breaks_in_a_check_holds_up_nothing_past_its_deadline(
    driver: Driver, make_request: Make, world: World, monkeypatch: pytest.MonkeyPatch
):
    id = driver.submitted(make_request())

    def breaks(operations: list) -> dict:
        raise TypeError("oops")

    monkeypatch.setattr(driver.services.providers["vertex"], "check", breaks)
    driver.check()
    assert driver.get(id).failure_counts == {"broken": 1}

    driver.sql("UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = %s", id)
    driver.check()
    assert driver.get(id).error["code"] == "timed_out"
