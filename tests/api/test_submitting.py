import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.api.serving import Caller, key_of, served, until
from tests.integration.driver import Driver
from vidpoll.api import create_app
from vidpoll.api.settings import ApiSettings
from vidpoll.generation import Failure, Status

VEO = {"provider": "veo", "model": "veo-fast", "prompt": "a lion at dawn"}


def waiting_messages(redis_client) -> int:
    return redis_client.llen("accept")


def test_a_request_answers_202_with_an_id_that_belongs_to_the_keys_owner(alice: Caller, services, redis_client):
    answer = alice.post("/v1/generations", json=VEO | {"project_id": "film", "priority": 3})

    assert answer.status_code == 202
    made = answer.json()
    assert made["status"] == "pending"
    assert made["new"] is True
    assert answer.headers["Location"] == f"/v1/generations/{made['id']}"
    row = services.store.recent(1)[0]
    assert (str(row.id), row.owner, row.project_id, row.priority) == (made["id"], "alice", "film", 3)
    assert waiting_messages(redis_client) == 1


def test_fifty_requests_at_once_with_one_key_through_two_processes_give_one_generation(
    app, settings, alice: Caller, services, redis_client
):
    other = create_app(settings, ApiSettings())
    with served(other) as other_url:
        urls = [alice.url, other_url]

        def ask(number: int) -> tuple[int, str]:
            with_key = Caller(urls[number % 2], alice.key)
            answer = with_key.post("/v1/generations", json=VEO, headers={"Idempotency-Key": "one"})
            with_key.close()
            return answer.status_code, answer.json()["id"]

        with ThreadPoolExecutor(25) as threads:
            answers = list(threads.map(ask, range(50)))

    assert set(answers) == {(202, answers[0][1])}
    assert len(services.store.recent(10)) == 1
    assert waiting_messages(redis_client) == 1


def test_a_known_key_with_another_body_is_a_conflict_and_nothing_is_sent(alice: Caller, services, redis_client):
    alice.post("/v1/generations", json=VEO, headers={"Idempotency-Key": "one"})

    answer = alice.post("/v1/generations", json=VEO | {"prompt": "a tiger"}, headers={"Idempotency-Key": "one"})

    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_conflict"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(services.store.recent(10)) == 1
    assert waiting_messages(redis_client) == 1


def test_a_null_in_the_body_does_not_undo_the_key_in_the_header(alice: Caller):
    answers = [
        alice.post("/v1/generations", json=VEO | {"idempotency_key": key}, headers={"Idempotency-Key": "one"}).json()
        for key in (None, None, "one")
    ]

    assert [one["new"] for one in answers] == [True, False, False]
    assert len({one["id"] for one in answers}) == 1


def test_two_keys_that_differ_are_refused(alice: Caller, services):
    body, headers = VEO | {"idempotency_key": "one"}, {"Idempotency-Key": "two"}

    single, several = (alice.post("/v1/generations", json=asked, headers=headers) for asked in (body, [body]))

    assert single.json()["errors"] == ["idempotency_key: differs from the one in the header Idempotency-Key"]
    assert several.json()["results"][0]["error"]["code"] == "invalid_request"
    assert services.store.recent(1) == []


def test_owners_share_no_idempotency_keys(alice: Caller, bob: Caller):
    ids = [one.post("/v1/generations", json=VEO | {"idempotency_key": "one"}).json()["id"] for one in (alice, bob)]

    assert ids[0] != ids[1]


def test_the_bad_ones_of_an_array_hold_up_none_of_the_good(alice: Caller, services):
    several = [VEO, {"provider": "veo"}, 7, VEO | {"model": "nobody-makes-it"}, VEO | {"owner": "bob"}, VEO]

    first = alice.post("/v1/generations", json=several, headers={"Idempotency-Key": "film"})
    again = alice.post("/v1/generations", json=several, headers={"Idempotency-Key": "film"})

    results = first.json()["results"]
    assert first.status_code == 202
    assert [one.get("error", {}).get("code") for one in results] == [
        None, "invalid_request", "invalid_request", "unknown_target", "invalid_request", None,
    ]  # fmt: skip
    assert {one.idempotency_key for one in services.store.recent(10)} == {"film/0", "film/5"}
    assert [one.get("id") for one in again.json()["results"]] == [one.get("id") for one in results]
    assert [one.get("new") for one in again.json()["results"]] == [False, None, None, None, None, False]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"prompt": " "}, "prompt: is empty"),
        ({"prompt": "a" * 20_001}, "prompt: string should have at most 20000 characters"),
        ({"prompt": "a\x00b"}, "prompt: contains a NUL character, which cannot be stored"),
        ({"prompt": None}, "prompt: input should be a valid string"),
        ({"priority": 10}, "priority: input should be less than or equal to 9"),
        ({"timeout_s": -1}, "timeout_s: input should be greater than 0"),
        ({"params": {"a": "x" * 70_000}}, "params: is larger than 65536 bytes of JSON"),
        ({"owner": "bob"}, "owner: there is no such field"),
        ({"id": "6f1d8c0e-5d0f-4c61-9f0e-0c1b7a3e2d55"}, "id: there is no such field"),
        ({"retry_of": "6f1d8c0e-5d0f-4c61-9f0e-0c1b7a3e2d55"}, "retry_of: there is no such field"),
        ({"\ud800": 1}, "\\ud800: there is no such field"),
        ({"idempotency_key": ""}, "idempotency_key: string should have at least 1 character"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_in_a_sentence(alice: Caller, services, change, problem):
    answer = alice.post("/v1/generations", json=VEO | change)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [problem]
    assert services.store.recent(1) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b'"text"', 422),
        (b"[]", 422),
        (json.dumps([VEO] * 101).encode(), 422),
        (b"[" * 100_000, 400),
        (b'{"params": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001, 400),
        (b'{"provider": "veo", "model": "veo-fast", "prompt": "x", "params": {"a": NaN}}', 422),
        (b'{"provider": "veo", "model": "veo-fast", "prompt": "\\ud800"}', 422),
        (b"\xff\xfe\x00", 400),
        (json.dumps(VEO | {"prompt": "x" * (1 << 20)}).encode(), 413),
    ],
)
def test_a_body_that_is_no_request_is_refused_and_breaks_nothing(alice: Caller, services, body: bytes, status: int):
    answer = alice.post("/v1/generations", data=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    assert services.store.recent(1) == []


def test_a_body_that_never_says_its_length_is_cut_off_at_the_limit(alice: Caller):
    answer = alice.post("/v1/generations", data=(b" " * 65_536 for _ in range(40)))

    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


def test_without_the_broker_a_request_is_stored_and_taken_up_later(settings, services, app, tmp_path):
    away = settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"})
    with served(create_app(away, ApiSettings())) as url, Caller(url, key_of(services.store, "alice")) as alice:
        answer = alice.post("/v1/generations", json=VEO)

    assert answer.status_code == 202
    assert str(services.store.recent(1)[0].id) == answer.json()["id"]


def test_without_postgres_a_request_is_a_clean_503_that_says_when_to_try_again(settings, caplog):
    away = settings.model_copy(update={"database_url": "postgresql://secret-user:secret-word@127.0.0.1:1/none"})
    with served(create_app(away, ApiSettings())) as url, Caller(url, "vp_1_1") as alice:
        answers = [alice.post("/v1/generations", json=VEO), alice.get("/readyz"), alice.get("/v1/queue")]

    for answer in answers:
        assert answer.status_code == 503
        assert answer.json()["code"] == "unavailable"
        assert int(answer.headers["Retry-After"]) > 0
        assert "secret" not in answer.text
    assert "secret" not in caplog.text


def test_whoever_prefers_to_wait_is_answered_when_the_video_is_there(
    app, alice: Caller, driver: Driver, services, lifecycle
):
    answers = []
    ask = threading.Thread(
        target=lambda: answers.append(alice.post("/v1/generations", json=VEO, headers={"Prefer": "wait=30"}))
    )
    ask.start()
    until(lambda: app.state.parts.tail.count("alice") == 1)

    lifecycle.accept(services.store.recent(1)[0].request)
    driver.submit()
    driver.check()
    ask.join(20)

    row, made = services.store.recent(1)[0], answers[0].json()
    assert answers[0].status_code == 200
    assert made == {"id": str(row.id), "status": "completed", "new": True, "video_url": row.video_url}
    assert answers[0].headers["Location"] == f"/v1/generations/{row.id}"


def test_whoever_prefers_to_wait_gets_the_id_when_the_time_is_up(alice: Caller):
    began = time.monotonic()
    answer = alice.post("/v1/generations", json=VEO, headers={"Prefer": "wait=1"})

    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert time.monotonic() - began >= 1


def test_what_has_ended_before_is_answered_at_once(alice: Caller, services):
    key = {"Idempotency-Key": "one"}
    id = uuid.UUID(alice.post("/v1/generations", json=VEO, headers=key).json()["id"])
    services.store.failed(id, Failure("invalid_input", "no"), expected=Status.PENDING)

    answer = alice.post("/v1/generations", json=VEO, headers={**key, "Prefer": "wait=60"})

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["new"]) == ("failed", False)
    assert answer.json()["error"]["message"] == "no"


def test_waiting_callers_hold_up_nobody_else(app, alice: Caller, bob: Caller):
    """More of them than there are threads for requests."""
    waiting = [
        threading.Thread(
            target=lambda: requests.post(
                f"{alice.url}/v1/generations", json=VEO, timeout=30,
                headers={"Authorization": f"Bearer {alice.key}", "Prefer": "wait=60"},
            )
        )
        for _ in range(60)
    ]  # fmt: skip
    for one in waiting:
        one.start()
    until(lambda: app.state.parts.tail.count("alice") == 60)

    assert bob.post("/v1/generations", json=VEO).status_code == 202

    app.state.parts.tail.close()
    for one in waiting:
        one.join(20)


HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(("sent", "kept"), [(HEADER, HEADER), ("junk", None), (HEADER + "-more", None)])
def test_the_callers_trace_context_is_kept_with_each_and_bad_ones_are_ignored(alice: Caller, services, sent, kept):
    assert alice.post("/v1/generations", json=VEO, headers={"traceparent": sent}).status_code == 202
    assert alice.post("/v1/generations", json=[VEO, VEO], headers={"traceparent": sent}).status_code == 202

    assert [one.traceparent for one in services.store.recent(10)] == [kept] * 3
