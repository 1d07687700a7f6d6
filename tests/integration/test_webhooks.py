"""Webhooks out, with a real receiver: signed, retried, in order, isolated, replayed."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psycopg
import pytest

from tests import providers_file
from tests.integration.driver import RUNWARE, Driver
from tests.integration.webhooks import Postman
from tests.receiver import Answer, Receiver, receiving
from tests.waiting import until
from vidpoll import Client
from vidpoll.errors import EndpointNotFound, InvalidRequest, WrongState
from vidpoll.generation import Failure, GenerationRequest, Status
from vidpoll.lanes import PROJECTS, WEBHOOKS
from vidpoll.projects.plan import ProjectRequest
from vidpoll.public_http import session
from vidpoll.services import Services, build
from vidpoll.settings import Settings
from vidpoll.simulator import Simulator
from vidpoll.store import NewDelivery, News, webhook_outbox
from vidpoll.webhook_news import deliveries_of
from vidpoll.webhooks import sending
from vidpoll.webhooks.endpoints import EndpointRequest
from vidpoll.webhooks.sending import Unreachable, send

MakeRequest = Callable[..., GenerationRequest]
HOUR_S = 3600.0


@pytest.fixture
def services(
    database_url: str, redis_url: str, redis_client: object, simulator: Simulator, tmp_path: Path
) -> Iterator[Services]:
    file = providers_file.write(tmp_path, simulator.url)
    built = build(Settings(redis_url=redis_url, database_url=database_url, providers_file=file, webhooks_local=True))
    yield built
    built.store._engine.dispose()


@pytest.fixture
def postman(services: Services, driver: Driver, database_url: str) -> Iterator[Postman]:
    made = Postman(services, driver, database_url)
    yield made
    made.webhooks._senders.shutdown()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def client(database_url: str, redis_url: str, services: Services) -> Client:
    return Client(
        settings=Settings(redis_url=redis_url, broker_url=redis_url, database_url=database_url, webhooks_local=True)
    )


@pytest.fixture
def ends(postman: Postman, make_request: MakeRequest) -> Callable[..., uuid.UUID]:
    """``ends()``: a generation that fails while it waits; ``overdue`` first if asked for. Its id."""

    def make(owner: str = "alice", *, overdue: bool = False) -> uuid.UUID:
        request = make_request(owner=owner)
        id = postman.driver.accepted(request)
        if overdue:
            event = "INSERT INTO generation_events (generation_id, version, kind, status, data, owner) VALUES (%s, 2, 'overdue', 'processing', '{\"overdue\": true}', %s)"
            postman.driver.sql(event, id, owner)
            postman.driver.sql("UPDATE generations SET version = 2 WHERE id = %s", id)
        assert postman.store.failed(id, Failure("no", "not today"), expected=Status.PENDING)
        return id

    return make


# -- what is sent -----------------------------------------------------------------------------------------------------


def test_a_completed_generation_is_told_at_once_and_the_signature_holds(
    postman: Postman, driver: Driver, receiver: Receiver, make_request: MakeRequest
):
    id, secret = postman.endpoint(receiver.url)
    request = make_request(idempotency_key="k-1", project_id="p")
    driver.submitted(request)
    driver.check()

    postman.round()
    postman.round()

    (got,) = receiver.got
    assert got.verified(secret) == got.document
    assert (got.type, got.headers["content-type"]) == ("generation.completed", "application/json")
    row = driver.get(request.id)
    assert got.data | {"at": ""} == {
        "id": str(request.id), "version": row.version, "kind": "completed", "status": "completed", "progress": 100,
        "video_url": row.video_url, "project_id": "p", "idempotency_key": "k-1", "provider": "veo",
        "model": "veo-fast", "content_type": "video/mp4", "at": "",
    }  # fmt: skip
    (delivery,) = postman.deliveries(id)
    assert (delivery.status, delivery.tries, delivery.last_status) == ("delivered", 1, 204)
    assert postman.get(id).health == "ok"


def test_a_project_that_ends_is_told_with_its_counts_and_again_when_it_ends_anew(
    postman: Postman, driver: Driver, receiver: Receiver
):
    postman.endpoint(receiver.url, event_types=["project.completed", "project.failed"])
    steps = [{"key": "a", **RUNWARE, "prompt": "p"}, {"key": "b", **RUNWARE, "prompt": "q"}]
    project = ProjectRequest.checked({"name": "lions", "owner": "alice", "steps": steps})
    id = postman.store.admit(project, uuid.uuid4()).id
    driver.services.lanes.schedule(PROJECTS, {id: 0.0})
    driver.advance()
    (first, *_) = [step.generation_id for step in postman.store.project(id).steps]
    assert postman.store.failed(first, Failure("no", "not today"), expected=Status.PENDING)
    driver.work_off(id)
    postman.run()

    assert postman.store.retry_project(id) == ["a"]
    driver.services.lanes.schedule(PROJECTS, {id: 0.0})
    driver.work_off(id)
    postman.run()

    failed, completed = receiver.got
    assert (failed.type, failed.data["status"], failed.data["failed"]) == ("project.failed", "failed", 1)
    assert (completed.type, completed.data["completed"], completed.data["all_complete"]) == (
        "project.completed", 2, True,
    )  # fmt: skip
    assert completed.data["project_id"] == failed.data["project_id"] == str(id)
    assert "steps" not in completed.data
    assert completed.data["version"] > failed.data["version"]
    assert len({failed.id, completed.id}) == 2


def test_only_what_was_asked_for_and_only_the_owners_and_only_from_now_on_is_told(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    before = ends()
    id, _ = postman.endpoint(receiver.url, event_types=["generation.failed"])
    mine, _foreign = ends(overdue=True), ends("bob")

    postman.run()

    assert [one.data["id"] for one in receiver.got] == [str(mine)] != [str(before)]
    assert receiver.got[0].data["error"] == {"code": "no", "message": "not today", "retryable": None} | {
        "retryable": receiver.got[0].data["error"]["retryable"]
    }
    assert len(postman.deliveries(id)) == 1


def test_an_event_of_a_transaction_that_commits_late_is_found_though_greater_ids_were_read(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID], database_url: str
):
    postman.endpoint(receiver.url)
    late = postman.driver.accepted(_request(postman))
    with psycopg.connect(database_url) as slow:
        slow.execute(
            "INSERT INTO generation_events (generation_id, version, kind, status, data, owner)"
            " VALUES (%s, 2, 'overdue', 'processing', '{}', 'alice')",
            [late],
        )
        early = ends()
        postman.run()
        assert [one.data["id"] for one in receiver.got] == [str(early)]

    postman.run()
    postman.run()

    assert [one.data["id"] for one in receiver.got] == [str(early), str(late)]


def _request(postman: Postman) -> GenerationRequest:
    fields = {"provider": "veo", "model": "veo-fast", "prompt": "p", "owner": "alice", "id": uuid.uuid4()}
    return GenerationRequest.checked(fields)


def test_versions_stay_in_order_though_they_are_committed_between_two_pages(
    postman: Postman,
    receiver: Receiver,
    ends: Callable[..., uuid.UUID],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(webhook_outbox, "PAGE", 1)
    postman.endpoint(receiver.url)
    request = _request(postman)
    late = postman.driver.accepted(request)
    with psycopg.connect(database_url) as slow:
        slow.execute(
            "INSERT INTO generation_events (generation_id, version, kind, status, data, owner)"
            " VALUES (%s, 2, 'overdue', 'processing', '{}', 'alice')",
            [late],
        )
        slow.execute("UPDATE generations SET version = 2 WHERE id = %s", [late])
        ends()

        def meanwhile(news: News) -> Sequence[NewDelivery]:
            if not slow.closed:
                slow.commit()
                slow.close()
                assert postman.store.failed(late, Failure("no", "not today"), expected=Status.PENDING)
            return deliveries_of(news)

        told = postman.store.make_deliveries(meanwhile)
    for id in told:
        postman.webhooks.work([id])
    postman.run()

    assert [one.data["version"] for one in receiver.got if one.data["id"] == str(late)] == [2, 3]


def test_several_at_once_make_each_delivery_once(postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]):
    id, _ = postman.endpoint(receiver.url)
    for _ in range(20):
        ends()
    threads = [threading.Thread(target=postman.webhooks.make_deliveries) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    postman.run()

    assert len(postman.deliveries(id)) == len(receiver.got) == len({one.id for one in receiver.got}) == 20


# -- an outage --------------------------------------------------------------------------------------------------------


def test_down_for_a_day_then_up_each_event_comes_at_least_once_in_order_and_under_one_id(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    id, secret = postman.endpoint(receiver.url)
    receiver.says(503)
    generations = []
    for _hour in range(24):
        generations += [ends(overdue=True) for _ in range(3)]
        postman.run()
        postman.pass_time(HOUR_S)
        postman.run()
    tries_while_down = len(receiver.got)

    receiver.says(200)
    postman.pass_time(HOUR_S)
    postman.run()

    delivered = receiver.delivered()
    assert postman.get(id).waiting == 0
    assert [one.status for one in postman.deliveries(id)] == ["delivered"] * 144
    assert {(one.data["id"], one.data["kind"]) for one in delivered} == {
        (str(generation), kind) for generation in generations for kind in ("overdue", "failed")
    }
    assert len(delivered) == 144
    for generation in generations:
        assert [one.data["version"] for one in delivered if one.data["id"] == str(generation)] == [2, 3]
    by_event = {(one.data["id"], one.data["version"], one.id) for one in receiver.got}
    assert len(by_event) == 144, "the same id in every try"
    assert {one.body for one in receiver.got if one.id == delivered[0].id} == {delivered[0].body}
    delivered[-1].verified(secret)
    assert tries_while_down < 100, "one probe at a time"
    assert postman.get(id).health == "ok"


def test_a_single_delivery_follows_the_schedule_of_the_specification_and_is_kept_when_it_is_given_up(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    id, _ = postman.endpoint(receiver.url)
    receiver.says(500, b"x" * 5000)
    ends()
    elapsed, counted = 0.0, []
    postman.run()
    for _ in range(400):
        (delivery,) = postman.deliveries(id)
        if len(counted) < delivery.attempts:
            counted.append(elapsed)
        if delivery.status == "failed":
            break
        step_s = 6.0 if elapsed < 400 else 900.0
        postman.pass_time(step_s)
        elapsed += step_s
        postman.run()

    hours = [round(at / HOUR_S, 1) for at in counted]
    assert delivery.status == "failed"
    assert (delivery.attempts, len(delivery.last_words or "")) == (10, 200)
    assert hours[:3] == [0.0, 0.0, 0.1]
    assert 70 < hours[-1] < 90
    assert postman.get(id).failed == 1


def test_what_waits_for_an_endpoint_that_rests_is_due_as_soon_as_a_probe_is_taken(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    id, _ = postman.endpoint(receiver.url)
    receiver.says(500)
    for _ in range(30):
        ends()
    postman.run()
    assert postman.get(id).health == "down"
    assert len(receiver.got) < 10

    postman.run()
    tried = len(receiver.got)
    postman.pass_time(7)
    postman.run()
    assert len(receiver.got) == tried + 1, "one probe"

    receiver.says(204)
    postman.pass_time(600)
    postman.run()

    assert len(receiver.delivered()) == 30


# -- answers ----------------------------------------------------------------------------------------------------------


def test_gone_disables_and_enabling_sends_what_waited(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID], driver: Driver
):
    id, _ = postman.endpoint(receiver.url)
    receiver.says(410)
    ends()
    postman.run()
    ends()
    postman.run()

    stands = postman.get(id)
    assert (stands.status, stands.disabled_code, len(receiver.got)) == ("disabled", "gone", 1)
    driver.sql("UPDATE webhook_deliveries SET next_at = now() + interval '20 hours'")

    receiver.says(200)
    assert postman.store.enable_endpoint(id)
    postman.pass_time(1)
    postman.run()
    assert len(receiver.delivered()) == 1, (
        "what waited for hours is sent now; what happened while it was disabled is not told by itself"
    )
    assert postman.store.endpoint(id).health == "ok"


def test_retry_after_is_heeded_and_bounded(postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]):
    id, _ = postman.endpoint(receiver.url)
    receiver.says(429, Retry_After="120")
    ends()
    postman.run()
    postman.pass_time(100)
    postman.run()
    assert len(receiver.got) == 1

    receiver.says(503, Retry_After="999999999")
    postman.pass_time(30)
    postman.run()
    assert len(receiver.got) == 2
    rests_s = (postman.get(id).rests_until - datetime.now(UTC)).total_seconds()
    assert 3000 < rests_s <= 3601


def test_a_redirect_is_a_failure_and_is_not_followed(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    with receiving() as inside:
        id, _ = postman.endpoint(receiver.url)
        receiver.says(307, Location=inside.url)
        ends()
        postman.run()
        assert (len(receiver.got), inside.got) == (1, [])
    assert postman.deliveries(id)[0].last_status == 307


def test_an_endpoint_that_fails_for_days_is_disabled_with_the_reason(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    id, _ = postman.endpoint(receiver.url)
    receiver.says(500)
    ends()
    postman.run()
    for _ in range(7):
        postman.pass_time(24 * HOUR_S)
        ends()
        postman.run()

    stands = postman.get(id)
    assert (stands.status, stands.disabled_code) == ("disabled", "failing")
    assert "5 days" in str(stands.disabled_reason)
    assert postman.store.webhook_state()["gave_up"] == 1


def test_one_that_is_refused_alone_holds_up_its_own_generation_and_nothing_else(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    id, _ = postman.endpoint(receiver.url)
    bad = ends(overdue=True)
    postman.webhooks.make_deliveries()
    poisoned = postman.deliveries(id)[0].event_id
    receiver.answer = lambda headers: Answer(400 if headers["webhook-id"] == poisoned else 204)
    good = [ends(overdue=True) for _ in range(5)]

    postman.run()

    told = [(one.data["id"], one.data["version"]) for one in receiver.delivered()]
    assert sorted(told) == sorted((str(one), version) for one in good for version in (2, 3))
    assert [one.status for one in receiver.got if one.data["id"] == str(bad)] == [400]


# -- isolation --------------------------------------------------------------------------------------------------------


def test_an_endpoint_that_hangs_does_not_delay_a_good_one(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sending, "TRY_S", 5.0)
    with receiving() as hanging:
        hanging.go_on.clear()
        slow, _ = postman.endpoint(hanging.url)
        postman.endpoint(receiver.url)
        for _ in range(10):
            ends()
        postman.webhooks.make_deliveries()
        stuck = threading.Thread(target=postman.webhooks.work, args=([slow],))
        stuck.start()
        until(lambda: hanging.got, what="the hanging endpoint to be tried")

        began = time.monotonic()
        postman.run()

        assert len(receiver.delivered()) == 10
        assert stuck.is_alive() or time.monotonic() - began > 4
        stuck.join(60)
        hanging.go_on.set()
    assert postman.get(slow).health == "down"
    assert {one.last_words for one in postman.deliveries(slow) if one.tries} == {"no answer within 15 s"}


def test_two_workers_do_not_send_to_one_endpoint_at_once(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    id, _ = postman.endpoint(receiver.url)
    ends()
    postman.webhooks.make_deliveries()
    receiver.go_on.clear()
    first = threading.Thread(target=postman.webhooks.work, args=([id],))
    first.start()
    until(lambda: receiver.got)

    postman.webhooks.work([id])

    receiver.go_on.set()
    first.join(30)
    assert len(receiver.got) == 1
    assert postman.deliveries(id)[0].status == "delivered"


def test_a_worker_killed_between_the_post_and_the_commit_leaves_it_to_be_sent_again_under_the_same_id(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID], monkeypatch: pytest.MonkeyPatch
):
    id, _ = postman.endpoint(receiver.url)
    ends()
    postman.webhooks.make_deliveries()

    def dies(*_: object) -> None:
        raise SystemExit("killed")

    with monkeypatch.context() as dying:
        dying.setattr(postman.store, "delivered", dies)
        dying.setattr(postman.store, "let_go", lambda *_: None)
        with pytest.raises(SystemExit):
            postman.webhooks.work([id])
    postman.round()
    assert len(receiver.got) == 1, "it is held by the one that died"

    postman.pass_time(31)
    postman.run()

    first, second = receiver.got
    assert first.id == second.id
    assert first.body == second.body
    assert postman.deliveries(id)[0].status == "delivered"


def test_a_redis_that_lost_everything_delays_and_loses_nothing(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    postman.endpoint(receiver.url)
    ends()
    postman.webhooks.make_deliveries()
    postman.lanes._redis.flushall()
    ends()
    postman.lanes._redis.flushall()
    assert not postman.driver.claim(WEBHOOKS)[0]

    postman.webhooks.sweep()
    postman.run()

    assert len(receiver.delivered()) == 2


def test_a_database_restored_into_a_new_cluster_tells_what_happens_from_then_on(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    postman.endpoint(receiver.url)
    postman.driver.sql("UPDATE webhook_cursor SET transaction_id = transaction_id + 1000000000")
    postman.driver.sql("UPDATE webhook_endpoints SET made_in = '2000000000:2000000000:'")
    ends()

    postman.run()
    postman.run()

    assert len(receiver.delivered()) == 1


def test_a_new_endpoint_is_told_nothing_of_the_past_after_a_restore_into_a_new_cluster(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    for _ in range(3):
        ends()
    postman.driver.sql(
        "UPDATE generation_events SET transaction_id = transaction_id + 1000000000, at = at - interval '9 days'"
    )
    postman.driver.sql("UPDATE webhook_cursor SET transaction_id = transaction_id + 1000000000")
    postman.run()
    postman.endpoint(receiver.url)
    mine = ends()

    postman.run()
    postman.run()

    assert [one.data["id"] for one in receiver.got] == [str(mine)]


def test_an_event_number_that_is_used_again_after_a_restore_makes_another_webhook_id(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    postman.endpoint(receiver.url)
    numbered_anew = "TRUNCATE generation_events, webhook_deliveries RESTART IDENTITY"
    postman.driver.sql(numbered_anew)
    lost = ends()
    postman.run()
    postman.driver.sql(numbered_anew)
    after = ends()
    postman.run()

    assert [one.data["id"] for one in receiver.got] == [str(lost), str(after)]
    assert len({one.id for one in receiver.got}) == 2


def test_a_sweep_goes_on_while_somebody_tests_an_endpoint_that_is_down(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    id, _ = postman.endpoint(receiver.url)
    receiver.says(500)
    for _ in range(5):
        ends()
    postman.run()
    assert postman.get(id).health == "down"

    postman.store.probe_soon(id)

    assert postman.store.endpoints_next([id])[id] <= 0
    postman.webhooks.sweep()


# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/hook", "must begin with https://"),
        ("https://127.0.0.1/hook", "must be a public address"),
        ("https://169.254.169.254/latest", "must be a public address"),
        ("https://user:secret@example.com/", "user or a password"),
        ("ftp://example.com/", "must begin with https://"),
        ("HTTPS://example.com/", "must begin with https://"),
        ("https://example.com/#part", "no #"),
        ("not an address", "must begin with https://"),
    ],
)
def test_an_address_that_must_not_be_sent_to_is_refused_when_it_is_given(url: str, words: str):
    with pytest.raises(InvalidRequest, match=words):
        EndpointRequest.checked({"owner": "alice", "url": url}, local=False)


def test_a_name_that_resolves_to_a_private_address_is_refused_when_it_is_given_and_at_every_connection(
    receiver: Receiver,
):
    def private(_: str) -> list[object]:
        return [ip_address("127.0.0.1")]

    with pytest.raises(InvalidRequest, match="public"):
        EndpointRequest.checked({"owner": "a", "url": "https://hooks.example.com/"}, local=False, look_up=private)
    port = receiver.url.split(":")[2]
    outcome = send(f"https://hooks.example.com:{port}", "{}", {}, local=False, http=lambda: session(look_up=private))
    assert isinstance(outcome, Unreachable)
    assert "public addresses only" in outcome.words
    assert receiver.got == []


# -- secrets, tests, replays, housekeeping ----------------------------------------------------------------------------


def test_while_a_secret_is_rotated_both_verify_and_afterwards_only_the_new_one(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    id, old = postman.endpoint(receiver.url)
    postman.store.rotate_secret(id, new := "whsec_" + "Q" * 40, keep_s=HOUR_S)
    ends()
    postman.run()
    both = receiver.got[0]
    assert both.verified(old) == both.verified(new)
    assert len(both.headers["webhook-signature"].split(" ")) == 2

    postman.pass_time(2 * HOUR_S)
    ends()
    postman.run()
    after = receiver.got[1]
    after.verified(new)
    with pytest.raises(Exception, match="No matching signature"):
        after.verified(old)
    assert postman.get(id).secrets == 1


def test_a_replay_sends_what_ended_again_under_the_same_ids_and_what_was_never_sent(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID], client: Client
):
    id, _ = postman.endpoint(receiver.url)
    first, second = ends(), ends()
    postman.run()
    ids = [one.id for one in receiver.got]

    assert client.replay_webhook(id, event_id=ids[0]) == 1
    postman.pass_time(1)
    postman.run()
    assert [one.id for one in receiver.got] == [*ids, ids[0]]
    assert receiver.got[2].body == receiver.got[0].body

    assert client.disable_webhook(id)
    missed = ends()
    postman.run()
    with pytest.raises(WrongState, match="enable it first"):
        client.replay_webhook(id, failed=True)
    assert client.enable_webhook(id)
    assert client.replay_webhook(id, since=datetime.now(UTC) - timedelta(hours=1)) == 3
    postman.pass_time(1)
    postman.run()
    assert {one.data["id"] for one in receiver.got[3:]} == {str(one) for one in (first, second, missed)}
    with pytest.raises(InvalidRequest):
        client.replay_webhook(id)


def test_a_test_goes_out_though_much_waits_and_is_tried_once(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID], client: Client
):
    id, secret = postman.endpoint(receiver.url, event_types=["project.failed"])
    number = client.test_webhook(id)
    postman.run()
    postman.webhooks.work([id])
    assert receiver.got[0].verified(secret)["type"] == "webhook.test"
    assert client.webhook_delivery(id, number).status == "delivered"

    receiver.says(500)
    number = client.test_webhook(id)
    postman.webhooks.work([id])
    assert client.webhook_delivery(id, number).status == "failed"
    assert len(receiver.got) == 2


def test_an_owner_that_is_erased_leaves_no_endpoint_and_what_was_sent_long_ago_is_pruned(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID]
):
    id, _ = postman.endpoint(receiver.url)
    ends()
    postman.run()
    receiver.says(500)
    ends()
    postman.run()
    postman.pass_time(31 * 24 * HOUR_S)

    assert postman.store.prune_deliveries(30 * 24 * HOUR_S).gone == 1
    assert [one.status for one in postman.deliveries(id)] == ["waiting"]
    assert postman.store.erase_endpoints("alice", really=False).old == 1
    assert postman.store.erase_endpoints("alice").gone == 1
    with pytest.raises(EndpointNotFound):
        postman.get(id)


def test_no_secret_and_no_address_is_in_a_line_of_the_log_or_in_what_is_told(
    postman: Postman, receiver: Receiver, ends: Callable[..., uuid.UUID], caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    id, secret = postman.endpoint(f"{receiver.url}?token=hush-hush-hush")
    receiver.says(500, secret.encode())
    ends()
    postman.run()

    told = json.dumps([postman.get(id).to_json(), *(one.to_json() for one in postman.deliveries(id))])
    lines = "\n".join(
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name.startswith("vidpoll")
    )
    assert secret.removeprefix("whsec_") not in told + lines
    assert "hush-hush-hush" not in lines
    assert "generation.failed" in lines
