"""What is MiniMax's own: errors under HTTP 200, and a file to ask for once the task is done."""

import uuid
from typing import Any

import pytest
import requests

from tests.providers.subject import followed, said, subject_of
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import Operation, Provider
from vidpoll.providers.http import Answer
from vidpoll.providers.outcomes import (
    Ambiguous,
    CheckOutcome,
    Failed,
    FailureClass,
    NotFound,
    Pending,
    RateLimited,
    Ready,
    Refused,
    Submitted,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers.vendors.minimax import _file, _file_id, _outcome, _submitted
from vidpoll.simulator import Simulator, World
from vidpoll.simulator.vendors import minimax
from vidpoll.simulator.wire import Call

MODEL = "MiniMax-Hailuo-2.3"
ASKED = GenerationRequest(provider="minimax", model=MODEL, prompt="a lion", id=uuid.uuid4())
NOT_YET = Pending(stage="done at the provider, the video is not there yet")
OTHER_SHAPE = Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE)


@pytest.fixture
def provider(world: World, simulator: Simulator) -> Provider:
    return subject_of("minimax", world).provider


def request_(**changes: Any) -> GenerationRequest:
    return GenerationRequest(
        **{"provider": "minimax", "model": MODEL, "prompt": "a lion", "id": uuid.uuid4(), **changes}
    )


def submitted(provider: Provider, **changes: Any) -> Operation:
    request = request_(**changes)
    outcome = provider.submit(request, request.id, replay=False)
    assert isinstance(outcome, Submitted), outcome
    return Operation(outcome.operation_name, request.params)


def check(provider: Provider, operation: Operation) -> CheckOutcome:
    return followed(provider.check([operation])[operation.name])


def base(code: int, status: int = 200, headers: dict[str, str] | None = None, **body: object) -> Answer:
    message = "m" if code else "success"
    return said(status, {**body, "base_resp": {"status_code": code, "status_msg": message}}, headers)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (base(0, task_id="361"), Submitted("361")),
        (base(0, task_id=361), Submitted("361")),
        (said(200, {"task_id": "361"}), Submitted("361")),
        (base(0, task_id=""), Ambiguous("HTTP 200 without a task's id: HTTP 200 success")),
        (base(0, task_id=True), Ambiguous("HTTP 200 without a task's id: HTTP 200 success")),
        (base(1002), RateLimited(None)),
        (base(1002, headers={"retry-after": "7"}), RateLimited(7.0)),
        (base(1002, 429), RateLimited(None)),
        (said(429, {}, {"retry-after": "7"}), RateLimited(7.0)),
        (base(1004), Unauthorized("1004: m")),
        (base(1008), Unauthorized("1008: m")),
        (base(2049), Unauthorized("2049: m")),
        (said(401, {}), Unauthorized("HTTP 401 without a word")),
        (said(402, {}), Unauthorized("HTTP 402 without a word")),
        (said(403, {}), Unauthorized("HTTP 403 without a word")),
        (base(1026, task_id=""), Refused("content_filtered", "1026: m")),
        (base(1027), Refused("content_filtered", "1027: m")),
        (base(2013), Refused("invalid_input", "2013: m")),
        (base(2013, 400), Refused("invalid_input", "2013: m")),
        (base(1042), Refused("invalid_input", "1042: m")),
        (said(404, {}), Refused("model_not_found", "HTTP 404 without a word")),
        (base(9999, 400), Refused("refused", "9999: m")),
        (base(1000), Ambiguous("HTTP 200 without a task's id: 1000: m")),
        (base(1001, 400), Ambiguous("HTTP 400 without a task's id: 1001: m")),
        (base(1033), Ambiguous("HTTP 200 without a task's id: 1033: m")),
        (base(9999), Ambiguous("HTTP 200 without a task's id: 9999: m")),
        (base(1000, 500), Ambiguous("HTTP 500 without a task's id: 1000: m")),
        (said(408, {}), Ambiguous("HTTP 408 without a task's id: HTTP 408 without a word")),
        (said(500, {"task_id": "361"}), Ambiguous("HTTP 500 without a task's id: HTTP 500 without a word")),
        (said(200, []), Ambiguous("HTTP 200 without a task's id: HTTP 200 without a word")),
    ],
)
def test_every_answer_to_a_submit_is_understood(answer: Answer, outcome: object):
    assert _submitted(answer) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (base(0, status_="x"), OTHER_SHAPE),
        (said(200, {"status": "Preparing"}), Pending(stage="preparing", queued=True)),
        (said(200, {"status": "Queueing"}), Pending(stage="queueing", queued=True)),
        (said(200, {"status": "Processing", "file_id": ""}), Pending()),
        (said(200, {"status": "Success", "file_id": ""}), NOT_YET),
        (said(200, {"status": "Success"}), NOT_YET),
        (said(200, {"status": "Fail"}), Failed("failed", "MiniMax says no more than Fail")),
        (
            said(200, {"status": "Fail", "base_resp": {"status_code": 0, "status_msg": "success"}}),
            Failed("failed", "MiniMax says no more than Fail"),
        ),
        (
            said(200, {"status": "Fail", "base_resp": {"status_code": 1027, "status_msg": "output sensitive"}}),
            Failed("content_filtered", "output sensitive"),
        ),
        (base(1026), Failed("content_filtered", "m")),
        (
            said(200, {"status": "Fail", "base_resp": {"status_code": 1000}}),
            Failed("failed", "MiniMax says no more than Fail", True),
        ),
        (
            said(200, {"status": "Fail", "base_resp": {"status_code": 1008}}),
            Failed("failed", "MiniMax says no more than Fail"),
        ),
        (
            said(200, {"status": "Fail", "base_resp": {"status_code": 1033, "status_msg": "system error"}}),
            Failed("failed", "system error", retryable=True),
        ),
        (said(200, {"status": "Paused"}), Unreachable("unknown status 'Paused'", FailureClass.UNKNOWN_STATUS)),
        (said(200, {"status": 7}), OTHER_SHAPE),
        (base(2013), NotFound("2013: m")),
        (said(404, {}), NotFound("HTTP 404 without a word")),
        (base(1002, headers={"retry-after": "7"}), RateLimited(7.0)),
        (said(429, {}), RateLimited(None)),
        (base(1004), Unauthorized("1004: m")),
        (said(403, {}), Unauthorized("HTTP 403 without a word")),
        (base(1000), Unreachable("1000: m")),
        (base(1033, 503), Unreachable("1033: m")),
        (said(502, {"status": "Fail"}), Unreachable("HTTP 502")),
    ],
)
def test_every_answer_about_a_task_is_understood(answer: Answer, outcome: object):
    assert _outcome(answer) == outcome


@pytest.mark.parametrize(
    ("answer", "file_id"),
    [
        (said(200, {"status": "Success", "file_id": "3617"}), "3617"),
        (base(0, file_id=3617, status_="x"), ""),
        (said(200, {"status": "Success", "file_id": 3617}), "3617"),
        (said(200, {"status": "Success", "file_id": 0}), ""),
        (said(200, {"status": "Success", "file_id": None}), ""),
        (said(200, {"status": "Success", "file_id": ["3617"]}), ""),
        (said(200, {"status": "Processing", "file_id": "3617"}), ""),
        (said(500, {"status": "Success", "file_id": "3617"}), ""),
        (said(200, {"status": "Success", "file_id": "3617", "base_resp": {"status_code": 1000}}), ""),
    ],
)
def test_a_file_is_asked_for_once_its_task_is_done(answer: Answer, file_id: str):
    assert _file_id(answer) == file_id


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (base(0, file={"file_id": 3617, "download_url": "https://m/1.mp4"}), Ready(("https://m/1.mp4",))),
        (base(0, file={"file_id": 3617}), NOT_YET),
        (base(0, file={"download_url": ""}), NOT_YET),
        (base(0, file={"download_url": 7}), NOT_YET),
        (base(2013), NOT_YET),
        (said(404, {}), NOT_YET),
        (base(1002), RateLimited(None)),
        (base(1004), Unauthorized("1004: m")),
        (base(1000), Unreachable("1000: m")),
        (base(0, file=None), OTHER_SHAPE),
        (said(502, {}), Unreachable("HTTP 502")),
    ],
)
def test_a_done_task_is_neither_ready_nor_failed_without_its_file(answer: Answer, outcome: object):
    assert _file(answer) == outcome


# -- against the simulator ---------------------------------------------------------------------------------------------


def test_a_task_waits_runs_and_is_ready_with_one_call_more(provider: Provider, world: World):
    world.durations.median_s, world.durations.queue_s = 1000, 300
    now = 1_800_000_000.0
    world.clock = lambda: now
    operation = submitted(provider)
    (job,) = world.jobs()

    assert check(provider, operation) == Pending(stage="queueing", queued=True)
    now = job["starts_at"]
    assert check(provider, operation) == Pending()
    assert world.report()["status_calls"] == 2
    now = job["ready_at"]
    ready = check(provider, operation)
    assert world.report()["status_calls"] == 4
    assert isinstance(ready, Ready)
    assert requests.head(ready.videos[0], timeout=5).status_code == 200
    assert (world.report()["charged"], world.report()["submit_calls"]) == (1, 1)


def test_the_simulated_files_id_is_a_string_in_one_answer_and_a_number_in_the_other(provider: Provider, world: World):
    operation = submitted(provider)
    headers = {"authorization": "Bearer key-minimax"}

    queried = minimax.answer(
        world, Call("GET", "/v1/query/video_generation", headers, query=f"task_id={operation.name}")
    ).body
    retrieved = minimax.answer(
        world, Call("GET", "/v1/files/retrieve", headers, query=f"file_id={queried['file_id']}")
    ).body

    assert isinstance(queried["file_id"], str)
    assert retrieved["file"]["file_id"] == int(queried["file_id"])


def test_a_refusal_at_the_second_call_is_told_and_the_next_check_starts_anew(provider: Provider, world: World):
    operation = submitted(provider)
    now = world.clock()
    world.clock = lambda: now
    world.limits["status"] = 2
    check(provider, Operation("nobody's"))

    assert check(provider, operation) == RateLimited(1.0)
    now += 2
    assert isinstance(check(provider, operation), Ready)


def test_what_minimax_gets_is_what_was_asked_for(provider: Provider, world: World):
    submitted(provider, params={"duration": 10, "resolution": "768P"})

    (job,) = world.jobs()
    assert job["request"] == {"model": MODEL, "prompt": "a lion", "duration": 10, "resolution": "768P"}


def test_what_cannot_be_sent_is_told_before(provider: Provider):
    wrong = request_(model="MiniMax-H3", params={"model": "x", "callback_url": "https://c/"})

    assert provider.problems(wrong) == [
        "model: 'MiniMax-H3' is one of MiniMax's API v2; this adapter speaks v1",
        "params.callback_url: is set by vidpoll",
        "params.model: is set by vidpoll",
    ]
    assert provider.problems(request_(params={"duration": 6})) == []
