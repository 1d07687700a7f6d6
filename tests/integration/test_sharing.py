"""Accounts that list the same model share the requests that name none of them."""

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis

from tests.integration.driver import Driver
from tests.integration.test_turns import with_account
from vidpoll import providers
from vidpoll.accounts import ModelPolicy
from vidpoll.errors import InvalidRequest, LanesUnavailable
from vidpoll.generation import GenerationRequest, Status
from vidpoll.lanes import Lane
from vidpoll.lifecycle import Lifecycle
from vidpoll.restore import restore_stuck
from vidpoll.services import Services
from vidpoll.simulator import World

Make = Callable[..., GenerationRequest]


@pytest.fixture
def shared(services: Services, database_url: str) -> Callable[..., Driver]:
    """`vertex`, changed as the test says, and `gemini`, of weight 1, both offer veo-fast."""

    def make(**vertex: Any) -> Driver:
        both = with_account(services, "gemini", models={"veo-fast": ModelPolicy()})
        both = with_account(both, "vertex", **vertex)
        return Driver(both, Lifecycle(both), database_url)

    return make


def not_enabled(driver: Driver, account: str, base_url: str) -> Driver:
    """The same, where an account's provider is asked at an address it answers with 404."""
    services = with_account(driver.services, account, base_url=base_url)
    services = replace(services, providers=providers.build(services.accounts))
    return Driver(services, Lifecycle(services), driver._database_url)


def paying(driver: Driver, ids: list[uuid.UUID]) -> Counter[str | None]:
    return Counter(one.account for one in driver.services.store.find(ids))


def test_accounts_share_by_weight(shared: Callable[..., Driver], make_request: Make):
    driver = shared(weight=3)

    ids = [driver.accepted(make_request()) for _ in range(40)]

    assert paying(driver, ids) == {"vertex": 30, "gemini": 10}
    assert driver.services.lanes.size(Lane("vertex", "submit")) == 30


def test_what_the_provider_works_on_counts_too(shared: Callable[..., Driver], make_request: Make, world: World):
    world.durations.median_s = 600
    driver = shared()
    for _ in range(6):
        driver.submitted(make_request(account="vertex"))

    ids = [driver.accepted(make_request()) for _ in range(10)]

    assert paying(driver, ids) == {"vertex": 2, "gemini": 8}


def test_timed_out_ones_that_are_looked_at_rarely_push_nobody_away(
    shared: Callable[..., Driver], make_request: Make, world: World
):
    world.durations.median_s = 86400
    driver = shared()
    late = [driver.submitted(make_request(account="vertex")) for _ in range(6)]
    driver.check()
    driver.sql("UPDATE generations SET deadline_at = now() - interval '1 h'")
    for _ in range(2):
        driver.check()
    assert {driver.get(id).status for id in late} == {Status.FAILED}
    assert driver.services.lanes.size(Lane("vertex", "status")) == 6, "they are still watched"

    ids = [driver.accepted(make_request()) for _ in range(10)]

    assert paying(driver, ids) == {"vertex": 5, "gemini": 5}


def test_an_account_that_refuses_at_once_draws_its_share_and_no_more(
    shared: Callable[..., Driver], make_request: Make, world: World
):
    """Its lanes are always empty: nothing waits for it, and its provider works on nothing."""
    world.durations.median_s = 600
    driver = shared(weight=3)
    url = driver.services.accounts["gemini"].base_url
    driver = not_enabled(driver, "gemini", url.replace("/v1beta", "/v9"))

    ids = []
    for _ in range(40):
        ids.append(driver.accepted(make_request()))
        driver.submit("vertex")
        driver.submit("gemini")

    assert paying(driver, ids) == {"vertex": 30, "gemini": 10}
    assert Counter(one.status for one in driver.services.store.find(ids)) == {Status.PROCESSING: 30, Status.FAILED: 10}


def test_accounts_that_are_done_at_once_share_by_weight(shared: Callable[..., Driver], make_request: Make):
    driver, ids = shared(weight=3), []
    for _ in range(40):
        ids.append(driver.accepted(make_request()))
        for account in ("vertex", "gemini"):
            driver.submit(account)
            driver.check(account)

    assert paying(driver, ids) == {"vertex": 30, "gemini": 10}


def test_a_full_account_is_left_out_until_all_are_full(shared: Callable[..., Driver], make_request: Make, world: World):
    world.durations.median_s = 600
    driver = shared(max_in_flight=2, weight=100)
    for _ in range(2):
        driver.submitted(make_request(account="vertex"))

    ids = [driver.accepted(make_request()) for _ in range(10)]

    assert paying(driver, ids) == {"gemini": 10}


def test_a_paused_account_is_left_out(shared: Callable[..., Driver], make_request: Make):
    driver = shared(weight=100)
    lane = Lane("vertex", "submit")
    driver.services.lanes.pause(lane, driver.services.limits(lane), 60)

    assert paying(driver, [driver.accepted(make_request()) for _ in range(5)]) == {"gemini": 5}


def test_a_named_account_pays_whatever_it_has_to_do(shared: Callable[..., Driver], make_request: Make):
    driver = shared()

    assert paying(driver, [driver.accepted(make_request(account="vertex")) for _ in range(5)]) == {"vertex": 5}


def test_an_account_that_cannot_make_it_is_no_candidate(shared: Callable[..., Driver], make_request: Make):
    driver = shared()
    ids = [driver.accepted(make_request(params={"seed": 7})) for _ in range(4)]

    assert paying(driver, ids) == {"vertex": 4}, "the Gemini API takes no seed"
    with pytest.raises(InvalidRequest, match="labels"):
        driver.accepted(make_request(params={"labels": {}}))


def test_a_request_sent_twice_is_paid_by_one_account(shared: Callable[..., Driver], make_request: Make):
    driver, request = shared(), make_request()
    for _ in range(3):
        driver.accepted(request)

    sizes = [driver.services.lanes.size(Lane(name, "submit")) for name in ("vertex", "gemini")]
    assert sizes == [1, 0]


def test_rows_whose_messages_were_lost_are_shared_too(shared: Callable[..., Driver], make_request: Make):
    driver, lost = shared(weight=4), [make_request() for _ in range(50)]
    driver.services.store.accept_many([(request, None) for request in lost])
    driver.sql("UPDATE generations SET created_at = now() - interval '1 min'")

    restore_stuck(driver.services, driver.lifecycle)

    assert paying(driver, [request.id for request in lost if request.id]) == {"vertex": 40, "gemini": 10}


@pytest.mark.parametrize(("account", "trips"), [("vertex", 0), (None, 1)])
def test_choosing_costs_one_round_trip_and_naming_none(
    shared: Callable[..., Driver],
    make_request: Make,
    monkeypatch: pytest.MonkeyPatch,
    account: str | None,
    trips: int,
):
    driver, sent = shared(), []
    driver.accepted(make_request())
    send = redis.connection.Connection.send_packed_command
    monkeypatch.setattr(
        redis.connection.Connection,
        "send_packed_command",
        lambda self, *args, **more: sent.append(args) or send(self, *args, **more),
    )

    driver.accepted(make_request(account=account))

    assert sum("in_flight" in str(args) for args in sent) == trips


def test_while_redis_is_away_nobody_is_chosen_and_nothing_is_lost(
    shared: Callable[..., Driver], make_request: Make, monkeypatch: pytest.MonkeyPatch
):
    driver, request = shared(), make_request()

    def away(accounts: list[str]) -> None:
        raise LanesUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(driver.services.lanes, "loads", away)
        with pytest.raises(LanesUnavailable):
            driver.accepted(request)

    assert driver.get(driver.accepted(request)).status is Status.PENDING
