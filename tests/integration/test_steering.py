"""What an operator decides outlasts Redis, holds at once, and concerns nobody else."""

import json
import threading
import time
import uuid
from dataclasses import replace

import psycopg
import pytest
import redis
import typer

from tests.integration.driver import Driver
from vidpoll.cli import drain
from vidpoll.controls import Control, Override
from vidpoll.errors import LanesUnavailable, StoreUnavailable, UnknownTarget
from vidpoll.generation import Status
from vidpoll.lanes import Lane, Lanes, Limits
from vidpoll.restore import restore_stuck
from vidpoll.routing import Router
from vidpoll.services import Services
from vidpoll.steering import Rate, Steering
from vidpoll.store import Store, connect

SUBMIT, STATUS = Lane("vertex", "submit"), Lane("vertex", "status")
A_SUBMIT = Lane("a", "submit")


@pytest.fixture
def steering(services: Services) -> Steering:
    return Steering(services)


def test_a_paused_account_is_not_paid_and_others_go_on(driver: Driver, steering: Steering, make_request):
    steering.pause("vertex", ["submit"], "the bill", by="ann")
    paused = driver.submitted(make_request())
    other = driver.submitted(make_request(model="veo-preview"), "gemini")

    assert driver.get(paused).status is Status.PENDING
    assert driver.get(other).status is Status.PROCESSING
    assert steering.resume("vertex", ["submit", "status"]) == ["submit"]
    driver.submit()
    assert driver.get(paused).status is Status.PROCESSING


def test_a_cancel_and_a_refresh_of_a_paused_status_lane_wait_too(
    driver: Driver, steering: Steering, make_request, world
):
    id = driver.submitted(make_request())
    steering.pause("vertex", ["status"], "their maintenance", by="ann")
    driver.lifecycle.cancel(id)
    driver.lifecycle.refresh(id)
    driver.check()
    assert (driver.get(id).status, driver.get(id).checks) == (Status.PROCESSING, 0)

    steering.resume("vertex", ["status"])
    driver.check()
    assert driver.get(id).status is not Status.PROCESSING


def test_a_call_that_was_granted_before_the_pause_is_given_back(driver: Driver, steering: Steering, make_request):
    id = driver.accepted(make_request())
    ids, at = driver.claim(SUBMIT)
    steering.pause("vertex", ["submit"], "the bill", by="ann")
    driver.lifecycle.submit("vertex", ids, at - 500_000)  # later than its moment, so it needs another token

    assert driver.get(id).status is Status.PENDING
    assert driver.waits_in(SUBMIT, id)


def test_a_request_that_names_no_account_is_not_given_to_a_paused_one(
    services: Services, steering: Steering, make_request
):
    twin = services.accounts["vertex"].model_copy(update={"name": "twin"})
    accounts = services.accounts.model_copy(update={"accounts": {**services.accounts.accounts, "twin": twin}})
    both = replace(services, accounts=accounts, providers={**services.providers, "twin": services.providers["vertex"]})
    steering.pause("vertex", ["submit"], "draining", by="ann")

    assert {Router(both).route(make_request(id=uuid.uuid4())).account.name for _ in range(5)} == {"twin"}


@pytest.mark.parametrize("swept", [True, False])
def test_what_was_decided_outlasts_a_flush_of_redis(
    driver: Driver, steering: Steering, services: Services, redis_client, make_request, swept: bool
):
    """Also before the sweep: a lane that does not know asks, before it hands anything out."""
    watched = driver.submitted(make_request())
    steering.pause("vertex", ["submit", "status"], "the bill", by="ann", for_s=3600)
    steering.set_rate("vertex", "status", Rate(7, 3), by="bob")
    redis_client.flushall()
    if swept:
        restore_stuck(services, driver.lifecycle)
        assert driver.waits_in(STATUS, watched)
    waiting = driver.accepted(make_request())

    driver.submit()
    driver.check()

    assert (driver.get(waiting).status, driver.get(watched).checks) == (Status.PENDING, 0)
    view = services.lanes.view(STATUS)
    assert (view["stopped"]["by"], view["stopped"]["reason"], view["set_rate"]) == ("ann", "the bill", 7)
    assert 3500 < view["stopped"]["for_s"] <= 3600


def test_a_sweep_takes_nothing_back_and_moves_no_end(
    services: Services, steering: Steering, driver: Driver, redis_client
):
    steering.pause("vertex", ["submit"], "a while", by="ann", for_s=100)
    before = redis_client.hgetall(SUBMIT.key("bucket"))

    restore_stuck(services, driver.lifecycle)

    assert redis_client.hgetall(SUBMIT.key("bucket")) == before


def test_while_postgres_cannot_tell_a_flushed_lane_hands_out_nothing(services: Services, redis_client):
    nowhere = Store(connect("postgresql://nobody@127.0.0.1:1/none"))
    lanes = Lanes(redis_client, controls=nowhere.control)
    lanes.schedule(SUBMIT, {uuid.uuid4(): 0.0})

    with pytest.raises(StoreUnavailable):
        lanes.claim(SUBMIT, services.limits(SUBMIT), want=9, lease_s=30)


def test_a_decision_made_while_redis_is_away_is_kept_and_says_so(services: Services, driver: Driver, make_request):
    nowhere = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1, retry=None)
    without_redis = Steering(replace(services, lanes=Lanes(nowhere)))
    with pytest.raises(LanesUnavailable, match="it is kept, and will hold"):
        without_redis.pause("vertex", ["submit", "status"], "the bill", by="ann")

    restore_stuck(services, driver.lifecycle)
    assert driver.get(driver.submitted(make_request())).status is Status.PENDING
    assert [services.lanes.view(lane)["stopped"]["by"] for lane in (SUBMIT, STATUS)] == ["ann", "ann"]

    with pytest.raises(LanesUnavailable, match="it is kept"):
        without_redis.resume("vertex", ["submit", "status"])
    with pytest.raises(LanesUnavailable, match="it is kept"):
        without_redis.pause_paid_calls(["runware", "gemini"], "draining", by="bob")
    paused = {lane for lane, decided in services.store.controls().items() if decided.pause}
    assert paused == {("runware", "submit"), ("gemini", "submit")}


def test_every_decision_is_newer_than_the_one_before(store: Store):
    versions = [
        decided.version
        for _ in range(20)
        for decided in (*store.pause_lanes([A_SUBMIT], "r", "b"), *store.resume_lanes([A_SUBMIT]))
    ]

    assert versions == sorted(set(versions))
    assert store.control("a", "submit") == Control("a", "submit", versions[-1])
    assert store.control("a", "status") == Control("a", "status")


def test_a_pause_and_a_rate_are_kept_apart(store: Store):
    store.pause_lanes([A_SUBMIT], "r", "b", 60)
    store.set_rate("a", "submit", 4.5, 2, "c")

    kept = store.control("a", "submit")
    assert (kept.pause.reason, kept.pause.by, 50 < kept.pause.for_s <= 60) == ("r", "b", True)
    assert kept.override == Override(4.5, 2, "c", kept.override.since)
    assert store.resume_lanes([A_SUBMIT])[0].override == kept.override
    assert store.reset_rate("a", "submit").override is None
    assert store.controls() == {("a", "submit"): store.control("a", "submit")}


def test_a_pause_whose_time_is_up_is_none(store: Store):
    store.pause_lanes([A_SUBMIT], "r", "b", 0.0)

    assert store.control("a", "submit").pause is None


def test_the_rate_an_operator_sets_holds_for_all_processes_and_looks_are_planned_by_it(
    services: Services, steering: Steering, redis_url: str
):
    steering.set_rate("vertex", "status", Rate(20, 2), by="ann")
    lanes = [Lanes(redis.Redis.from_url(redis_url)) for _ in range(3)]
    lanes[0].schedule(STATUS, {uuid.uuid4(): 0.0 for _ in range(500)})
    grants: list[int] = []

    def claim(own: Lanes) -> None:
        while own.now_us() < ends_us:
            claimed = own.claim(STATUS, Limits(200, 50), want=50, lease_s=600)
            grants.extend([claimed.granted_at_us] * len(claimed.ids))

    ends_us = lanes[0].now_us() + 2_000_000
    threads = [threading.Thread(target=claim, args=[own]) for own in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 30 <= len(grants) <= 42
    services.lanes.claim(STATUS, services.limits(STATUS), want=0, lease_s=1)
    assert (services.limits(STATUS).rate, services.limits_in_force(STATUS).rate) == (200, 20)


def test_a_drain_replaces_a_pause_that_would_end_in_its_middle_and_no_other(services: Services, steering: Steering):
    steering.pause("vertex", ["submit"], "a minute", by="ann", for_s=60)
    steering.pause("runware", ["submit"], "the bill", by="ann")

    steering.pause_paid_calls(["vertex", "runware", "gemini"], "draining", by="bob")

    pauses = {account: services.store.control(account, "submit").pause for account in ("vertex", "runware", "gemini")}
    assert {name: (one.reason, one.by, one.for_s) for name, one in pauses.items()} == {
        "vertex": ("draining", "bob", None), "runware": ("the bill", "ann", None), "gemini": ("draining", "bob", None),
    }  # fmt: skip


def test_what_may_have_been_sent_keeps_a_drain_from_saying_that_nothing_is_left(
    services: Services, store: Store, make_request, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    request = make_request(provider="runware", model="google:3@3")
    id, token = store.accept(request, "runware").id, uuid.uuid4()
    store.submitting(id, token)
    store.unanswered(id, token, "no answer came")
    monkeypatch.setattr(drain, "QUIET_S", 0.0)
    monkeypatch.setattr(drain, "build", lambda _: services)

    def code_of(account: str, *, as_json: bool) -> int:
        try:
            drain.drain([account], by="ann", as_json=as_json, timeout=60)
        except typer.Exit as ended:
            return ended.exit_code
        return 0

    assert code_of("runware", as_json=False) == 1
    said, complaint = capsys.readouterr()
    assert ("1 wait to be sent again" in complaint, "nothing is at" in said) == (True, False)
    assert code_of("runware", as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["drained"], found["to_replay"], found["accounts"]["runware"]["to_replay"]) == (False, 1, 1)
    assert code_of("vertex", as_json=True) == 0, "another account's"


def test_a_drain_carries_on_while_postgres_does_not_answer(services: Services, database_url: str):
    server, _, name = database_url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        with pytest.raises(StoreUnavailable):
            drain._wait(services, ["vertex"], time.monotonic(), show=False)

        back = threading.Timer(1.5, lambda: admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        back.start()
        counts = drain._wait(services, ["vertex"], time.monotonic() + 60, show=False)
        back.join()
    assert drain._in_flight(counts) == 0


def test_an_account_nobody_knows_is_named(steering: Steering):
    with pytest.raises(UnknownTarget, match="no account 'none'; there are runware, vertex"):
        steering.pause("none", ["submit"], "r", by="ann")
