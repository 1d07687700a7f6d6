"""Submits nobody knows the outcome of: asked about where that can be, decided by a person elsewhere, never guessed."""

import uuid
from collections.abc import Callable

import pytest

from tests.integration.driver import REPLICATE, RUNWARE, Driver
from vidpoll.errors import WrongState
from vidpoll.generation import GenerationRequest, Status
from vidpoll.lanes import Lane
from vidpoll.restore import restore_stuck
from vidpoll.simulator import World

Make = Callable[..., GenerationRequest]


def looked_up(driver: Driver, account: str) -> None:
    """Have everything looked at now, also what is only to be looked up later."""
    driver.sql("UPDATE generations SET next_check_at = now() WHERE next_check_at IS NOT NULL")
    driver.check(account)


def unknown(driver: Driver, request: GenerationRequest, account: str, world: World, fault: str) -> uuid.UUID:
    setattr(world.faults, fault, 1)
    id = driver.submitted(request, account)
    setattr(world.faults, fault, 0)
    assert driver.get(id).status is Status.UNKNOWN
    driver.end_pauses(account)
    return id


# -- where the provider can be asked ----------------------------------------------------------------


@pytest.mark.parametrize("fault", ["submit_cut_after", "submit_500_after", "submit_reset_mid_body"])
def test_a_submit_that_was_taken_is_found_in_the_providers_list_and_watched(
    driver: Driver, make_request: Make, world: World, fault: str
):
    id = unknown(driver, make_request(**REPLICATE), "replicate", world, fault)

    looked_up(driver, "replicate")

    found = driver.get(id)
    assert (found.status, found.submitted_at) == (Status.PROCESSING, found.sent_at)
    driver.check("replicate")
    assert driver.get(id).status is Status.COMPLETED
    assert world.report()["charged"] == 1


def test_a_submit_that_is_in_no_list_is_left_to_a_person_and_never_sent_again(
    driver: Driver, make_request: Make, world: World
):
    id = unknown(driver, make_request(**REPLICATE), "replicate", world, "submit_cut_before")

    for _ in range(12):
        looked_up(driver, "replicate")

    left = driver.get(id)
    assert (left.status, left.next_check_at) == (Status.UNKNOWN, None)
    assert "none of the provider's operations fits" in str(left.stage)
    assert (world.report()["charged"], world.report()["submit_calls"]) == (0, 1)
    assert not driver.waits_in(Lane("replicate", "status"), id)


def test_two_operations_that_fit_are_left_to_a_person_with_their_names(
    driver: Driver, make_request: Make, world: World
):
    request = make_request(**REPLICATE)
    ids = [
        unknown(driver, request.model_copy(update={"id": uuid.uuid4()}), "replicate", world, "submit_cut_after")
        for _ in range(2)
    ]

    for _ in ids:
        looked_up(driver, "replicate")

    names = {job["name"] for job in world.jobs()}
    for id in ids:
        assert driver.get(id).status is Status.UNKNOWN
        assert set(driver.get(id).looked_up["fitting"]) == names
        assert driver.get(id).next_check_at is None


def test_an_operation_that_another_generation_has_does_not_fit(driver: Driver, make_request: Make, world: World):
    world.durations.median_s = 60
    request = make_request(**REPLICATE)
    known = driver.submitted(request, "replicate")
    id = unknown(driver, request.model_copy(update={"id": uuid.uuid4()}), "replicate", world, "submit_cut_after")

    looked_up(driver, "replicate")

    assert driver.get(id).status is Status.PROCESSING
    assert driver.get(id).operation_name != driver.get(known).operation_name


def test_an_operation_of_a_submit_under_way_is_not_taken_for_ours(driver: Driver, make_request: Make, world: World):
    request = make_request(**REPLICATE)
    id = unknown(driver, request, "replicate", world, "submit_cut_before")
    other = driver.accepted(request.model_copy(update={"id": uuid.uuid4()}))
    submitting = driver.services.store.submitting(other, uuid.uuid4())
    driver.services.providers["replicate"].submit(submitting.request, other, replay=False)

    looked_up(driver, "replicate")

    assert driver.get(id).status is Status.UNKNOWN
    assert "submitted elsewhere" in str(driver.get(id).stage)


def test_a_provider_that_cannot_be_reached_is_asked_again(driver: Driver, make_request: Make, world: World):
    id = unknown(driver, make_request(**REPLICATE), "replicate", world, "submit_cut_after")
    world.faults.status_500 = 1
    looked_up(driver, "replicate")
    assert (driver.get(id).status, driver.get(id).failure_counts) == (Status.UNKNOWN, {"server_error": 1})

    world.faults.status_500 = 0
    looked_up(driver, "replicate")
    assert driver.get(id).status is Status.PROCESSING


def test_a_flush_does_not_stop_the_looking(driver: Driver, make_request: Make, world: World, redis_client):
    id = unknown(driver, make_request(**REPLICATE), "replicate", world, "submit_cut_after")
    redis_client.flushall()

    restore_stuck(driver.services, driver.lifecycle)

    assert driver.waits_in(Lane("replicate", "status"), id)


def test_what_was_left_to_a_person_stays_with_the_person(driver: Driver, make_request: Make, world: World):
    request = make_request(**REPLICATE)
    ids = [
        unknown(driver, request.model_copy(update={"id": uuid.uuid4()}), "replicate", world, "submit_cut_after")
        for _ in range(2)
    ]
    for _ in ids:
        looked_up(driver, "replicate")
    calls = world.report()["status_calls"]

    for _ in range(3):
        assert restore_stuck(driver.services, driver.lifecycle)["unknown"] == 0
        looked_up(driver, "replicate")

    assert world.report()["status_calls"] == calls
    assert driver.services.store.undecided() == 2


def test_a_provider_that_never_says_leaves_it_to_a_person_in_the_end(driver: Driver, make_request: Make, world: World):
    id = unknown(driver, make_request(**REPLICATE), "replicate", world, "submit_cut_after")
    world.faults.lookup_500 = 1
    driver.sql("UPDATE generations SET sent_at = now() - interval '31 min' WHERE id = %s", id)
    looked_up(driver, "replicate")

    assert driver.get(id).next_check_at is None
    assert "could not be asked" in str(driver.get(id).stage)


# -- where an id of ours can be replayed ----------------------------------------------------------------


def test_a_cancel_before_the_replay_does_not_forget_what_may_be_paid(driver: Driver, make_request: Make, world: World):
    world.faults.submit_cut_after = 1
    id = driver.submitted(make_request(**RUNWARE), "runware")
    driver.lifecycle.cancel(id)
    world.faults.submit_cut_after = 0
    driver.end_pauses("runware")
    assert driver.get(id).status is Status.UNKNOWN

    looked_up(driver, "runware")

    assert driver.get(id).status is Status.PROCESSING, "it was taken, and Runware cannot cancel"
    assert world.report()["submit_calls"] == 1


def test_a_cancel_of_what_was_never_taken_ends_it_unpaid(driver: Driver, make_request: Make, world: World):
    world.faults.submit_cut_before = 1
    id = driver.submitted(make_request(**RUNWARE), "runware")
    driver.lifecycle.cancel(id)
    driver.end_pauses("runware")

    for _ in range(3):
        assert driver.get(id).status is Status.UNKNOWN
        looked_up(driver, "runware")

    assert driver.get(id).status is Status.CANCELLED
    assert world.report()["charged"] == 0


def test_a_refusal_of_the_replay_does_not_forget_what_may_be_paid(driver: Driver, make_request: Make, world: World):
    world.faults.submit_cut_after = 1
    id = driver.submitted(make_request(**RUNWARE, params={"numberResults": 1}), "runware")
    world.faults.submit_cut_after = 0
    driver.end_pauses("runware")
    driver.sql("UPDATE generations SET model = '' WHERE id = %s", id)  # now Runware refuses it before all else
    driver.services.lanes.schedule(Lane("runware", "submit"), {id: 0.0})
    driver.submit("runware")
    assert driver.get(id).status is Status.UNKNOWN
    assert "refused when sent again" in driver.get(id).error["message"]

    driver.sql("UPDATE generations SET model = 'google:3@3' WHERE id = %s", id)
    looked_up(driver, "runware")
    assert driver.get(id).status is Status.PROCESSING


# -- what a person decides ----------------------------------------------------------------


@pytest.fixture
def left(driver: Driver, make_request: Make, world: World) -> uuid.UUID:
    """One that Google took and nobody can look up."""
    return unknown(driver, make_request(), "vertex", world, "submit_cut_after")


def test_nothing_of_google_is_looked_up(driver: Driver, left: uuid.UUID):
    assert driver.get(left).next_check_at is None
    assert not driver.waits_in(Lane("vertex", "status"), left)


def test_a_person_names_the_operation_and_it_is_watched(driver: Driver, left: uuid.UUID, world: World):
    driver.lifecycle.unknowns.resolve(left, world.jobs()[0]["name"])
    driver.check()

    assert driver.get(left).status is Status.COMPLETED
    assert world.report()["charged"] == 1


def test_a_person_pays_again_knowingly(driver: Driver, left: uuid.UUID, world: World):
    driver.lifecycle.unknowns.resubmit(left)
    driver.submit()
    driver.check()

    assert driver.get(left).status is Status.COMPLETED
    assert world.report()["charged"] == 2


def test_a_person_gives_it_up(driver: Driver, left: uuid.UUID):
    driver.lifecycle.unknowns.fail(left)

    assert (driver.get(left).status, driver.get(left).error["code"]) == (Status.FAILED, "unknown_outcome")


def test_an_operation_that_is_another_ones_is_refused(driver: Driver, left: uuid.UUID, make_request: Make):
    other = driver.submitted(make_request())
    name = driver.get(other).operation_name

    with pytest.raises(WrongState, match="another generation has"):
        driver.lifecycle.unknowns.resolve(left, name)
    assert driver.get(left).status is Status.UNKNOWN


@pytest.mark.parametrize("verb", ["resolve", "resubmit", "fail"])
def test_there_is_nothing_to_decide_of_one_that_is_not_unknown(driver: Driver, make_request: Make, verb: str):
    id = driver.submitted(make_request())
    arguments = [id, "operation"] if verb == "resolve" else [id]

    with pytest.raises(WrongState, match="is processing, not unknown"):
        getattr(driver.lifecycle.unknowns, verb)(*arguments)


def test_a_person_gives_up_nothing_that_was_found_meanwhile(driver: Driver, left: uuid.UUID, world: World, monkeypatch):
    get = driver.services.store.get

    def found_meanwhile(id: uuid.UUID):
        before = get(id)
        driver.services.store.processing(id, world.jobs()[0]["name"], countdown=1, expected_s=9, timeout_s=99)
        return before

    monkeypatch.setattr(driver.services.store, "get", found_meanwhile)
    with pytest.raises(WrongState, match="moved on"):
        driver.lifecycle.unknowns.fail(left)
    assert get(left).status is Status.PROCESSING
