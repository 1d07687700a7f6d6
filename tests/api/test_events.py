import json
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import psycopg
import pytest
import requests

from tests.api.serving import Caller, key_of, served, until
from tests.integration.driver import Driver
from vidpoll.api import create_app, events
from vidpoll.api.settings import ApiSettings
from vidpoll.errors import StoreUnavailable
from vidpoll.generation import Failure, Status
from vidpoll.retention import prune
from vidpoll.settings import Keep


class Sent(NamedTuple):
    event: str
    id: str
    data: dict[str, Any]


class Stream:
    """A reader of server-sent events, in a thread."""

    def __init__(self, answer: requests.Response) -> None:
        self.answer, self.sent, self.comments, self.ended = answer, list[Sent](), 0, False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for line in self.answer.iter_lines(decode_unicode=True, chunk_size=1):
                name, _, value = line.partition(": ")
                if not line and "data" in fields:
                    self.sent.append(Sent(fields["event"], fields["id"], json.loads(fields["data"])))
                fields = fields | {name: value} if line else {}
                self.comments += line.startswith(":")
        except (requests.RequestException, AttributeError):
            pass
        self.ended = True

    @property
    def generations(self) -> list[dict[str, Any]]:
        return [one.data for one in self.sent if one.event == "generation"]

    @property
    def kinds(self) -> list[str]:
        return [one["kind"] for one in self.generations]


@contextmanager
def stream(who: Caller, path: str, last: str | None = None) -> Iterator[Stream]:
    headers = {"Last-Event-ID": last} if last is not None else {}
    # A session of its own: its connection is cut while the thread reads, and must not go back to anybody's pool.
    with Caller(who.url, who.key) as own, own.get(path, headers=headers, stream=True) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        try:
            yield Stream(answer)
        finally:
            with suppress(OSError, AttributeError):
                answer.raw.connection.sock.shutdown(socket.SHUT_RDWR)  # closing alone would wait for the next byte


def of(id: object) -> str:
    return f"/v1/generations/{id}/events"


def test_a_stream_begins_with_how_it_stands_and_ends_with_the_final_event(alice: Caller, driver: Driver, make_request):
    id = driver.accepted(make_request())
    with stream(alice, of(id)) as opened:
        until(lambda: opened.kinds == ["snapshot"])
        driver.submit()
        driver.check()
        until(lambda: opened.ended)

    assert opened.kinds == ["snapshot", "submitting", "processing", "completed"]
    versions = [one["version"] for one in opened.generations]
    assert versions == sorted(set(versions))
    assert [one.id for one in opened.sent] == [str(version) for version in versions]
    assert opened.generations[-1]["video_url"] == driver.get(id).video_url
    assert versions[-1] == driver.get(id).version


def test_a_stream_of_a_final_generation_tells_it_and_ends(alice: Caller, driver: Driver, make_request):
    id = driver.submitted(make_request())
    driver.check()

    with stream(alice, of(id)) as opened:
        until(lambda: opened.ended)
    again = alice.get(of(id), headers={"Last-Event-ID": opened.sent[-1].id})

    assert [one["status"] for one in opened.generations] == ["completed"]
    assert (again.status_code, again.content) == (204, b"")


def test_a_stream_resumes_after_the_event_that_was_seen_last(alice: Caller, driver: Driver, make_request):
    id = driver.submitted(make_request())
    driver.check()

    with stream(alice, of(id), last="1") as opened:
        until(lambda: opened.ended)

    assert opened.kinds == ["submitting", "processing", "completed"]


@pytest.mark.parametrize("pruned", [(1, 2, 3, 4), (1, 2, 3), (3,), (4,)])
def test_a_stream_of_which_events_were_pruned_tells_how_it_stands_instead(
    alice: Caller, driver: Driver, make_request, pruned: tuple[int, ...]
):
    id = driver.submitted(make_request())
    driver.check()
    driver.sql("DELETE FROM generation_events WHERE version = ANY(%s)", list(pruned))

    with stream(alice, of(id), last="1") as opened:
        until(lambda: opened.ended)

    assert [(one["kind"], one["version"], one["status"]) for one in opened.generations] == [
        ("snapshot", 4, "completed")
    ]


def test_a_stream_goes_on_though_events_before_the_one_seen_last_were_pruned(
    alice: Caller, driver: Driver, make_request
):
    id = driver.submitted(make_request())
    driver.check()
    driver.sql("DELETE FROM generation_events WHERE version <= 2")

    with stream(alice, of(id), last="2") as opened:
        until(lambda: opened.ended)

    assert opened.kinds == ["processing", "completed"]


@pytest.mark.parametrize("last", ["", "x", "-1", "9999", "99999999999999999999", "1.5"])
def test_a_last_event_id_that_is_none_begins_anew(alice: Caller, driver: Driver, make_request, last: str):
    with stream(alice, of(driver.accepted(make_request())), last) as opened:
        until(lambda: opened.kinds == ["snapshot"])


def test_a_generation_that_fails_says_why(alice: Caller, driver: Driver, make_request, services):
    id = driver.submitted(make_request())
    with stream(alice, of(id)) as opened:
        until(lambda: opened.kinds)
        services.store.failed(id, Failure("content_filtered", "no lions", retryable=True), expected=Status.PROCESSING)
        until(lambda: opened.ended)

    assert opened.generations[-1]["error"] == {"code": "content_filtered", "message": "no lions", "retryable": True}


def test_events_do_not_tell_of_the_inside(alice: Caller, driver: Driver, make_request):
    id = driver.submitted(make_request())
    driver.check()

    with stream(alice, of(id), last="0") as opened:
        until(lambda: opened.ended)

    shown = {name for one in opened.generations for name in one}
    times = {"eta_s", "eta_p90_s", "elapsed_s"}
    assert shown == {"id", "version", "kind", "status", "at", "progress", "video_url", "content_type"} | times
    assert driver.get(id).operation_name not in json.dumps(opened.generations)


def test_an_owner_hears_of_all_that_is_the_owners_and_of_nothing_else(alice: Caller, driver: Driver, make_request):
    with stream(alice, "/v1/events") as opened:
        until(lambda: opened.sent)
        mine, foreign = driver.accepted(make_request()), driver.accepted(make_request(owner="bob"))
        driver.submit()
        driver.check()
        until(lambda: "completed" in opened.kinds)

    assert opened.sent[0].event == "ready"
    assert opened.sent[0].data == {"resumed": False}
    assert driver.get(foreign).status is Status.COMPLETED
    assert {one["id"] for one in opened.generations} == {str(mine)}


def test_an_owner_hears_of_one_project_alone_if_asked(alice: Caller, driver: Driver, make_request):
    with stream(alice, "/v1/events?project=film") as opened:
        until(lambda: opened.sent)
        driver.accepted(make_request())
        in_film = driver.accepted(make_request(project_id="film"))
        until(lambda: opened.generations)

    assert {(one["id"], one["project_id"]) for one in opened.generations} == {(str(in_film), "film")}


def test_an_owner_that_comes_back_hears_of_all_it_missed(alice: Caller, driver: Driver, make_request):
    with stream(alice, "/v1/events") as opened:
        until(lambda: opened.sent)
        cursor = opened.sent[0].id
    missed = driver.submitted(make_request())
    driver.check()

    with stream(alice, "/v1/events", cursor) as resumed:
        until(lambda: "completed" in resumed.kinds)

    assert resumed.sent[0].data == {"resumed": True}
    assert [one["version"] for one in resumed.generations if one["id"] == str(missed)] == [1, 2, 3, 4]


def test_an_owner_of_whose_missed_events_some_were_pruned_is_to_list_anew(
    alice: Caller, driver: Driver, make_request, services
):
    with stream(alice, "/v1/events") as opened:
        until(lambda: opened.sent)
        cursor = opened.sent[0].id
    driver.submitted(make_request())
    driver.check()
    prune(services.store, Keep(events_s=0.0), [])
    later = driver.accepted(make_request())

    with stream(alice, "/v1/events", cursor) as resumed:
        until(lambda: resumed.sent)
    newer = resumed.sent[0].id
    with stream(alice, "/v1/events", newer) as again:
        until(lambda: again.sent)

    assert (resumed.sent[0].data, resumed.generations) == ({"resumed": False}, [])
    assert int(newer) > int(cursor)
    assert again.sent[0].data == {"resumed": True}, "what was pruned is older than the new cursor"
    assert driver.get(later).version == 1


def test_an_event_that_commits_after_a_later_one_is_not_missed(
    alice: Caller, driver: Driver, make_request, database_url: str, redis_client
):
    slow, quick = driver.accepted(make_request()), driver.accepted(make_request())
    insert = "INSERT INTO generation_events (generation_id, version, kind, status, owner) VALUES (%s, 2, 'progress', 'pending', 'alice')"
    with psycopg.connect(database_url) as late, stream(alice, "/v1/events") as opened:
        until(lambda: opened.sent)
        late.execute(insert, [slow])  # has its id, and is not committed
        driver.sql(insert, quick)
        redis_client.publish("vidpoll:doorbell", b"")
        until(lambda: [one["id"] for one in opened.generations] == [str(quick)])
        cursor = opened.sent[-1].id
        late.commit()
        until(lambda: [one["id"] for one in opened.generations] == [str(quick), str(slow)])

    with stream(alice, "/v1/events", cursor) as resumed:
        until(lambda: {one["id"] for one in resumed.generations} == {str(quick), str(slow)})


def test_what_a_worker_of_an_older_version_wrote_is_resumed_too(alice: Caller, driver: Driver, make_request):
    with stream(alice, "/v1/events") as opened:
        until(lambda: opened.sent)
        cursor = opened.sent[0].id
    id = driver.accepted(make_request())
    driver.sql("UPDATE generation_events SET owner = NULL")

    with stream(alice, "/v1/events", cursor) as resumed:
        until(lambda: [one["id"] for one in resumed.generations] == [str(id)])


def test_a_cursor_of_another_database_begins_anew(alice: Caller):
    with stream(alice, "/v1/events", "999999999999") as opened:
        until(lambda: opened.sent)

    assert opened.sent[0].data == {"resumed": False}


def test_after_too_much_was_missed_the_generations_are_to_be_listed_anew(
    alice: Caller, driver: Driver, make_request, monkeypatch
):
    monkeypatch.setattr(events, "MOST_RESUMED", 3)
    with stream(alice, "/v1/events") as opened:
        until(lambda: opened.sent)
        cursor = opened.sent[0].id
    for _ in range(4):
        driver.accepted(make_request())

    with stream(alice, "/v1/events", cursor) as resumed:
        until(lambda: resumed.sent)

    assert resumed.sent[0].data == {"resumed": False}
    assert int(resumed.sent[0].id) > int(cursor)


def test_a_lost_ring_only_delays(alice: Caller, driver: Driver, make_request, settings, services):
    deaf = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    id = driver.submitted(make_request())
    with (
        served(create_app(deaf, ApiSettings())) as url,
        Caller(url, alice.key) as elsewhere,
        stream(elsewhere, of(id)) as opened,
    ):
        until(lambda: opened.kinds)
        driver.check()
        until(lambda: opened.ended)

    assert opened.kinds[-1] == "completed"


def test_a_silent_stream_shows_signs_of_life(alice: Caller, driver: Driver, make_request, monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.05)

    with stream(alice, of(driver.accepted(make_request()))) as opened:
        until(lambda: opened.comments >= 3)


def test_a_revoked_key_loses_its_streams(alice: Caller, app, driver: Driver, make_request, services, monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.05)
    with stream(alice, "/v1/events") as opened:
        until(lambda: opened.comments)
        services.store.revoke_key(alice.key.split("_")[1])
        app.state.parts.keyring._known.clear()
        until(lambda: opened.ended)

    assert alice.get("/v1/queue").status_code == 401


def test_a_revoked_key_loses_a_stream_on_which_much_is_going_on(
    alice: Caller, app, driver: Driver, make_request, services, monkeypatch
):
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.3)
    with stream(alice, "/v1/events") as opened:
        until(lambda: opened.sent)
        services.store.revoke_key(alice.key.split("_")[1])
        app.state.parts.keyring._known.clear()
        until(lambda: opened.ended or not driver.accepted(make_request()))


def test_a_burst_reaches_a_reader_that_reads(alice: Caller, services, make_request):
    with stream(alice, "/v1/events") as opened:
        until(lambda: opened.sent)
        services.store.accept_many([(make_request(), None) for _ in range(1000)])
        until(lambda: len(opened.generations) == 1000)


def test_events_go_on_at_once_when_postgres_is_back(alice: Caller, app, driver: Driver, make_request, monkeypatch):
    live = app.state.parts.live
    events_since, fails = live.events_since, True

    async def failing(*given):
        if fails:
            raise StoreUnavailable("Postgres: away")
        return await events_since(*given)

    monkeypatch.setattr(live, "events_since", failing)
    with stream(alice, "/v1/events") as opened:
        until(lambda: opened.sent)
        id = driver.accepted(make_request())
        fails = False
        until(lambda: [one["id"] for one in opened.generations] == [str(id)], within_s=5)


def test_an_owner_has_so_many_streams_and_others_have_theirs(settings, services, driver: Driver, make_request):
    few = create_app(settings, ApiSettings(streams=2))
    with served(few) as url, Caller(url, key_of(services.store, "alice")) as alice:
        with stream(alice, "/v1/events"), stream(alice, "/v1/events"):
            refused = alice.get("/v1/events")
            held = alice.get(
                f"/v1/generations/{driver.accepted(make_request())}/status", headers={"Prefer": "wait=30"}, timeout=5
            )
            with Caller(url, key_of(services.store, "bob")) as bob, stream(bob, "/v1/events") as other:
                until(lambda: other.sent)
        until(lambda: few.state.parts.tail.count("alice") == 0)
        with stream(alice, "/v1/events") as opened:
            until(lambda: opened.sent)

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
    assert int(refused.headers["Retry-After"]) > 0
    assert held.status_code == 200


def test_a_reader_that_goes_away_is_forgotten(alice: Caller, app, driver: Driver, make_request):
    with stream(alice, of(driver.accepted(make_request()))) as opened:
        until(lambda: opened.kinds)
        assert app.state.parts.tail.count() == 1

    until(lambda: app.state.parts.tail.count() == 0)


def test_a_reader_that_does_not_read_is_cut_off_and_holds_up_nobody(
    alice: Caller, app, driver: Driver, make_request, monkeypatch
):
    monkeypatch.setattr(events, "SEND_TIMEOUT_S", 0.5)
    talkative, other = driver.accepted(make_request()), driver.accepted(make_request())
    host, port = alice.url.removeprefix("http://").split(":")
    version = 1

    def tell_much() -> bool:
        nonlocal version
        for _ in range(10):
            version += 1
            driver.sql(
                "INSERT INTO generation_events (generation_id, version, kind, status, owner, data) "
                "VALUES (%s, %s, 'progress', 'pending', 'alice', jsonb_build_object('stage', %s::text))",
                talkative, version, "x" * 100_000,
            )  # fmt: skip
        return app.state.parts.tail.count("alice") == 1

    with socket.create_connection((host, int(port))) as lazy, stream(alice, of(other)) as reading:
        lazy.sendall(f"GET {of(talkative)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.key}\r\n\r\n".encode())
        until(lambda: app.state.parts.tail.count("alice") == 2)
        until(tell_much, within_s=60)
        driver.submit()
        driver.check()
        until(lambda: reading.ended)

    assert reading.kinds[-1] == "completed"


def test_every_client_has_every_final_event_after_the_process_was_ended_and_started(
    settings, services, driver: Driver, make_request
):
    ids = [driver.submitted(make_request()) for _ in range(5)]
    key = key_of(services.store, "alice")
    seen: dict[uuid.UUID, str] = {}
    with served(create_app(settings, ApiSettings())) as url, Caller(url, key) as alice:
        for id in ids:
            with stream(alice, of(id)) as opened:
                until(lambda: opened.sent)
                seen[id] = opened.sent[-1].id
    driver.check()

    with served(create_app(settings, ApiSettings())) as url, Caller(url, key) as alice:
        for id in ids:
            with stream(alice, of(id), seen[id]) as resumed:
                until(lambda: resumed.ended)
            assert resumed.generations[-1]["status"] == "completed"
