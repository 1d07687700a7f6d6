"""Owners take turns at an account's paid calls, through the lifecycle."""

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

from tests.integration.driver import Driver
from vidpoll.accounts import Accounts
from vidpoll.generation import GenerationRequest, Status
from vidpoll.lanes import Lane
from vidpoll.lifecycle import Lifecycle
from vidpoll.restore import restore_stuck
from vidpoll.services import Services

Make = Callable[..., GenerationRequest]
LANE = Lane("vertex", "submit")


def with_account(services: Services, name: str, **changes: object) -> Services:
    """The same services, with an account changed."""
    accounts = services.accounts.accounts
    return replace(services, accounts=Accounts(accounts={**accounts, name: accounts[name].model_copy(update=changes)}))


@pytest.fixture
def two_places(services: Services, database_url: str) -> Driver:
    """An account whose provider works on two generations at once."""
    small = with_account(services, "vertex", max_in_flight=2)
    return Driver(small, Lifecycle(small), database_url)


def next_of(driver: Driver) -> uuid.UUID:
    claim = driver.services.lanes.claim(LANE, driver.services.limits(LANE), want=1, lease_s=600)
    return claim.ids[0]


def test_where_two_places_are_all_two_owners_share_them_and_nobody_is_refused(two_places: Driver, make_request: Make):
    alices = [two_places.accepted(make_request(owner="alice")) for _ in range(6)]
    bobs = [two_places.accepted(make_request(owner="bob")) for _ in range(2)]

    rounds = []
    for _ in range(4):
        two_places.submit()
        two_places.submit()
        working = [id for id in alices + bobs if two_places.get(id).status is Status.PROCESSING]
        rounds.append(sorted(two_places.get(id).owner for id in working))
        two_places.check()

    assert rounds == [["alice", "bob"]] * 2 + [["alice", "alice"]] * 2
    assert {two_places.get(id).status for id in alices + bobs} == {Status.COMPLETED}


def test_a_cancel_gives_the_turn_back(driver: Driver, make_request: Make):
    cancelled = [driver.accepted(make_request(owner="alice")) for _ in range(20)]
    for _ in range(10):
        driver.accepted(make_request(owner="bob"))
    for id in cancelled:
        driver.lifecycle.cancel(id)
    again = driver.accepted(make_request(owner="alice"))

    assert again in [next_of(driver), next_of(driver)]


def test_after_a_flush_owners_take_turns_again_and_the_oldest_leave_first(
    driver: Driver, make_request: Make, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vidpoll.store.stuck._PAGE", 3)
    alices = [driver.accepted(make_request(owner="alice")) for _ in range(8)]
    bobs = [driver.accepted(make_request(owner="bob")) for _ in range(2)]
    urgent = driver.accepted(make_request(owner="alice", priority=9))
    redis_client.flushall()

    restore_stuck(driver.services, driver.lifecycle)
    left = [next_of(driver) for _ in range(11)]

    assert urgent in left[:3]
    assert set(bobs) < set(left[:5])
    assert [id for id in left if id in alices] == alices


def test_rows_whose_messages_were_lost_take_turns_too(driver: Driver, make_request: Make):
    lost = [make_request(owner="alice") for _ in range(8)] + [make_request(owner="bob")]
    driver.services.store.accept_many([(request, None) for request in lost])
    driver.sql("UPDATE generations SET created_at = now() - interval '1 min'")

    restore_stuck(driver.services, driver.lifecycle)

    assert lost[-1].id in [next_of(driver), next_of(driver)]
