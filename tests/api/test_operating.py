import json
import uuid

import pytest

from tests.api.serving import Caller, key_of, served, until
from tests.integration.driver import Driver
from vidpoll.api import create_app
from vidpoll.api.settings import ApiSettings
from vidpoll.generation import Failure, Status
from vidpoll.keys import new_key, split


def test_the_queue_says_what_waits_and_for_how_long(alice: Caller, driver: Driver, make_request):
    driver.submitted(make_request())
    driver.accepted(make_request())
    driver.sql("UPDATE generations SET created_at = now() - interval '1 minute' WHERE status = 'pending'")

    queue = alice.get("/v1/queue").json()

    assert {name: one["count"] for name, one in queue.items()} == {
        "pending": 1, "submitting": 0, "processing": 1, "unknown": 0,
    }  # fmt: skip
    assert 60 <= queue["pending"]["oldest_s"] < 120


def test_the_statistics_count_how_generations_ended(alice: Caller, driver: Driver, make_request, services):
    ids = [driver.submitted(make_request()) for _ in range(4)]
    for id in ids[:2]:
        services.store.completed(id, "https://v", {"videos": ["https://v"]})
    services.store.failed(ids[2], Failure("content_filtered", "no"), expected=Status.PROCESSING)
    old = driver.accepted(make_request())
    driver.sql("UPDATE generations SET created_at = now() - interval '3 hours' WHERE id = %s", old)

    stats = alice.get("/v1/stats", params={"hours": 2}).json()

    assert (stats["total"], stats["completed"], stats["failed"], stats["cancelled"]) == (4, 2, 1, 0)
    assert stats["success_rate"] == pytest.approx(2 / 3)
    assert stats["errors"] == {"content_filtered": 1}
    assert stats["average_checks"] == pytest.approx(2 / 3)
    assert stats["average_submits"] == 1
    assert stats["average_completion_s"] >= stats["average_run_s"] >= 0


def test_nothing_to_count_is_null_not_an_error(alice: Caller):
    stats = alice.get("/v1/stats").json()

    assert stats["total"] == 0
    assert stats["success_rate"] is stats["average_completion_s"] is stats["average_checks"] is None


def test_the_metrics_count_answers_streams_and_what_is_open(caller, driver: Driver, make_request, app):
    operator = caller("alice", "operate", "read")
    driver.accepted(make_request())
    with operator.get("/v1/events", stream=True):
        until(lambda: app.state.parts.tail.count() == 1)
        text = operator.get("/metrics").text

    assert 'vidpoll_generations_open{account="vertex",provider="veo",status="pending"} 1.0' in text
    assert "vidpoll_api_streams 1.0" in text
    assert 'vidpoll_api_requests_total{method="GET",status="200"}' in text


def test_a_key_tells_what_it_is_good_for(caller):
    reader = caller("alice", "read")

    told = reader.get("/v1/key").json()

    assert told == {"id": split(reader.key)[0], "owner": "alice", "scopes": ["read"]}


def test_new_keys_are_all_different_and_can_be_taken_apart():
    keys = {new_key()[1] for _ in range(1000)}

    assert len(keys) == 1000
    assert all(split(key) for key in keys)


@pytest.mark.parametrize(
    "path", ["/", "/vidpoll.js", "/vidpoll.d.ts", "/page.js", "/page.css", "/favicon.svg", "/v1/queue", "/nothing"]
)
def test_every_answer_keeps_browsers_careful(alice: Caller, path: str):
    answer = alice.get(path)

    policy = answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in alice.get(path, headers={"Origin": "https://evil.example"}).headers


def test_probes_may_ask_by_head(alice: Caller):
    assert [alice.head(path).status_code for path in ("/healthz", "/readyz", "/")] == [200, 200, 200]


def test_what_nobody_expected_is_a_500_that_is_counted_and_says_nothing(caller, app, monkeypatch):
    operator = caller("alice", "read", "operate")

    def breaks(*_):
        raise RuntimeError("inside")

    monkeypatch.setattr(app.state.parts.store, "get_of", breaks)
    monkeypatch.setattr(app.state.parts.live, "status", breaks)
    answers = [operator.get(f"/v1/generations/{uuid.uuid4()}{end}") for end in ("", "/status")]

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "inside" not in answer.text
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert 'vidpoll_api_requests_total{method="GET",status="500"} 2.0' in operator.get("/metrics").text


def test_the_page_has_no_script_or_style_of_its_own(alice: Caller):
    page = alice.get("/").text

    assert alice.get("/").headers["Content-Type"].startswith("text/html")
    assert "<style" not in page
    assert " style=" not in page
    assert all("src=" in tag for tag in page.split("<script")[1:])
    assert not any(f" on{event}=" in page for event in ("click", "load", "error", "submit"))


@pytest.mark.parametrize("path", ["/../app.py", "/%2e%2e/app.py", "/..%2fapp.py", "//etc/passwd", "/\x00"])
def test_nothing_but_the_page_is_served(alice: Caller, path: str):
    answer = alice.get(alice.url + path)

    assert answer.status_code in (400, 404)
    assert "import" not in answer.text


def test_pages_of_configured_origins_may_use_the_api(settings, services):
    app = create_app(settings, ApiSettings(cors_origins=["https://shop.example"]))
    with served(app) as url, Caller(url, key_of(services.store, "alice")) as alice:
        good = alice.get("/v1/queue", headers={"Origin": "https://shop.example"})
        bad = alice.get("/v1/queue", headers={"Origin": "https://evil.example"})

    assert good.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Origin" not in bad.headers


def test_what_is_too_much_for_a_key_is_refused_politely(settings, services, driver: Driver, make_request):
    app = create_app(settings, ApiSettings(read_limit="5/minute", write_limit="2/minute"))
    with served(app) as url, Caller(url, key_of(services.store, "alice")) as alice:
        answers = [alice.get("/v1/queue") for _ in range(6)]
        written = [alice.post("/v1/generations", json={}) for _ in range(3)]
        with Caller(url, key_of(services.store, "alice")) as other_key:
            assert other_key.get("/v1/queue").status_code == 200

    assert [one.status_code for one in answers] == [200] * 5 + [429]
    assert [one.status_code for one in written] == [422, 422, 429]
    assert answers[-1].json()["code"] == "rate_limited"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_a_generation_is_refreshed_every_five_seconds_at_most(
    alice: Caller, driver: Driver, make_request, redis_client
):
    id, waiting = driver.submitted(make_request()), driver.accepted(make_request())

    first, second = (alice.post(f"/v1/generations/{id}/refresh") for _ in range(2))
    too_early = alice.post(f"/v1/generations/{waiting}/refresh")

    assert (first.status_code, second.status_code) == (202, 429)
    assert 1 <= int(second.headers["Retry-After"]) <= 5
    assert (too_early.status_code, too_early.json()["code"]) == (409, "wrong_state")
    assert redis_client.llen("accept") == 1


def test_a_cancel_is_asked_once_and_an_ended_one_cannot_be_cancelled(
    alice: Caller, driver: Driver, make_request, services
):
    id = driver.submitted(make_request())

    assert alice.post(f"/v1/generations/{id}/cancel").status_code == 202
    assert driver.get(id).cancel_requested_at
    services.store.completed(id, "https://v", {"videos": []})
    again = alice.post(f"/v1/generations/{id}/cancel")

    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")


def test_a_failed_one_is_asked_for_anew_once(alice: Caller, driver: Driver, make_request, services):
    request = make_request(params={"durationSeconds": 8}, priority=3, project_id="film", idempotency_key="k")
    id = driver.submitted(request)
    early = alice.post(f"/v1/generations/{id}/retry")
    services.store.failed(id, Failure("content_filtered", "no"), expected=Status.PROCESSING)

    first, again = (alice.post(f"/v1/generations/{id}/retry").json() for _ in range(2))

    assert (early.status_code, early.json()["code"]) == (409, "wrong_state")
    assert first["new"] is True
    assert again == {**first, "new": False}
    whole = alice.get(f"/v1/generations/{first['id']}").json()
    assert whole["retry_of"] == str(id)
    assert {name: whole[name] for name in ("prompt", "params", "priority", "project_id", "model")} == {
        "prompt": request.prompt, "params": {"durationSeconds": 8}, "priority": 3, "project_id": "film", "model": "veo-fast",
    }  # fmt: skip


def test_pages_go_through_all_generations_the_newest_first(alice: Caller, driver: Driver, make_request):
    ids = [str(driver.accepted(make_request(project_id="film" if number % 2 else None))) for number in range(7)]
    driver.sql("UPDATE generations SET created_at = '2026-01-01T00:00:00Z'")  # the order of equals must not lose any

    def walk(**wanted: str) -> list[str]:
        found, cursor = [], None
        while True:
            page = alice.get("/v1/generations", params={"limit": 2, "cursor": cursor, **wanted}).json()
            found += [one["id"] for one in page["items"]]
            cursor = page["next"]
            if cursor is None:
                return found

    assert sorted(walk()) == sorted(ids)
    assert sorted(walk(project="film")) == sorted(ids[1::2])
    assert walk(status="completed") == []


@pytest.mark.parametrize("cursor", ["x", "====", "MjAyNi0wMS0wMSBub3RhbmlkCg==", "\u00fc", "bm8gZGF0ZSBhdCBhbGw="])
def test_a_cursor_that_no_page_gave_is_refused(alice: Caller, cursor: str):
    answer = alice.get("/v1/generations", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_everything_about_one_shows_nothing_of_the_inside(alice: Caller, driver: Driver, make_request):
    id = driver.submitted(make_request())
    driver.check()

    whole = alice.get(f"/v1/generations/{id}")

    assert driver.get(id).operation_name not in whole.text
    assert not {"account", "operation_name", "submit_token", "owner"} & json.loads(whole.text).keys()
