"""The verbs on real parts: Redis, Postgres, and the simulator over HTTP. No worker: the test hands out the grants."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from sqlalchemy import event

from tests import providers_file
from tests.integration.driver import RUNWARE, Driver
from tests.waiting import until
from vidpoll.errors import GenerationNotFound, IdempotencyConflict, InvalidRequest, LanesUnavailable, StoreUnavailable
from vidpoll.generation import GenerationRequest, Status
from vidpoll.grants import STALE_GRANT_S
from vidpoll.lanes import Lane
from vidpoll.providers.base import Capabilities, Operation
from vidpoll.providers.outcomes import Failed, Pending, Ready, Submitted
from vidpoll.providers_file import load_accounts
from vidpoll.restore import restore_stuck
from vidpoll.schedule import Look
from vidpoll.services import Services
from vidpoll.simulator import World

Make = Callable[..., GenerationRequest]


# -- the straight way ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "account"),
    [(RUNWARE, "runware"), ({}, "vertex"), ({"model": "veo-preview"}, "gemini")],
)
def test_a_request_becomes_a_video_in_postgres(
    driver: Driver, make_request: Make, world: World, target: dict, account: str
):
    id = driver.submitted(make_request(**target), account)
    assert driver.get(id).status is Status.PROCESSING

    driver.check(account)

    done = driver.get(id)
    assert (done.status, done.progress, done.account, done.checks) == (Status.COMPLETED, 100, account, 1)
    assert done.video_url
    assert done.result
    assert done.result["videos"][0] == done.video_url
    assert world.report()["charged"] == 1
    assert not driver.waits_in(Lane(account, "status"), id)


def test_a_check_that_finds_nothing_new_puts_it_back_with_a_countdown(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request())

    driver.check()
    driver.check()

    waiting = driver.get(id)
    assert (waiting.status, waiting.checks, waiting.failures) == (Status.PROCESSING, 2, 0)
    assert driver.waits_in(Lane("vertex", "status"), id)
    assert driver.claim(Lane("vertex", "status"))[0] == []


def test_progress_of_the_provider_is_stored(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 1
    id = driver.submitted(make_request(**RUNWARE), "runware")

    driver.check("runware")

    assert driver.get(id).stage == "processing"
    assert 0 <= driver.get(id).progress < 100


def test_many_of_one_account_are_checked_in_one_batch_call(driver: Driver, make_request: Make, world: World):
    ids = [driver.accepted(make_request(**RUNWARE)) for _ in range(15)]
    driver.submit("runware")

    driver.check("runware")

    assert {driver.get(id).status for id in ids} == {Status.COMPLETED}
    assert world.report()["status_calls"] == 1


# -- never twice ----------------------------------------------------------------


def test_the_same_message_twice_is_one_generation_and_one_charge(driver: Driver, make_request: Make, world: World):
    request = make_request()
    first, second = driver.accepted(request), driver.accepted(request)
    driver.submit()
    driver.accepted(request)
    driver.submit()

    assert first == second
    assert world.report()["submit_calls"] == 1


def test_two_workers_with_the_same_grant_make_one_paid_call(driver: Driver, make_request: Make, world: World):
    id = driver.accepted(make_request())
    ids, at = driver.claim(Lane("vertex", "submit"))

    driver.lifecycle.submit("vertex", ids, at)
    driver.lifecycle.submit("vertex", ids, at)

    assert world.report()["charged"] == 1
    assert driver.get(id).submit_attempts == 1


def test_a_submit_nobody_can_tell_of_is_unknown_and_not_sent_again(driver: Driver, make_request: Make, world: World):
    world.faults.submit_cut_after = 1
    id = driver.submitted(make_request())

    world.faults.submit_cut_after = 0
    driver.submit()

    unknown = driver.get(id)
    assert (unknown.status, unknown.error["code"]) == (Status.UNKNOWN, "unknown_outcome")
    assert world.report()["charged"] == 1


def test_a_submit_under_our_own_id_is_sent_again_and_charged_once(driver: Driver, make_request: Make, world: World):
    world.faults.submit_cut_after = 1
    id = driver.submitted(make_request(**RUNWARE), "runware")
    assert driver.get(id).status is Status.PENDING

    world.faults.submit_cut_after = 0
    driver.end_pauses("runware")
    driver.services.lanes.schedule(Lane("runware", "submit"), {id: 0.0})
    driver.submit("runware")
    driver.check("runware")

    assert driver.get(id).status is Status.COMPLETED
    assert (world.report()["charged"], world.report()["duplicate_charges"]) == (1, 0)


def test_a_429_on_submit_pauses_the_lane_and_the_generation_waits(driver: Driver, make_request: Make, world: World):
    world.faults.submit_429, world.faults.retry_after = 1, "40"
    id = driver.submitted(make_request())

    assert (driver.get(id).status, driver.get(id).failures) == (Status.PENDING, 0)
    assert driver.services.lanes.view(Lane("vertex", "submit"))["paused_s"] == pytest.approx(40, abs=2)
    assert driver.services.lanes.view(Lane("gemini", "submit"))["paused_s"] == 0


def test_a_refused_request_fails_with_the_providers_words(driver: Driver, make_request: Make, world: World):
    id = driver.submitted(make_request(params={"durationSeconds": 99}))

    failed = driver.get(id)
    assert (failed.status, failed.error) == (
        Status.FAILED, {"code": "invalid_argument", "message": "durationSeconds is out of bound.", "retryable": False},
    )  # fmt: skip
    assert world.report()["charged"] == 0


def test_a_stale_grant_is_given_back_and_not_used(driver: Driver, make_request: Make, world: World):
    id = driver.accepted(make_request())
    ids, at = driver.claim(Lane("vertex", "submit"))

    driver.lifecycle.submit("vertex", ids, at - round((STALE_GRANT_S + 0.5) * 1e6))
    assert (driver.get(id).status, world.report()["submit_calls"]) == (Status.PENDING, 0)

    driver.submit()
    driver.services.lanes.schedule(Lane("vertex", "status"), {id: 0.0})
    ids, at = driver.claim(Lane("vertex", "status"))
    driver.lifecycle.check("vertex", ids, at - round((STALE_GRANT_S + 0.5) * 1e6))
    assert world.report()["status_calls"] == 0
    assert driver.claim(Lane("vertex", "status"))[0] == [id]


# -- checks that say nothing ----------------------------------------------------------------


@pytest.mark.parametrize("fault", ["status_500", "status_cut", "status_html", "status_not_found"])
def test_a_check_without_an_answer_is_a_failure_and_no_end(
    driver: Driver, make_request: Make, world: World, fault: str
):
    id = driver.submitted(make_request())
    setattr(world.faults, fault, 1)
    driver.check()
    driver.check()
    seen = driver.get(id)
    assert (seen.status, seen.checks, seen.failures) == (Status.PROCESSING, 0, 2)

    setattr(world.faults, fault, 0)
    driver.check()
    assert driver.get(id).status is Status.COMPLETED


def test_a_429_on_a_check_pauses_the_whole_lane(driver: Driver, make_request: Make, world: World):
    id = driver.submitted(make_request())
    world.faults.status_429, world.faults.retry_after = 1, "25"
    driver.check()

    assert driver.services.lanes.view(Lane("vertex", "status"))["paused_s"] == pytest.approx(25, abs=2)
    assert driver.get(id).status is Status.PROCESSING


def test_a_refused_key_rests_the_account_until_it_works_again(driver: Driver, make_request: Make, world: World):
    id = driver.submitted(make_request(**RUNWARE), "runware")
    world.faults.status_unauthorized = 1
    driver.check("runware")

    refused = driver.get(id)
    assert (refused.status, refused.failure_counts) == (Status.PROCESSING, {"unauthorized": 1})
    assert "account is refused" in str(refused.stage)
    for verb in ("submit", "status"):
        view = driver.services.lanes.view(Lane("runware", verb))
        assert view["paused_s"] > 20
        assert "Invalid API key" in view["reason"]

    world.faults.status_unauthorized = 0
    driver.end_pauses("runware")
    driver.check("runware")
    assert driver.get(id).status is Status.COMPLETED


def test_a_403_while_others_are_answered_concerns_one_operation_only(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request())
    world.faults.status_unauthorized = 1
    driver.check()

    assert driver.get(id).failure_counts == {"unauthorized": 1}
    assert driver.services.lanes.view(Lane("vertex", "status"))["paused_s"] == 0


def test_a_403_with_nothing_answered_rests_the_account(driver: Driver, make_request: Make, world: World):
    id = driver.submitted(make_request())
    driver.lifecycle._grants._heard.clear()
    world.faults.status_unauthorized = 1
    driver.check()

    assert driver.get(id).status is Status.PROCESSING
    assert driver.services.lanes.view(Lane("vertex", "submit"))["paused_s"] > 0


# -- deadlines ----------------------------------------------------------------


def test_past_its_expected_time_it_is_overdue_and_still_watched(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request())
    driver.sql("UPDATE generations SET expected_at = now() - interval '1 s' WHERE id = %s", id)

    driver.check()

    assert (driver.get(id).status, driver.get(id).overdue) == (Status.PROCESSING, True)


def test_past_its_deadline_it_times_out_and_says_after_how_long(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request())
    driver.sql("UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = %s", id)
    driver.check()

    failed = driver.get(id)
    assert (failed.status, failed.error["code"], failed.error["retryable"]) == (Status.FAILED, "timed_out", True)
    assert failed.error["message"].startswith("no video after 0 s, 1 checks")
    assert driver.waits_in(Lane("vertex", "status"), id), "it may be done late"
    assert failed.watch_until > failed.read_at + timedelta(hours=24)


def test_a_video_that_is_ready_at_its_deadline_is_not_thrown_away(driver: Driver, make_request: Make):
    id = driver.submitted(make_request())
    driver.sql("UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = %s", id)
    driver.check()

    assert driver.get(id).status is Status.COMPLETED


def test_a_refresh_of_a_timed_out_generation_finds_its_late_video(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 0.5
    id = driver.submitted(make_request())
    driver.sql("UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = %s", id)
    driver.check()
    assert driver.get(id).status is Status.FAILED

    def refreshed() -> bool:
        driver.lifecycle.refresh(id)
        ids, at = driver.claim(Lane("vertex", "status"))
        driver.lifecycle.check("vertex", ids, at)
        return driver.get(id).status is Status.COMPLETED

    until(refreshed, within_s=10)
    assert driver.get(id).result["late"] is True


@pytest.mark.parametrize("fault", ["status_500", "status_cut", "status_html", "status_not_found"])
def test_the_deadline_applies_though_the_provider_does_not_answer(
    driver: Driver, make_request: Make, world: World, fault: str
):
    id = driver.submitted(make_request())
    driver.sql("UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = %s", id)
    setattr(world.faults, fault, 1)
    driver.check()
    assert driver.get(id).error["code"] == "timed_out"

    setattr(world.faults, fault, 0)
    driver.check()
    assert (driver.get(id).status, driver.get(id).result["late"]) == (Status.COMPLETED, True)


@pytest.mark.parametrize("fault", ["status_429", "status_unauthorized"])
def test_an_account_that_may_not_call_costs_its_generations_no_deadline(
    driver: Driver, make_request: Make, world: World, fault: str
):
    id = driver.submitted(make_request(**RUNWARE), "runware")
    driver.sql("UPDATE generations SET deadline_at = now() - interval '1 min' WHERE id = %s", id)
    setattr(world.faults, fault, 1)
    driver.check("runware")
    assert driver.get(id).status is Status.PROCESSING

    setattr(world.faults, fault, 0)
    driver.end_pauses("runware")
    driver.check("runware")
    assert (driver.get(id).status, driver.get(id).result["late"]) == (Status.COMPLETED, False)


def test_an_account_that_may_not_call_for_an_hour_does(driver: Driver, make_request: Make, world: World):
    id = driver.submitted(make_request(**RUNWARE), "runware")
    driver.sql("UPDATE generations SET deadline_at = now() - interval '2 hours' WHERE id = %s", id)
    world.faults.status_unauthorized = 1
    driver.check("runware")

    assert driver.get(id).error["code"] == "timed_out"


def test_a_timed_out_generation_is_watched_slowly_until_the_providers_retention_ends(
    driver: Driver, make_request: Make, world: World
):
    world.durations.median_s = 600
    id = driver.submitted(make_request())
    driver.sql("UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = %s", id)
    driver.check()
    ended = driver.get(id)
    driver.check()
    watched = driver.get(id)

    assert watched.next_check_at > watched.read_at + timedelta(minutes=2)
    assert (watched.version, watched.completed_at) == (ended.version, ended.completed_at), "a final state stays"
    driver.sql("UPDATE generations SET watch_until = now() - interval '1 s' WHERE id = %s", id)
    driver.check()
    assert driver.get(id).watch_until is None
    assert not driver.waits_in(Lane("vertex", "status"), id)


# -- cancel, refresh ----------------------------------------------------------------


def test_a_cancel_while_it_waits_ends_it_without_a_call(driver: Driver, make_request: Make, world: World):
    id = driver.accepted(make_request())
    driver.lifecycle.cancel(id)
    driver.submit()

    assert driver.get(id).status is Status.CANCELLED
    assert world.report()["submit_calls"] == 0
    assert not driver.waits_in(Lane("vertex", "submit"), id)


def test_one_that_is_cancelled_after_it_was_handed_out_gives_its_place_back(driver: Driver, make_request: Make):
    lane = Lane("runware", "submit")
    id = driver.lifecycle.accept(make_request(**RUNWARE)).id
    ids, at = driver.claim(lane)
    assert driver.services.lanes.view(lane)["in_flight"] == 1

    driver.lifecycle.cancel(id)
    driver.lifecycle.submit("runware", ids, at)

    assert driver.services.lanes.view(lane)["in_flight"] == 0


def test_a_cancel_the_provider_cannot_make_leaves_it_watched(driver: Driver, make_request: Make):
    id = driver.submitted(make_request())
    driver.lifecycle.cancel(id)

    assert driver.get(id).status is Status.PROCESSING
    assert "cannot cancel" in str(driver.get(id).stage)
    driver.check()
    assert driver.get(id).status is Status.COMPLETED


def test_a_cancel_of_something_final_changes_nothing(driver: Driver, make_request: Make):
    id = driver.submitted(make_request())
    driver.check()
    driver.lifecycle.cancel(id)

    assert (driver.get(id).status, driver.get(id).cancel_requested_at) == (Status.COMPLETED, None)


def test_a_refresh_overtakes_what_waits(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    ids = [driver.submitted(make_request()) for _ in range(3)]
    for id in ids:
        driver.services.lanes.schedule(Lane("vertex", "status"), {id: 0.0})

    driver.lifecycle.refresh(ids[2])

    assert driver.claim(Lane("vertex", "status"))[0][0] == ids[2]


@pytest.mark.parametrize("verb", ["cancel", "refresh"])
def test_a_verb_about_no_generation_says_so(driver: Driver, verb: str):
    with pytest.raises(GenerationNotFound):
        getattr(driver.lifecycle, verb)(uuid.uuid4())


# -- bad input ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"provider": "sora"}, "provider"),
        ({"model": "none"}, "model"),
        ({"account": "none"}, "account"),
        ({"params": {"labels": {}}}, "labels"),
    ],
)
def test_what_nobody_can_make_is_refused_and_leaves_no_row(driver: Driver, make_request: Make, change: dict, said: str):
    request = make_request(**change)
    with pytest.raises(InvalidRequest, match=said):
        driver.lifecycle.accept(request)

    assert driver.services.store.find([request.id]) == []


def test_a_row_its_sender_made_first_fails_with_the_reason(driver: Driver, make_request: Make):
    request = make_request(model="none")
    driver.services.store.accept(request)

    with pytest.raises(InvalidRequest):
        driver.lifecycle.accept(request)

    assert driver.get(request.id).error["code"] == "unknown_target"


def test_a_wrong_message_under_somebody_elses_id_fails_nothing(driver: Driver, make_request: Make):
    request = make_request()
    driver.services.store.accept(request)

    with pytest.raises(InvalidRequest):
        driver.lifecycle.accept(make_request(id=request.id, owner="mallory", model="none"))

    assert driver.get(request.id).status is Status.PENDING


def test_another_request_under_a_used_id_changes_nothing(driver: Driver, make_request: Make):
    id = driver.submitted(make_request())
    with pytest.raises(IdempotencyConflict):
        driver.lifecycle.accept(make_request(id=id, prompt="other"))

    driver.check()
    assert driver.get(id).status is Status.COMPLETED


# -- restore ----------------------------------------------------------------


def test_after_a_flush_everything_is_back_in_its_lane(
    driver: Driver, make_request: Make, world: World, redis_client: "redis.Redis"
):
    world.durations.median_s = 60
    watched = [driver.accepted(make_request(**RUNWARE)) for _ in range(5)]
    driver.submit("runware")
    waiting = [driver.accepted(make_request()) for _ in range(5)]
    redis_client.flushall()

    restored = restore_stuck(driver.services, driver.lifecycle)

    assert restored == {"processing": 5, "submitting": 0, "unknown": 0, "unpinned": 0, "pending": 5}
    assert all(driver.waits_in(Lane("runware", "status"), id) for id in watched)
    assert all(driver.waits_in(Lane("vertex", "submit"), id) for id in waiting)
    assert driver.services.lanes.view(Lane("runware", "submit"))["in_flight"] == 5


def test_restoring_again_changes_nothing(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    driver.submitted(make_request())
    driver.accepted(make_request())

    for _ in range(2):
        assert set(restore_stuck(driver.services, driver.lifecycle).values()) == {0}


def test_an_overdue_row_missing_from_a_full_lane_is_found(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    id = driver.submitted(make_request())
    driver.services.lanes.settle(Lane("vertex", "status"), [id])
    driver.services.lanes.schedule(Lane("vertex", "status"), {uuid.uuid4(): 60.0})
    assert restore_stuck(driver.services, driver.lifecycle)["processing"] == 0

    driver.sql("UPDATE generations SET next_check_at = now() - interval '1 hour' WHERE id = %s", id)

    assert restore_stuck(driver.services, driver.lifecycle)["processing"] == 1


def test_a_row_whose_message_was_lost_is_taken_up(driver: Driver, make_request: Make):
    good, bad = make_request(account="vertex", params={"x": 1e16}), make_request(model="none")
    driver.services.store.accept_many([(good, None), (bad, None)])
    assert restore_stuck(driver.services, driver.lifecycle)["unpinned"] == 0, "its message may still come"
    driver.sql("UPDATE generations SET created_at = now() - interval '1 min' WHERE id = %s", good.id)
    driver.sql("UPDATE generations SET created_at = now() - interval '1 min' WHERE id = %s", bad.id)

    assert restore_stuck(driver.services, driver.lifecycle)["unpinned"] == 2
    driver.submit()
    driver.check()
    assert driver.get(good.id).status is Status.COMPLETED
    assert driver.get(bad.id).status is Status.FAILED


@pytest.mark.parametrize(("target", "status"), [({}, Status.UNKNOWN), (RUNWARE, Status.PENDING)])
def test_a_submit_whose_worker_died_is_repeated_only_where_that_is_safe(
    driver: Driver, make_request: Make, target: dict, status: Status
):
    id = driver.accepted(make_request(**target))
    driver.services.store.submitting(id, uuid.uuid4())
    assert restore_stuck(driver.services, driver.lifecycle)["submitting"] == 0, "a call may still be under way"

    driver.sql("UPDATE generations SET updated_at = now() - interval '10 min' WHERE id = %s", id)
    assert restore_stuck(driver.services, driver.lifecycle)["submitting"] == 1

    assert driver.get(id).status is status


def test_a_lost_row_is_found_while_others_are_being_submitted(driver: Driver, make_request: Make):
    lost, leased = driver.accepted(make_request()), driver.accepted(make_request())
    driver.services.lanes.settle(Lane("vertex", "submit"), [lost])
    driver.services.store.submitting(leased, uuid.uuid4())

    assert restore_stuck(driver.services, driver.lifecycle)["pending"] == 1
    assert driver.waits_in(Lane("vertex", "submit"), lost)


def test_a_replayable_submit_of_a_dead_worker_is_back_in_its_lane(driver: Driver, make_request: Make):
    id = driver.accepted(make_request(**RUNWARE))
    driver.services.store.submitting(id, uuid.uuid4())
    driver.services.lanes.settle(Lane("runware", "submit"), [id])
    driver.sql("UPDATE generations SET updated_at = now() - interval '10 min' WHERE id = %s", id)

    restore_stuck(driver.services, driver.lifecycle)

    assert driver.waits_in(Lane("runware", "submit"), id)


def test_two_restores_at_once_are_one(driver: Driver, make_request: Make):
    with driver.services.store.one_at_a_time() as mine:
        assert mine
        assert restore_stuck(driver.services, driver.lifecycle) == {}


# -- answers nobody expects ----------------------------------------------------------------


class Odd:
    """An adapter whose answers the test makes up."""

    capabilities = Capabilities(check_batch=20)

    def __init__(self, outcomes: list) -> None:
        self.outcomes = outcomes

    def problems(self, request: GenerationRequest) -> list[str]:
        return []

    def submit(self, request: GenerationRequest, our_id: uuid.UUID, *, replay: bool) -> Submitted:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def out_of_quota(self, verb: str) -> None:
        return None

    def check(self, operations: list[Operation]) -> dict:
        return {operation.name: outcome for operation, outcome in zip(operations, self.outcomes, strict=True)}


@pytest.mark.parametrize(
    "odd",
    [
        Pending(101, "x"),
        Pending(None, "a\x00b"),
        Failed("c", "m\x00\ud800"),
        Failed("c", "x" * 10_000_000),
        Ready(videos=()),
    ],
)
def test_one_odd_answer_does_not_hold_up_the_others_of_its_task(driver: Driver, make_request: Make, odd: object):
    ids = [driver.submitted(make_request()) for _ in range(3)]
    driver.services.providers["vertex"] = Odd(
        [odd if number == 1 else Ready((f"https://{number}",)) for number in range(3)]
    )

    driver.check()

    assert sum(driver.get(id).status is Status.COMPLETED for id in ids) == 2


def test_an_adapter_that_breaks_during_the_paid_call_leaves_it_unknown(driver: Driver, make_request: Make):
    driver.services.providers["vertex"] = Odd([AttributeError("oops")])
    id = driver.submitted(make_request())

    assert driver.get(id).status is Status.UNKNOWN


def test_what_the_provider_accepted_is_stored_though_postgres_was_away(
    driver: Driver, make_request: Make, monkeypatch: pytest.MonkeyPatch
):
    store, tries = driver.services.store.processing, []

    def away_at_first(*args: object, **more: object) -> bool:
        tries.append(args)
        if len(tries) < 3:
            raise StoreUnavailable("away")
        return store(*args, **more)

    monkeypatch.setattr(driver.services.store, "processing", away_at_first)
    id = driver.submitted(make_request())

    assert driver.get(id).status is Status.PROCESSING


@pytest.mark.parametrize("tokens_left", [True, False])
def test_a_grant_that_got_old_while_the_database_stalled_is_good_for_no_call(
    driver: Driver, make_request: Make, world: World, monkeypatch: pytest.MonkeyPatch, tokens_left: bool
):
    driver.submitted(make_request())
    for page in driver.services.store.being_watched("vertex"):
        driver.services.lanes.schedule(Lane("vertex", "status"), {one.id: 0.0 for one in page})
    ids, at = driver.claim(Lane("vertex", "status"))
    find, real = driver.services.store.find, driver.services.lanes.now_us

    def stalled(wanted: list) -> list:
        monkeypatch.setattr(driver.services.lanes, "now_us", lambda: real() + 3_000_000)
        return find(wanted)

    monkeypatch.setattr(driver.services.store, "find", stalled)
    if not tokens_left:
        lane = Lane("vertex", "status")
        driver.services.lanes.pause(lane, driver.services.limits(lane), 60)
    driver.lifecycle.check("vertex", ids, at)

    assert world.report()["status_calls"] == (1 if tokens_left else 0), "only with a token of now"


def test_an_urgent_grant_given_back_stays_urgent(driver: Driver, make_request: Make):
    urgent = driver.accepted(make_request(priority=9))
    ids, at = driver.claim(Lane("vertex", "submit"))
    driver.lifecycle.submit("vertex", ids, at - 3_000_000)
    driver.accepted(make_request(priority=1))

    assert driver.claim(Lane("vertex", "submit"))[0][0] == urgent


# -- what a check costs ----------------------------------------------------------------


def test_a_check_that_finds_nothing_new_costs_two_statements_and_three_round_trips(
    driver: Driver, make_request: Make, world: World, monkeypatch: pytest.MonkeyPatch
):
    world.durations.median_s = 60
    id = driver.submitted(make_request())
    driver.check()
    driver.services.lanes.schedule(Lane("vertex", "status"), {id: 0.0})
    statements, trips = [], []
    event.listen(driver.services.store._engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    send = redis.connection.Connection.send_packed_command
    monkeypatch.setattr(
        redis.connection.Connection,
        "send_packed_command",
        lambda self, *args, **more: trips.append(args) or send(self, *args, **more),
    )

    ids, at = driver.claim(Lane("vertex", "status"))
    driver.lifecycle.check("vertex", ids, at)

    assert ids == [id]
    assert len(statements) <= 2, statements
    assert len(trips) + 1 <= 3, "claim and schedule here; publishing the task is the third"


def test_ten_checks_of_one_task_cost_two_statements_too(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    for _ in range(10):
        driver.accepted(make_request())
    driver.submit()
    driver.check()
    statements: list[str] = []
    event.listen(driver.services.store._engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for page in driver.services.store.being_watched("vertex"):
        driver.services.lanes.schedule(Lane("vertex", "status"), {one.id: 0.0 for one in page})
    ids, at = driver.claim(Lane("vertex", "status"))
    statements.clear()

    driver.lifecycle.check("vertex", ids, at)

    assert len(ids) == 10
    assert len(statements) == 2, statements


def test_schedules_are_those_of_the_model(services: Services, tmp_path: Path, simulator):
    policy = "timeout_s = 77\nexpected_s = 7\nschedule = { first_s = 3, factor = 2, cap_s = 10, jitter = 0 }"
    accounts = load_accounts(providers_file.write(tmp_path, simulator.url, policy=policy))

    found = accounts["vertex"].policy("veo-fast")
    assert (found.timeout_s, found.expected_s, found.schedule.interval(Look(1))) == (77, 7, 6)


def test_what_redis_kept_from_its_paid_call_is_not_left_as_submitting(
    services: Services, driver: Driver, make_request: Make, world: World
):
    id, lane = driver.accepted(make_request()), Lane("vertex", "submit")
    _, at = driver.claim(lane)
    client = services.lanes._redis
    reached, client.connection_pool = client.connection_pool, redis.ConnectionPool(host="127.0.0.1", port=1)

    with pytest.raises(LanesUnavailable):
        driver.lifecycle._submit(services.accounts["vertex"], lane, id, at - 500_000)

    client.connection_pool = reached
    assert (driver.get(id).status, driver.get(id).stage) == (Status.PENDING, "Redis did not answer in time")
    assert world.report()["submit_calls"] == 0
