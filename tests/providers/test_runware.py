import uuid

import pytest

from tests.providers.subject import said, sent, subject_of
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import Operation, Provider
from vidpoll.providers.outcomes import (
    Ambiguous,
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
from vidpoll.providers.vendors.runware import _outcome, _submitted, task_uuid_of
from vidpoll.simulator import Simulator, World


@pytest.fixture
def runware(world: World, simulator: Simulator) -> Provider:
    return subject_of("runware", world).provider


@pytest.fixture
def request_() -> GenerationRequest:
    return GenerationRequest(provider="runware", model="google:3@3", prompt="a lion", id=uuid.uuid4())


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


# -- upscaling ---------------------------------------------------------------------------------------------------------

UPSCALE = {"taskType": "upscale", "inputs": {"video": "https://v/small.mp4"}}


@pytest.fixture
def upscale() -> GenerationRequest:
    params = {**UPSCALE, "upscaleFactor": 2}
    return GenerationRequest(provider="runware", model="bria:50@1", prompt="upscale", params=params, id=uuid.uuid4())


def test_an_upscale_is_sent_as_one_without_its_prompt(runware: Provider, upscale: GenerationRequest, world: World):
    assert runware.problems(upscale) == []
    assert runware.submit(upscale, upscale.id, replay=False) == Submitted(task_uuid_of(upscale.id))

    (job,) = world.jobs()
    assert job["request"] == {
        **UPSCALE,
        "taskUUID": task_uuid_of(upscale.id),
        "model": "bria:50@1",
        "upscaleFactor": 2,
        "deliveryMethod": "async",
        "outputType": "URL",
        "includeCost": True,
    }
    assert (world.report()["charged"], world.report()["submit_calls"]) == (1, 1)


def test_an_upscale_runs_and_is_ready_like_any_other_task(runware: Provider, upscale: GenerationRequest, world: World):
    world.durations.median_s = 1000
    now = 1_800_000_000.0
    world.clock = lambda: now
    runware.submit(upscale, upscale.id, replay=False)
    operation = Operation(task_uuid_of(upscale.id), upscale.params)

    assert isinstance(runware.check([operation])[operation.name], Pending)
    now += 10_000
    ready = runware.check([operation])[operation.name]

    assert isinstance(ready, Ready)
    assert (len(ready.videos), ready.seed, ready.cost) == (1, None, 0.18)


def test_an_upscale_and_a_generation_are_looked_at_in_one_call(
    runware: Provider, upscale: GenerationRequest, request_: GenerationRequest, world: World
):
    operations = []
    for one in (upscale, request_):
        runware.submit(one, one.id, replay=False)
        operations.append(Operation(task_uuid_of(one.id), one.params))

    outcomes = runware.check(operations)

    assert [type(outcomes[operation.name]) for operation in operations] == [Ready, Ready]
    assert world.report()["status_calls"] == 1


def test_a_failed_upscale_may_be_asked_for_again(runware: Provider, upscale: GenerationRequest, world: World):
    world.faults.job_failed = 1
    runware.submit(upscale, upscale.id, replay=False)
    name = task_uuid_of(upscale.id)

    assert runware.check([Operation(name, upscale.params)])[name] == Failed(
        "timeoutProvider", "The provider did not answer in time.", retryable=True
    )


def test_a_lost_upscale_is_found_and_replayed_at_no_charge(runware: Provider, upscale: GenerationRequest, world: World):
    world.faults.submit_cut_after = 1
    assert isinstance(runware.submit(upscale, upscale.id, replay=False), Ambiguous)
    world.faults.submit_cut_after = 0

    assert runware.look_up(sent(upscale), None) == Submitted(task_uuid_of(upscale.id))
    assert runware.submit(upscale, upscale.id, replay=True) == Submitted(task_uuid_of(upscale.id))
    assert world.report()["charged"] == 1


def test_a_model_that_takes_words_for_an_upscale_has_them(runware: Provider, upscale: GenerationRequest, world: World):
    params = {**UPSCALE, "positivePrompt": "film grain"}
    worded = upscale.model_copy(update={"model": "bfl:flux@video-upscale", "params": params})

    assert runware.problems(worded) == []
    runware.submit(worded, worded.id, replay=False)

    assert world.jobs()[0]["request"]["positivePrompt"] == "film grain"


@pytest.mark.parametrize(
    "inputs", [{"inputs": {}}, {"inputs": {"video": 7}}, {"inputs": "https://v"}, {"inputs": None}]
)
def test_an_upscale_without_a_video_is_told_before(runware: Provider, upscale: GenerationRequest, inputs: dict):
    wrong = upscale.model_copy(update={"params": {**UPSCALE, **inputs}})

    assert runware.problems(wrong) == ["params.inputs.video: an upscale needs a video, by URL or id"]
    refused = runware.submit(wrong, wrong.id, replay=False)
    assert refused == Refused("missingParameter", "inputs.video is required.")


def test_an_upscale_sets_no_more_than_its_task(runware: Provider, upscale: GenerationRequest):
    wrong = upscale.model_copy(update={"params": {**UPSCALE, "taskUUID": "x", "numberResults": 2}})

    assert runware.problems(wrong) == [
        "params.taskUUID: is set by vidpoll",
        "params.numberResults: an upscale has one result",
    ]


@pytest.mark.parametrize("task", ["videoInference", "imageInference", "getResponse", None, ["upscale"]])
def test_no_other_task_can_be_asked_for(runware: Provider, request_: GenerationRequest, task: object):
    wrong = request_.model_copy(update={"params": {"taskType": task}})

    assert runware.problems(wrong) == ["params.taskType: is set by vidpoll"]


# -- answers -----------------------------------------------------------------------------------------------------------

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
        ({"data": [SUCCESS]}, ONE, Ready(("https://v/1.mp4",), 7, 0.18, content_type="video/mp4")),
        ({"data": [{**SUCCESS, "cost": 0}]}, ONE, Ready(("https://v/1.mp4",), 7, None, content_type="video/mp4")),
        ({"data": [{**SUCCESS, "videoURL": None, "mediaURL": "https://m"}]}, ONE, Ready(("https://m",), 7, 0.18)),
        ({"data": [SUCCESS]}, TWO, Pending(None, "processing")),
        (
            {"data": [SUCCESS, {**SUCCESS, "videoURL": "https://v/2.mp4"}]},
            TWO,
            Ready(("https://v/1.mp4", "https://v/2.mp4"), 7, 0.36, content_type="video/mp4"),
        ),
        (
            {"data": [SUCCESS], "errors": [{"taskUUID": "t", "message": "no"}]},
            TWO,
            Ready(("https://v/1.mp4",), 7, 0.18, ("no",), content_type="video/mp4"),
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


@pytest.mark.parametrize(
    ("errors", "data", "asked_for", "outcome"),
    [
        ([{"code": "rateLimitExceeded", "taskType": "getResponse"}], [], 1, RateLimited),
        ([{"code": "invalidApiKey", "taskType": "getResponse"}], [], 1, Unauthorized),
        ([{"code": "odd", "taskType": "getResponse"}], [], 1, Unreachable),
        ([{"code": "taskFailedOrNotFound"}], [], 1, NotFound),
        ([{"code": "promptBlocked"}], [], 4, Failed),
        ([{"code": "timeoutProvider"}], [{"status": "error"}, {"status": "processing"}], 2, Pending),
    ],
)
def test_an_error_ends_a_task_only_if_it_is_the_tasks_own_and_nothing_runs(
    errors: list[dict], data: list[dict], asked_for: int, outcome: type
):
    body = {"errors": [{"taskUUID": "t", **one} for one in errors], "data": [{"taskUUID": "t", **one} for one in data]}

    assert isinstance(_outcome(body, Operation("t", {"numberResults": asked_for})), outcome)
