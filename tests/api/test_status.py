import threading
import time
import uuid
from contextlib import suppress

import pytest
import requests

from tests.api.serving import Caller, until
from tests.integration.driver import Driver
from vidpoll.generation import Failure, Status
from vidpoll.simulator import Durations
from vidpoll.store.live import _HORIZON as HORIZON
from vidpoll.store.live import _STATUS as STATUS


def status_of(who: Caller, id: object, **headers: str):
    return who.get(f"/v1/generations/{id}/status", headers=headers)


def test_a_status_says_how_it_stands_and_when_to_look_again(alice: Caller, driver: Driver, make_request, world):
    world.durations = Durations(median_s=60, sigma=0, fixed_s=0)
    id = driver.submitted(make_request())
    driver.check()

    answer = status_of(alice, id)

    assert answer.status_code == 200
    assert answer.json()["id"] == str(id)
    assert answer.json()["status"] == "processing"
    assert 0 < answer.json()["eta_s"] <= 3600
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["ETag"] == f'W/"{driver.get(id).version}"'


def test_a_final_status_has_no_retry_after_and_no_eta(alice: Caller, driver: Driver, make_request):
    id = driver.submitted(make_request(provider="runware", model="google:3@3"), "runware")
    driver.check("runware")

    answer = status_of(alice, id)

    told = {"id": str(id), "status": "completed", "progress": 100, "video_url": driver.get(id).video_url}
    told |= {"seed": driver.get(id).result["seed"]} if "seed" in driver.get(id).result else {}
    assert told.items() <= answer.json().items()
    assert set(answer.json()) - set(told) <= {"elapsed_s", "checks"}
    assert "Retry-After" not in answer.headers


def test_nothing_new_is_a_304_without_a_body(alice: Caller, driver: Driver, make_request):
    id = driver.submitted(make_request())
    etag = status_of(alice, id).headers["ETag"]

    unchanged = status_of(alice, id, **{"If-None-Match": etag})
    driver.check()
    changed = status_of(alice, id, **{"If-None-Match": etag})

    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", etag)
    assert "Retry-After" in unchanged.headers
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag


@pytest.mark.parametrize("etag", ["*", '"x"', 'W/"99999999999999999999"', "", "\xff"])
def test_an_etag_that_is_not_ours_gets_the_whole_answer(alice: Caller, driver: Driver, make_request, etag: str):
    assert status_of(alice, driver.accepted(make_request()), **{"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize(
    ("video_url", "message"),
    [
        ("https://example.com/" + "a" * 2000, ""),
        ("https://example.com/" + "ü" * 100, ""),
        ("gs://bucket/" + "v" * 130, ""),
        ("", "no " * 500),
        ("", "größer 🦊 " * 60),
        ("", '"\\' * 200),
    ],
)
def test_a_status_never_has_more_than_200_bytes(
    alice: Caller, driver: Driver, make_request, services, video_url: str, message: str
):
    id = driver.submitted(make_request())
    if video_url:
        services.store.completed(id, video_url, {"videos": [video_url], "seed": 2**63})
    else:
        services.store.failed(id, Failure("content_filtered", message), expected=Status.PROCESSING)

    answer = status_of(alice, id)

    assert len(answer.content) <= 200
    assert answer.json()["status"] in ("completed", "failed")
    if video_url:
        shown = answer.json()["video_url"]
        assert shown in (video_url, f"/v1/generations/{id}/video")
    else:
        assert message.startswith(answer.json()["error"]["message"])
        assert len(answer.json()["error"]["message"]) > 10


def test_the_path_shown_instead_of_a_long_url_leads_to_the_video(alice: Caller, driver: Driver, make_request, services):
    id, url = driver.submitted(make_request()), "https://example.com/" + "a" * 2000
    services.store.completed(id, url, {"videos": [url]})

    answer = alice.get(status_of(alice, id).json()["video_url"], allow_redirects=False)

    assert (answer.status_code, answer.headers["Location"]) == (302, url)


def test_a_video_that_is_not_there_or_not_on_the_web_is_a_404_with_a_reason(
    alice: Caller, driver: Driver, make_request, services
):
    waiting, elsewhere = driver.accepted(make_request()), driver.submitted(make_request())
    services.store.completed(elsewhere, "javascript:alert(1)", {"videos": ["javascript:alert(1)"]})

    for id in (waiting, elsewhere):
        answer = alice.get(f"/v1/generations/{id}/video", allow_redirects=False)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_video")


def test_a_held_answer_comes_when_the_generation_ends(app, alice: Caller, driver: Driver, make_request):
    id = driver.submitted(make_request())
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(status_of(alice, id, Prefer="wait=30")))
    waiting.start()
    until(lambda: app.state.parts.tail.count("alice") == 1)

    driver.check()
    waiting.join(20)

    assert answers[0].json()["status"] == "completed"


def test_an_answer_held_for_a_change_comes_with_the_next_version(app, alice: Caller, driver: Driver, make_request):
    id = driver.accepted(make_request())
    etag = status_of(alice, id).headers["ETag"]
    answers = []
    headers = {"Prefer": "respond-async, wait=30", "If-None-Match": etag}
    waiting = threading.Thread(target=lambda: answers.append(status_of(alice, id, **headers)))
    waiting.start()
    until(lambda: app.state.parts.tail.count("alice") == 1)

    driver.submit()
    waiting.join(20)

    assert answers[0].status_code == 200
    assert answers[0].headers["ETag"] != etag


def test_an_answer_is_held_no_longer_than_asked(alice: Caller, driver: Driver, make_request):
    id = driver.accepted(make_request())

    began = time.monotonic()
    answer = status_of(alice, id, Prefer="wait=1")

    assert answer.json()["status"] == "pending"
    assert time.monotonic() - began >= 1


def test_an_answer_nobody_waits_for_any_more_is_not_held(app, alice: Caller, driver: Driver, make_request):
    id, tail = driver.accepted(make_request()), app.state.parts.tail
    with suppress(requests.RequestException):
        alice.get(f"/v1/generations/{id}/status", headers={"Prefer": "wait=60"}, timeout=0.3)

    until(lambda: tail.count("alice") == 0, within_s=10)


def test_any_of_several_etags_will_do(alice: Caller, driver: Driver, make_request):
    id = driver.accepted(make_request())

    assert status_of(alice, id, **{"If-None-Match": 'W/"7", W/"1"'}).status_code == 304
    assert status_of(alice, id, **{"If-None-Match": 'W/"7", "8"'}).status_code == 200


def test_both_ways_to_a_status_answer_alike(alice: Caller, driver: Driver, make_request):
    id = driver.accepted(make_request())
    ways = [f"/v1/generations/{id}/status", f"/v1/generations/{id.hex}/status"]  # the framework's takes other spellings

    for headers in ({}, {"If-None-Match": 'W/"1"'}, {"Prefer": "wait=0"}, {"Authorization": "Bearer no"}):
        short, long = (alice.get(way, headers=headers) for way in ways)
        assert (short.status_code, short.content) == (long.status_code, long.content)
        assert {**short.headers, "date": ""} == {**long.headers, "date": ""}


def test_many_statuses_are_one_statement_in_the_order_asked_for(
    alice: Caller, bob: Caller, driver: Driver, make_request
):
    ids = [driver.accepted(make_request()) for _ in range(5)]
    foreign, nobodys = driver.accepted(make_request(owner="bob")), uuid.uuid4()
    asked = [ids[3], foreign, ids[0], nobodys, ids[3]]

    answer = alice.get("/v1/generations/status", params={"ids": ",".join(map(str, asked))}).json()

    assert [one["id"] for one in answer["generations"]] == [str(ids[3]), str(ids[0])]
    assert answer["not_found"] == [str(foreign), str(nobodys)]


@pytest.mark.parametrize("ids", ["", ",", "x", ",".join(str(uuid.uuid4()) for _ in range(201))])
def test_a_list_of_ids_that_cannot_be_used_is_refused(alice: Caller, ids: str):
    answer = alice.get("/v1/generations/status", params={"ids": ids})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_status_read_is_one_statement(app, alice: Caller, driver: Driver, make_request, monkeypatch):
    id, said, live = driver.accepted(make_request()), [], app.state.parts.live
    status_of(alice, id)  # the key is known from here on
    once = live._once

    async def noted(query, given):
        said.append(query)
        return await once(query, given)

    monkeypatch.setattr(live, "_once", noted)
    for _ in range(10):
        status_of(alice, id)

    assert len([one for one in said if one == STATUS]) == 10
    assert set(said) <= {STATUS, HORIZON}
