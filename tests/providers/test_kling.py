"""What is Kling's own: its tokens, codes that decide, paths by kind, and a list to find a lost task in."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.providers.subject import said, sent, subject_of
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import Operation, Provider
from vidpoll.providers.http import Answer
from vidpoll.providers.outcomes import (
    Ambiguous,
    CheckOutcome,
    Failed,
    FailureClass,
    Listed,
    NotFound,
    Pending,
    RateLimited,
    Ready,
    Refused,
    Submitted,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers.vendors import kling
from vidpoll.providers.vendors.kling import _listed, _outcome, _submitted, token
from vidpoll.simulator import Simulator, World

ASKED = GenerationRequest(provider="kling", model="kling-v2-6", prompt="a lion", id=uuid.uuid4())
NOT_YET = Pending(stage="done at the provider, the video is not there yet")
Connect = Callable[..., Provider]


@pytest.fixture
def connect(world: World, simulator: Simulator) -> Connect:
    def with_key(api_key: str = "AK1:secret") -> Provider:
        return subject_of("kling", world, api_key=api_key).provider

    return with_key


@pytest.fixture
def provider(connect: Connect) -> Provider:
    return connect()


def request_(**changes: Any) -> GenerationRequest:
    return GenerationRequest(
        **{"provider": "kling", "model": ASKED.model, "prompt": "a lion", "id": uuid.uuid4(), **changes}
    )


def submitted(provider: Provider, **changes: Any) -> Operation:
    request = request_(**changes)
    outcome = provider.submit(request, request.id, replay=False)
    assert isinstance(outcome, Submitted), outcome
    return Operation(outcome.operation_name, request.params)


def check(provider: Provider, operation: Operation) -> CheckOutcome:
    return provider.check([operation])[operation.name]


def refused(status: int, code: int, headers: dict[str, str] | None = None) -> Answer:
    return said(status, {"code": code, "message": "m", "request_id": "r"}, headers)


def task(status: object, **more: object) -> Answer:
    return said(200, {"code": 0, "message": "SUCCEED", "data": {"task_id": "k1", "task_status": status, **more}})


def done(*urls: object) -> Answer:
    return task("succeed", task_result={"videos": [{"id": "v", "url": url, "duration": "5"} for url in urls]})


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_a_token_is_what_openssl_makes_of_the_same_keys():
    assert token("AK1", "sk:1", 1_800_000_000) == (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
        ".eyJpc3MiOiJBSzEiLCJleHAiOjE4MDAwMDE4MDAsIm5iZiI6MTc5OTk5OTk5NX0"
        ".i5BMnD7tCJYMBieuFB6B-t9ve4VC_EKbw7tFcF4_kHA"
    )


def test_every_call_has_a_token_of_its_own(connect: Connect, monkeypatch: pytest.MonkeyPatch):
    now = time.time()
    provider = connect()
    operation = submitted(provider)

    monkeypatch.setattr(time, "time", lambda: now + 3600)

    assert isinstance(check(provider, operation), Ready)


@pytest.mark.parametrize("api_key", ["AK1", "AK1:", ":secret", ":"])
def test_a_key_without_its_two_halves_is_told_without_a_call(connect: Connect, world: World, api_key: str):
    provider = connect(api_key=api_key)
    told = Unauthorized("account kling: its key must be written as ACCESS_KEY:SECRET_KEY")

    assert provider.submit(ASKED, ASKED.id, replay=False) == told
    assert check(provider, Operation("text2video/k1")) == told
    assert (world.report()["submit_calls"], world.report()["status_calls"]) == (0, 0)


def test_a_wrong_secret_key_is_the_accounts_trouble(connect: Connect, world: World):
    wrong = connect(api_key="AK1:guessed")

    assert wrong.submit(ASKED, ASKED.id, replay=False) == Unauthorized("1000: Authentication failed")
    assert world.report()["charged"] == 0


@pytest.mark.parametrize(("ahead_s", "code"), [(60, 1003), (-3600, 1004)])
def test_a_clock_that_is_wrong_is_guessed_at(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, ahead_s: int, code: int
):
    now = int(time.time())
    monkeypatch.setattr(kling, "token", lambda *keys: token(*keys[:2], now + ahead_s))

    outcome = check(provider, Operation("text2video/k1"))

    assert isinstance(outcome, Unauthorized)
    assert outcome.reason.startswith(f"{code}: ")
    assert outcome.reason.endswith("; is our clock right?")


# -- what answers mean -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (task("submitted"), Submitted("text2video/k1")),
        (refused(429, 1302), RateLimited(None)),
        (refused(429, 1302, {"retry-after": "7"}), RateLimited(7.0)),
        (refused(429, 1303), RateLimited(None)),
        (refused(200, 1303), RateLimited(None)),
        (refused(429, 1100), Unauthorized("1100: m")),
        (refused(429, 1101), Unauthorized("1101: m")),
        (refused(429, 1102), Unauthorized("1102: m")),
        (refused(429, 1304), Unauthorized("1304: m")),
        (refused(200, 1101), Unauthorized("1101: m")),
        (refused(401, 1000), Unauthorized("1000: m")),
        (refused(401, 1002), Unauthorized("1002: m")),
        (refused(401, 1003), Unauthorized("1003: m; is our clock right?")),
        (refused(401, 1004), Unauthorized("1004: m; is our clock right?")),
        (refused(403, 1103), Unauthorized("1103: m")),
        (said(429, {}), RateLimited(None)),
        (said(401, {}), Unauthorized("HTTP 401 without a word")),
        (said(402, {"message": "pay"}), Unauthorized("HTTP 402: pay")),
        (refused(400, 1200), Refused("invalid_input", "1200: m")),
        (refused(400, 1201), Refused("invalid_input", "1201: m")),
        (refused(404, 1202), Refused("invalid_request", "1202: m")),
        (refused(404, 1203), Refused("model_not_found", "1203: m")),
        (refused(400, 1300), Refused("content_filtered", "1300: m")),
        (refused(400, 1301), Refused("content_filtered", "1301: m")),
        (refused(400, 1999), Refused("refused", "1999: m")),
        (said(404, {}), Refused("model_not_found", "HTTP 404 without a word")),
        (refused(500, 5000), Ambiguous("HTTP 500 without a task's id: 5000: m")),
        (refused(504, 5002), Ambiguous("HTTP 504 without a task's id: 5002: m")),
        (refused(200, 1999), Ambiguous("HTTP 200 without a task's id: 1999: m")),
        (said(408, {}), Ambiguous("HTTP 408 without a task's id: HTTP 408 without a word")),
        (said(200, {"code": 0, "data": {}}), Ambiguous("HTTP 200 without a task's id: 0 without a word")),
        (said(200, {"code": 0, "data": {"task_id": 7}}), Ambiguous("HTTP 200 without a task's id: 0 without a word")),
        (said(200, []), Ambiguous("HTTP 200 without a task's id: HTTP 200 without a word")),
    ],
)
def test_every_answer_to_a_submit_is_understood(answer: Answer, outcome: object):
    assert _submitted("text2video", False, answer) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (task("submitted"), Pending(stage="submitted", queued=True)),
        (task("processing"), Pending()),
        (done("https://k/1.mp4"), Ready(("https://k/1.mp4",))),
        (done("https://k/1.mp4", "https://k/2.mp4"), Ready(("https://k/1.mp4", "https://k/2.mp4"))),
        (done(), NOT_YET),
        (done("", None, 7), NOT_YET),
        (task("succeed"), NOT_YET),
        (task("succeed", task_result=[]), NOT_YET),
        (task("succeed", task_result={"videos": ["x"]}), NOT_YET),
        (
            task("failed", task_status_msg="Content security policy"),
            Failed("content_filtered", "Content security policy"),
        ),
        (task("failed", task_status_msg="out of memory"), Failed("failed", "out of memory")),
        (task("failed"), Failed("failed", "Kling says no more than failed")),
        (task("succeeded"), Unreachable("unknown status 'succeeded'", FailureClass.UNKNOWN_STATUS)),
        (refused(404, 1203), NotFound("1203: m")),
        (said(404, {}), NotFound("HTTP 404 without a word")),
        (refused(404, 1202), Unreachable("1202: m")),
        (refused(429, 1302, {"retry-after": "7"}), RateLimited(7.0)),
        (refused(429, 1101), Unauthorized("1101: m")),
        (refused(401, 1004), Unauthorized("1004: m; is our clock right?")),
        (refused(503, 5001), Unreachable("5001: m")),
        (refused(200, 5000), Unreachable("5000: m")),
        (said(502, {}), Unreachable("HTTP 502", FailureClass.SERVER_ERROR)),
        (
            said(200, {"code": 0, "data": []}),
            Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE),
        ),
    ],
)
def test_every_answer_to_a_check_is_understood(answer: Answer, outcome: object):
    assert _outcome(answer) == outcome


@pytest.mark.parametrize("code", [1200, 1201])
def test_a_refusal_of_a_replay_may_speak_of_our_own_earlier_call(code: int):
    assert isinstance(_submitted("text2video", True, refused(400, code)), Ambiguous)
    assert isinstance(_submitted("text2video", True, refused(400, 1301)), Refused)


# -- finding a lost task -----------------------------------------------------------------------------------------------

SENT = sent(ASKED)
NOW_MS = round(SENT.after.timestamp() * 1000) + 60_000


def listed(*tasks: object, page: int = 1, full: bool = False) -> object:
    others = [{"task_id": "x", "created_at": NOW_MS}] * (kling.PAGE - len(tasks)) if full else []
    return _listed(said(200, {"code": 0, "data": [*others, *tasks]}), SENT, "text2video", page)


def test_the_task_under_our_id_is_it():
    ours = {"task_id": "k1", "task_info": {"external_task_id": str(ASKED.id)}, "created_at": NOW_MS}
    another = {"task_id": "k2", "task_info": {"external_task_id": str(uuid.uuid4())}}

    assert listed(another, ours) == Submitted("text2video/k1")
    assert listed(another, {"task_id": "k3"}, {"task_id": "k4", "task_info": []}, "k5") == Listed(())


def test_the_list_is_read_on_until_tasks_older_than_the_submit():
    older = {"task_id": "k0", "created_at": NOW_MS - 120_000}

    assert listed(full=True) == Listed((), "2")
    assert listed(full=True, page=7) == Listed((), "8")
    assert listed(older, full=True) == Listed(())
    assert listed(full=True, page=kling.LAST_PAGE) == Listed(())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refused(429, 1302), RateLimited(None)),
        (refused(401, 1000), Unauthorized("1000: m")),
        (refused(500, 5000), Unreachable("5000: m")),
        (said(502, {}), Unreachable("HTTP 502")),
        (
            said(200, {"code": 0, "data": {}}),
            Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE),
        ),
    ],
)
def test_a_list_that_cannot_be_read_tells_nothing(answer: Answer, outcome: object):
    assert _listed(answer, SENT, "text2video", 1) == outcome


@pytest.mark.parametrize("params", [{}, {"image": "https://i/1.png"}])
def test_a_submit_whose_answer_was_lost_is_found(provider: Provider, world: World, params: dict):
    request = request_(params=params)
    world.faults.submit_cut_after = 1
    assert isinstance(provider.submit(request, request.id, replay=False), Ambiguous)
    world.faults.submit_cut_after = 0

    found = provider.look_up(sent(request), None)

    assert isinstance(found, Submitted)
    assert isinstance(check(provider, Operation(found.operation_name, params)), Ready)


def test_a_lost_submit_is_found_behind_a_page_of_others(
    provider: Provider, world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kling, "PAGE", 2)
    request = request_()
    outcome = provider.submit(request, request.id, replay=False)
    for _ in range(2):
        submitted(provider)

    assert provider.look_up(sent(request), None) == Listed((), "2")
    assert provider.look_up(sent(request), "2") == outcome
    assert provider.look_up(sent(request_()), "3") == Listed(())


def test_a_second_task_under_our_id_is_refused_and_not_taken_for_a_mistake(provider: Provider, world: World):
    provider.submit(ASKED, ASKED.id, replay=False)

    assert isinstance(provider.submit(ASKED, ASKED.id, replay=True), Ambiguous)
    assert world.report()["charged"] == 1


# -- against the simulator ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "kind"),
    [({}, "text2video"), ({"image": "https://i/1.png"}, "image2video"), ({"image_tail": "aGk="}, "image2video")],
)
def test_a_task_is_checked_under_the_path_of_its_kind(provider: Provider, params: dict, kind: str):
    operation = submitted(provider, params=params)

    assert operation.name.startswith(f"{kind}/")
    assert isinstance(check(provider, operation), Ready)
    assert isinstance(check(provider, Operation(operation.name.partition("/")[2], params)), Ready)
    other = {"text2video": "image2video", "image2video": "text2video"}[kind]
    assert isinstance(check(provider, Operation(operation.name.replace(kind, other))), NotFound)


def test_what_kling_gets_is_what_was_asked_for_under_our_id(provider: Provider, world: World):
    request = request_(params={"duration": "10", "mode": "pro"})
    provider.submit(request, request.id, replay=False)

    (job,) = world.jobs()
    assert job["request"] == {
        "model_name": ASKED.model, "prompt": "a lion", "duration": "10", "mode": "pro",
        "external_task_id": str(request.id), "kind": "text2video",
    }  # fmt: skip


def test_of_two_429_one_waits_and_one_is_the_accounts(connect: Connect, world: World):
    world.faults.submit_429 = 1
    world.faults.retry_after = "7"

    assert connect().submit(ASKED, ASKED.id, replay=False) == RateLimited(7.0)
    assert connect(api_key="arrears-1:secret").submit(ASKED, ASKED.id, replay=False) == Unauthorized(
        "1101: Account in arrears"
    )
    assert world.report()["charged"] == 0


def test_what_cannot_be_sent_is_told_before(provider: Provider):
    wrong = request_(params={"external_task_id": "x", "prompt": "x", "image": "data:image/png;base64,aGk="})

    assert provider.problems(wrong) == [
        "params.external_task_id: is set by vidpoll",
        "params.prompt: is set by vidpoll",
        "params.image: must be a URL, or base64 without data: before it",
    ]
    assert provider.problems(request_(params={"duration": "5", "image": "https://i/1.png"})) == []
