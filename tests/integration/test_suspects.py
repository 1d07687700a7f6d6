"""Postgres was restored from a backup: what its rows call unsent may be paid for, and is not sent again on a guess."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.driver import REPLICATE, RUNWARE, Driver
from vidpoll.generation import GenerationRequest, Status
from vidpoll.lanes import Lane
from vidpoll.restore import restore_stuck
from vidpoll.simulator import World
from vidpoll.suspects import Suspects

Make = Callable[..., GenerationRequest]
VEO = {"provider": "veo", "model": "veo-fast"}


@contextmanager
def lost_to_a_backup(driver: Driver) -> Iterator[None]:
    """The rows are afterwards what they were before; lanes and provider are not."""
    driver.sql("CREATE TABLE backup AS SELECT * FROM generations")
    try:
        yield
        driver.sql("DELETE FROM generations")
        driver.sql("INSERT INTO generations SELECT * FROM backup")
    finally:
        driver.sql("DROP TABLE backup")


def sent_since_the_backup(driver: Driver, request: GenerationRequest, account: str) -> uuid.UUID:
    """One that the provider has, and whose row says that it waits."""
    id = driver.lifecycle.accept(request).id
    with lost_to_a_backup(driver):
        driver.submit(account)
        assert driver.get(id).status is Status.PROCESSING
    assert driver.get(id).status is Status.PENDING
    return id


def suspect(driver: Driver, account: str | None = None) -> tuple[int, int]:
    return Suspects(driver.services).suspect(datetime.now(UTC), account)


def looked_up(driver: Driver, account: str, times: int = 1) -> None:
    for _ in range(times):
        driver.sql("UPDATE generations SET next_check_at = now() WHERE next_check_at IS NOT NULL")
        driver.check(account)


def put_back_and_submit(driver: Driver, account: str) -> None:
    restore_stuck(driver.services, driver.lifecycle)
    driver.submit(account)


@pytest.mark.parametrize(("model", "account"), [(RUNWARE, "runware"), (REPLICATE, "replicate")])
def test_what_was_paid_for_since_the_backup_is_found_at_the_provider(
    driver: Driver, make_request: Make, world: World, model: dict[str, str], account: str
):
    id = sent_since_the_backup(driver, make_request(**model), account)

    assert suspect(driver) == (1, 0)
    put_back_and_submit(driver, account)
    looked_up(driver, account)
    looked_up(driver, account)

    assert driver.get(id).status is Status.COMPLETED
    assert (world.report()["submit_calls"], world.report()["charged"]) == (1, 1)


def test_what_was_paid_for_hours_ago_is_found_and_not_late(driver: Driver, make_request: Make, world: World):
    world.durations.fixed_s = 7200
    id = driver.lifecycle.accept(make_request(**REPLICATE)).id
    ago = "now() - interval '5 h'"
    driver.sql(f"UPDATE generations SET created_at = {ago}, updated_at = {ago}, sent_at = {ago}, submit_attempts = 1")
    with lost_to_a_backup(driver):
        world.clock = lambda: time.time() - 3600
        driver.submit("replicate")
        world.clock = time.time

    (job,) = world._jobs.values()
    suspect(driver)
    job.lost = True  # not in the list at the first look
    looked_up(driver, "replicate")
    assert driver.get(id).status is Status.UNKNOWN
    job.lost = False
    looked_up(driver, "replicate", times=2)

    found = driver.get(id)
    assert (found.status, found.seconds_since(found.submitted_at) < 60) == (Status.PROCESSING, True)


def test_what_the_provider_cannot_be_asked_of_waits_for_a_person(driver: Driver, make_request: Make, world: World):
    id = sent_since_the_backup(driver, make_request(**VEO), "vertex")

    assert suspect(driver) == (0, 1)
    put_back_and_submit(driver, "vertex")

    left = driver.get(id)
    assert (left.status, left.next_check_at, left.error["code"]) == (Status.UNKNOWN, None, "unknown_outcome")
    assert world.report()["submit_calls"] == 1
    driver.lifecycle.unknowns.resolve(id, world.jobs()[0]["name"])
    driver.check()
    assert (driver.get(id).status, world.report()["charged"]) == (Status.COMPLETED, 1)


def test_by_hand_nobody_is_asked_and_nothing_is_sent_until_a_person_decides(
    driver: Driver, make_request: Make, world: World
):
    """Sent again after the restore: the provider has it under the id of a row that is gone."""
    driver.submitted(make_request(**RUNWARE), "runware")
    driver.sql("DELETE FROM generations")
    again = driver.lifecycle.accept(make_request(**RUNWARE)).id

    assert Suspects(driver.services).suspect(datetime.now(UTC), by_hand=True) == (0, 1)
    restore_stuck(driver.services, driver.lifecycle)
    looked_up(driver, "runware", times=4)
    put_back_and_submit(driver, "runware")

    assert (driver.get(again).status, world.report()["charged"]) == (Status.UNKNOWN, 1)
    driver.lifecycle.unknowns.resolve(again, world.jobs()[0]["name"])
    looked_up(driver, "runware")
    assert (driver.get(again).status, world.report()["charged"]) == (Status.COMPLETED, 1)


def test_what_was_never_sent_is_sent_once_the_provider_has_said_so(driver: Driver, make_request: Make, world: World):
    id = driver.lifecycle.accept(make_request(**RUNWARE)).id

    suspect(driver)
    looked_up(driver, "runware", times=3)
    put_back_and_submit(driver, "runware")
    looked_up(driver, "runware")

    assert (driver.get(id).status, world.report()["charged"]) == (Status.COMPLETED, 1)


def test_one_that_was_being_submitted_when_the_backup_was_made_is_suspected_too(
    driver: Driver, make_request: Make, world: World
):
    id = driver.lifecycle.accept(make_request(**VEO)).id
    driver.services.store.submitting(id, uuid.uuid4())

    assert suspect(driver) == (0, 1)
    assert driver.get(id).status is Status.UNKNOWN


def test_one_without_an_account_gets_the_one_that_would_pay(driver: Driver, make_request: Make, world: World):
    id = driver.lifecycle.accept(make_request(**VEO)).id
    driver.sql("UPDATE generations SET account = NULL")

    assert Suspects(driver.services).count(datetime.now(UTC)) == {"": 1}
    assert suspect(driver) == (0, 1)
    assert (driver.get(id).status, driver.get(id).account) == (Status.UNKNOWN, "vertex")


def test_only_what_was_accepted_before_and_of_the_account_is_suspected(
    driver: Driver, make_request: Make, world: World
):
    ours = driver.lifecycle.accept(make_request(**VEO)).id
    others = driver.lifecycle.accept(make_request(**RUNWARE)).id

    assert Suspects(driver.services).suspect(datetime.now(UTC) - timedelta(hours=1)) == (0, 0)
    assert Suspects(driver.services).count(datetime.now(UTC), "vertex") == {"vertex": 1}
    assert suspect(driver, "vertex") == (0, 1)
    assert (driver.get(ours).status, driver.get(others).status) == (Status.UNKNOWN, Status.PENDING)
    assert not driver.waits_in(Lane("vertex", "submit"), ours)


def test_what_the_provider_has_and_what_ended_is_left_alone(driver: Driver, make_request: Make, world: World):
    watched = driver.submitted(make_request(**VEO))

    assert suspect(driver) == (0, 0)
    assert driver.get(watched).status is Status.PROCESSING
