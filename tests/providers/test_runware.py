import uuid
from pathlib import Path

import pytest

from tests.providers.subject import adapter, said, sent
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import (
    Absent,
    Ambiguous,
    Failed,
    FailureClass,
    Operation,
    Pending,
    Provider,
    Ready,
    Submitted,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers.vendors.runware import _outcome, _submitted, task_uuid_of
from vidpoll.simulator import Simulator, World


@pytest.fixture
def runware(simulator: Simulator, tmp_path: Path) -> Provider:
    return adapter("runware", tmp_path, simulator.url)


@pytest.fixture
def request_() -> GenerationRequest:
    return GenerationRequest(provider="runware", model="google:3@3", prompt="a lion", id=uuid.uuid4())


def test_a_replay_after_a_lost_answer_is_accepted_and_not_charged_again(
    runware: Provider, request_: GenerationRequest, world: World
):
    world.faults.submit_cut_after = 1
    assert isinstance(runware.submit(request_, request_.id, replay=False), Ambiguous)
    world.faults.submit_cut_after = 0

    assert runware.submit(request_, request_.id, replay=True) == Submitted(task_uuid_of(request_.id))
    assert world.report()["charged"] == 1


def test_a_conflict_on_a_first_call_is_not_taken_for_ours(runware: Provider, request_: GenerationRequest):
    runware.submit(request_, request_.id, replay=False)

    assert isinstance(runware.submit(request_, request_.id, replay=False), Ambiguous)


def test_the_task_uuid_is_of_version_4_and_always_the_same():
    ids = [uuid.uuid4() for _ in range(100)]

    assert all(uuid.UUID(task_uuid_of(id)).version == 4 for id in ids)
    assert [task_uuid_of(id) for id in ids] == [task_uuid_of(id) for id in ids]
    assert len({task_uuid_of(id) for id in ids}) == 100


def test_parameters_that_are_vidpolls_are_refused(runware: Provider, request_: GenerationRequest):
    wrong = request_.model_copy(update={"params": {"taskUUID": "x", "duration": 8}})

    assert runware.problems(wrong) == ["params.taskUUID: is set by vidpoll"]


def test_a_lost_submit_that_was_taken_is_found_under_our_id(
    runware: Provider, request_: GenerationRequest, world: World
):
    world.faults.submit_cut_after = 1
    runware.submit(request_, request_.id, replay=False)

    assert runware.look_up(sent(request_), None) == Submitted(task_uuid_of(request_.id))


def test_a_lost_submit_that_was_not_taken_is_absent(runware: Provider, request_: GenerationRequest, world: World):
    world.faults.submit_cut_before = 1
    runware.submit(request_, request_.id, replay=False)

    assert runware.look_up(sent(request_), None) == Absent()
    assert (world.report()["submit_calls"], world.report()["status_calls"]) == (1, 1)


def test_a_look_up_without_an_answer_says_nothing_of_the_submit(
    runware: Provider, request_: GenerationRequest, world: World
):
    world.faults.lookup_500 = 1
    unreachable = runware.look_up(sent(request_), None)
    world.faults.status_unauthorized = 1

    assert unreachable == Unreachable("HTTP 500: Internal server error.", FailureClass.SERVER_ERROR)
    assert isinstance(runware.look_up(sent(request_), None), Unauthorized)


TWO = Operation("t", {"numberResults": 2})
ONE = Operation("t")
RUNNING = {"taskUUID": "t", "status": "processing", "progress": 40}
SUCCESS = {"taskUUID": "t", "status": "success", "videoURL": "https://v/1.mp4", "cost": 0.18, "seed": 7}


@pytest.mark.parametrize(
    ("body", "operation", "outcome"),
    [
        ({"data": []}, ONE, Pending(stage="queued")),
        ({"data": [{"taskUUID": "other", "status": "success", "videoURL": "https://x"}]}, ONE, Pending(stage="queued")),
        ({"data": [{"taskUUID": "t", "status": "processing", "progress": 40}]}, ONE, Pending(40, "processing")),
        (
            {"data": [{"taskUUID": "t", "status": "aWordNobodyKnows"}]},
            ONE,
            Unreachable("unknown status 'aWordNobodyKnows'", FailureClass.UNKNOWN_STATUS),
        ),
        ({"data": [{"taskUUID": "t", "status": "queued"}]}, ONE, Pending(None, "queued", queued=True)),
        ({"data": [{"taskUUID": "t", "status": "pending"}]}, TWO, Pending(None, "pending", queued=True)),
        ({"data": [{"taskUUID": "t", "status": "queued"}, SUCCESS]}, TWO, Pending(None, "queued")),
        ({"data": [{"taskUUID": "t", "status": "success"}]}, ONE, Pending(None, "success")),
        ({"data": [SUCCESS]}, ONE, Ready(("https://v/1.mp4",), 7, 0.18)),
        ({"data": [{**SUCCESS, "cost": 0}]}, ONE, Ready(("https://v/1.mp4",), 7, None)),
        ({"data": [{**SUCCESS, "videoURL": None, "mediaURL": "https://m"}]}, ONE, Ready(("https://m",), 7, 0.18)),
        ({"data": [SUCCESS]}, TWO, Pending(None, "processing")),
        (
            {"data": [SUCCESS, {**SUCCESS, "videoURL": "https://v/2.mp4"}]},
            TWO,
            Ready(("https://v/1.mp4", "https://v/2.mp4"), 7, 0.36),
        ),
        (
            {"data": [SUCCESS], "errors": [{"taskUUID": "t", "message": "no"}]},
            TWO,
            Ready(("https://v/1.mp4",), 7, 0.18, ("no",)),
        ),
        (
            {"errors": [{"taskUUID": "t", "code": "timeoutProvider", "message": "late"}]},
            ONE,
            Failed("timeoutProvider", "late", True),
        ),
        (
            {"errors": [{"taskUUID": "t", "code": "invalidImage", "message": "bad"}]},
            ONE,
            Failed("invalidImage", "bad", False),
        ),
        (
            {"data": [{"taskUUID": "t", "status": "error", "error": {"code": "nsfwContentDetected", "message": "no"}}]},
            ONE,
            Failed("content_filtered", "no", False),
        ),
        (
            {"data": [{"taskUUID": "t", "status": "error", "error": {"code": "promptBlocked"}}, RUNNING]},
            TWO,
            Pending(40, "processing"),
        ),
        (
            {"errors": [{"taskUUID": "t", "code": "inferenceError"}]},
            ONE,
            Failed("inferenceError", "inferenceError", True),
        ),
    ],
)
def test_every_answer_of_the_documents_is_understood(body: dict, operation: Operation, outcome: object):
    assert _outcome(body, operation) == outcome


@pytest.mark.parametrize("code", ["accountSuspended", "tokenExpired", "paymentRequired", "insufficientCredits"])
def test_a_code_of_the_account_under_any_status_is_no_refusal_of_the_request(code: str):
    answer = said(400, {"errors": [{"taskUUID": "t", "code": code, "message": "no"}]})
    assert _submitted(answer, task_uuid="t", replay=False) == Unauthorized("no")


def test_a_server_that_is_missing_at_the_submit_is_asked_again_under_our_id():
    answer = said(400, {"errors": [{"taskUUID": "t", "code": "noAvailableServer", "message": "full"}]})
    assert _submitted(answer, task_uuid="t", replay=False) == Ambiguous("full")
