"""The judge itself: what the adapters' tests rely on, and what a test without sockets may do with it."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.waiting import until
from vidpoll.simulator import Call, Durations, Faults, Reply, Simulator, World, answer, trouble


class Clock:
    """A clock turned by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timeless(clock: Clock) -> World:
    """Vendors whose jobs take 100 virtual seconds."""
    return World(Durations(median_s=100, sigma=0, fixed_s=0), seed=7, clock=clock)


def ask(world: World, method: str, path: str, body: object = None) -> Reply:
    headers = {"authorization": "Bearer k", "x-goog-api-key": "k"}
    return answer(world, Call(method, path, headers, json.dumps(body).encode()))


def runware(world: World) -> Callable[[], Any]:
    task = {"taskType": "videoInference", "taskUUID": "t", "model": "m", "positivePrompt": "p"}
    ask(world, "POST", "/runware/v1", [{**task, "deliveryMethod": "async"}])
    look = [{"taskType": "getResponse", "taskUUID": "t"}]
    return lambda: ask(world, "POST", "/runware/v1", look).body["data"][0]["status"]


def gemini(world: World) -> Callable[[], Any]:
    path = "/gemini/v1beta/models/m:predictLongRunning"
    name = ask(world, "POST", path, {"instances": [{"prompt": "p"}]}).body["name"]
    return lambda: ask(world, "GET", f"/gemini/v1beta/{name}").body.get("done", False)


def replicate(world: World) -> Callable[[], Any]:
    id = ask(world, "POST", "/replicate/v1/models/o/m/predictions", {"input": {"prompt": "p"}}).body["id"]
    return lambda: ask(world, "GET", f"/replicate/v1/predictions/{id}").body["status"]


@pytest.mark.parametrize(
    ("vendor", "before", "after"),
    [(runware, "processing", "success"), (gemini, False, True), (replicate, "processing", "succeeded")],
)
def test_a_world_goes_by_its_own_clock_and_needs_no_sockets(
    timeless: World, clock: Clock, vendor: Callable[[World], Callable[[], Any]], before: object, after: object
):
    look = vendor(timeless)

    clock.now += 99
    assert look() == before
    clock.now += 1
    assert look() == after


def test_jobs_wait_in_the_vendors_queue_as_long_as_they_are_told_to(timeless: World, clock: Clock):
    timeless.durations.queue_s = 50
    for number in range(400):
        timeless.accept("k", "m", samples=1, reference=str(number), name=str(number))

    waits = [job["starts_at"] - job["accepted_at"] for job in timeless.jobs()]
    runs = [job["ready_at"] - job["starts_at"] for job in timeless.jobs()]

    assert 40 < sum(waits) / len(waits) < 60
    assert min(waits) < 5
    assert max(waits) > 100
    assert all(run == pytest.approx(100) for run in runs)


def test_a_job_waits_then_runs_and_its_progress_counts_from_its_start(timeless: World, clock: Clock):
    timeless.durations.queue_s = 50
    job = timeless.accept("k", "m", samples=1, reference="r", name="n")

    seen = [timeless.seen(job)]
    for clock.now in (job.starts_at - 1, job.starts_at, job.starts_at + 50, job.ready_at):
        seen.append(timeless.seen(job))

    assert [one.state for one in seen] == ["queued", "queued", "running", "running", "ready"]
    assert [one.progress for one in seen[:4]] == [0, 0, 0, 50]


@pytest.mark.parametrize("queue_s", ["soon", -1, True, float("nan"), float("inf")])
def test_a_wrong_duration_is_refused(simulator: Simulator, queue_s: object):
    refused = requests.post(f"{simulator.url}/_sim/durations", data=json.dumps({"queue_s": queue_s}), timeout=5)

    assert refused.status_code == 400
    assert "queue_s" in refused.json()["error"]


def test_the_queue_is_set_over_http(simulator: Simulator):
    told = requests.post(f"{simulator.url}/_sim/durations", json={"queue_s": 7}, timeout=5).json()

    assert (told["queue_s"], simulator.world.durations.queue_s) == (7.0, 7.0)


def test_rate_limits_go_by_the_clock_too(timeless: World, clock: Clock):
    timeless.limits["status"] = 2

    def status() -> int:
        return ask(timeless, "GET", "/replicate/v1/predictions").status

    assert [status(), status(), status()] == [200, 200, 429]
    clock.now += 0.9
    assert status() == 429
    clock.now += 1.1
    assert status() == 200


@pytest.mark.parametrize(
    ("form", "header", "told"),
    [
        ("", "RateLimit", [None, None, None, None]),
        (
            "ratelimit",
            "RateLimit",
            ['"default";r=1;t=1', '"default";r=0;t=1', '"default";r=0;t=1', '"default";r=1;t=1'],
        ),
        ("ratelimit-3", "RateLimit-Remaining", ["1", "0", "0", "1"]),
        ("ratelimit-3", "RateLimit-Reset", ["1", "1", "1", "1"]),
        ("x-ratelimit", "x-ratelimit-remaining-requests", ["1", "0", "0", "1"]),
        ("x-ratelimit", "x-ratelimit-reset-requests", ["1000ms", "750ms", "750ms", "1000ms"]),
    ],
)
def test_what_is_left_of_the_limit_is_told_if_it_is_to_be(
    timeless: World, clock: Clock, form: str, header: str, told: list
):
    timeless.limits["status"], timeless.faults.quota = 2, form
    replies = []
    for pause in (0, 0.25, 0.25, 2):
        clock.now += pause
        replies.append(ask(timeless, "GET", "/replicate/v1/predictions"))

    assert [reply.status for reply in replies] == [200, 200, 429, 200]
    assert [reply.headers.get(header) for reply in replies] == told


def test_a_slow_answer_says_how_slow_and_the_job_is_taken_at_once(timeless: World):
    timeless.faults.submit_delay_s = 90

    reply = ask(timeless, "POST", "/replicate/v1/models/o/m/predictions", {"input": {"prompt": "p"}})

    assert (reply.delay_s, timeless.report()["charged"]) == (90, 1)


def test_the_same_request_twice_is_a_duplicate_charge(timeless: World):
    for prompt in ("p", "p", "q"):
        ask(timeless, "POST", "/replicate/v1/models/o/m/predictions", {"input": {"prompt": prompt}})

    assert (timeless.report()["charged"], timeless.report()["duplicate_charges"]) == (3, 1)
    assert len({job["reference"] for job in timeless.jobs()}) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"no_such": 1}, "no fault 'no_such'"),
        ({"submit_500": -1}, "number from 0 up"),
        ({"submit_500": True}, "number from 0 up"),
        ({"submit_500": "1"}, "number from 0 up"),
        ({"submit_500": float("nan")}, "number from 0 up"),
        ({"not_found_first": 1.5}, "whole number"),
        ({"not_found_first": float("inf")}, "number from 0 up"),
        ({"quota": "some"}, "empty or one of ratelimit"),
        ({"quota": 1}, "empty or one of ratelimit"),
    ],
)
def test_a_wrong_fault_is_refused(changes: dict, told: str):
    with pytest.raises(ValueError, match=told):
        Faults().change(changes)


def test_faults_are_changed_by_name():
    faults = Faults()
    faults.change({"submit_500": 1, "not_found_first": 3.0, "retry_after": 7})

    assert (faults.submit_500, faults.not_found_first, faults.retry_after) == (1.0, 3, "7")


@pytest.mark.parametrize(
    ("asked", "status", "part", "told"),
    [
        ("bytes=0-99", 206, slice(0, 100), "bytes 0-99/{}"),
        ("bytes=100-", 206, slice(100, None), "bytes 100-{last}/{}"),
        ("bytes=-10", 206, slice(-10, None), "bytes {tenth_last}-{last}/{}"),
        ("bytes=100-999999", 206, slice(100, None), "bytes 100-{last}/{}"),
        ("bytes=999999-", 416, slice(0), "bytes */{}"),
        ("bytes=-0", 416, slice(0), "bytes */{}"),
        ("bytes=0-1,5-6", 200, slice(None), None),
        ("bytes=-", 200, slice(None), None),
        ("lines=0-1", 200, slice(None), None),
    ],
)
def test_a_part_of_a_video_can_be_asked_for(
    simulator: Simulator, asked: str, status: int, part: slice, told: str | None
):
    video = requests.get(f"{simulator.url}/files/any.webm", timeout=5).content

    reply = requests.get(f"{simulator.url}/files/any.webm", headers={"Range": asked}, timeout=5)

    size = len(video)
    told = told and told.format(size, last=size - 1, tenth_last=size - 10)
    assert (reply.status_code, reply.content) == (status, video[part])
    assert reply.headers.get("Content-Range") == told


def test_a_connection_carries_on_after_a_head(simulator: Simulator):
    with requests.Session() as session:
        for path in ("/files/any.webm", "/replicate/v1/predictions", "/_sim/report"):
            assert session.head(f"{simulator.url}{path}", timeout=5).content == b""
        assert session.get(f"{simulator.url}/_sim/report", timeout=5).json()["status_calls"] == 0


def test_videos_can_only_be_read(simulator: Simulator):
    assert requests.post(f"{simulator.url}/files/any.webm", timeout=5).status_code == 405


def test_a_huge_answer_stops_when_the_client_hangs_up(simulator: Simulator, monkeypatch: pytest.MonkeyPatch):
    stopped = []

    def endless(length: int) -> Iterator[bytes]:
        try:
            while True:
                yield bytes(100_000)
        finally:
            stopped.append(length)

    monkeypatch.setattr(trouble, "_json_of", endless)
    simulator.world.faults.status_huge = 1
    with _looking(simulator) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 200")

    until(lambda: stopped, within_s=10)


@pytest.mark.parametrize("fault", ["status_drip", "status_drip_headers", "submit_delay_s"])
def test_a_slow_answer_ends_when_the_simulator_stops(world: World, fault: str):
    setattr(world.faults, fault, 100)
    with Simulator(world) as simulator:
        client = _looking(simulator) if fault.startswith("status") else _submitting(simulator)
        until(lambda: world.report()["status_calls"] + world.report()["submit_calls"])

    client.settimeout(10)
    with client:
        until(lambda: not client.recv(1000), within_s=10)


def _looking(simulator: Simulator) -> socket.socket:
    return _call(simulator, "GET", "/predictions", "")


def _submitting(simulator: Simulator) -> socket.socket:
    return _call(simulator, "POST", "/models/o/m/predictions", '{"input": {"prompt": "p"}}')


def _call(simulator: Simulator, method: str, path: str, body: str) -> socket.socket:
    url = urlsplit(simulator.url)
    client = socket.create_connection((url.hostname, url.port))
    head = f"{method} /replicate/v1{path} HTTP/1.1\r\nAuthorization: Bearer k\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall((head + body).encode())
    return client
