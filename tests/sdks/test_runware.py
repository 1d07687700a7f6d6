"""runware-sdk, pointed at the simulator by ``http_base_url``.

Over REST: its WebSocket, which it takes if not told otherwise, the simulator does not have, as vidpoll does not use it.
It has no call that cancels.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from runware import RunOptions, Runware, RunwareError
from runware.errors import derive_code

from tests.providers.subject import said
from tests.sdks.conftest import Times
from vidpoll.providers.base import Operation
from vidpoll.providers.outcomes import Failed, Unauthorized
from vidpoll.providers.vendors.runware import _outcome, _submitted
from vidpoll.simulator import Simulator, World

TASK = {"taskType": "videoInference", "model": "google:3@3", "positivePrompt": "a lion at dawn"}

Use = Callable[[Runware], Awaitable[Any]]


@pytest.fixture
def use(simulator: Simulator) -> Callable[[Use], Any]:
    async def used(doing: Use) -> Any:
        url = f"{simulator.url}/runware/v1"
        async with Runware(api_key="alice", transport="rest", http_base_url=url, retry_delay=10) as client:
            return await doing(client)

    return lambda doing: asyncio.run(used(doing))


def test_a_run_ends_with_a_video_that_can_be_fetched(use: Callable[[Use], Any], world: World):
    [result] = use(lambda client: client.run(TASK))
    video = httpx.get(result["videoURL"])
    assert (video.status_code, video.headers["content-type"]) == (200, "video/webm")
    assert (world.report()["charged"], world.report()["status_calls"]) == (1, 1)


def test_progress_comes_before_the_result(use: Callable[[Use], Any], world: World):
    told: list[dict[str, Any]] = []
    world.faults.status_backwards = Times(1)
    options = RunOptions(on_progress=told.append, on_result=told.append)
    use(lambda client: client.run(TASK, options))
    assert [(one["status"], one.get("progress")) for one in told] == [("processing", 0), ("success", None)]


def test_several_results_have_ids_of_their_own(use: Callable[[Use], Any]):
    results = use(lambda client: client.run({**TASK, "numberResults": 3}))
    assert len({result["videoUUID"] for result in results}) == 3
    assert len({result["videoURL"] for result in results}) == 3


def test_a_failure_is_told_under_the_tasks_id(use: Callable[[Use], Any], world: World):
    world.faults.job_failed = 1
    id = str(uuid.uuid4())
    with pytest.raises(RunwareError, match="did not answer in time") as failed:
        use(lambda client: client.run({**TASK, "taskUUID": id}))
    assert failed.value.task_uuid == id


def test_a_filtered_video_is_a_matter_of_safety(use: Callable[[Use], Any], world: World):
    world.faults.job_filtered = 1
    with pytest.raises(RunwareError) as filtered:
        use(lambda client: client.run(TASK))
    assert (filtered.value.code, filtered.value.retryable) == ("safety", False)


def test_of_two_results_the_one_that_was_made_is_told_before_the_error(use: Callable[[Use], Any], world: World):
    world.faults.job_partial = 1
    results: list[dict[str, Any]] = []
    with pytest.raises(RunwareError) as filtered:
        use(lambda client: client.run({**TASK, "numberResults": 2}, RunOptions(on_result=results.append)))
    assert filtered.value.code == "safety"
    assert [result["status"] for result in results] == ["success", "error"]
    assert results[0]["videoURL"]


@pytest.mark.parametrize(("fault", "refused"), [("submit_429", 2), ("status_429", 2), ("submit_500", 0)])
def test_what_passes_is_repeated_and_charged_once(use: Callable[[Use], Any], world: World, fault: str, refused: int):
    setattr(world.faults, fault, Times(2))
    assert use(lambda client: client.run(TASK))
    assert (world.report()["charged"], world.report()["refused_429"]) == (1, refused)


@pytest.mark.parametrize(
    ("fault", "code", "status"), [("submit_429", "rateLimit", 429), ("submit_500", "serverError", 500)]
)
def test_what_does_not_pass_is_named(use: Callable[[Use], Any], world: World, fault: str, code: str, status: int):
    setattr(world.faults, fault, 1)
    with pytest.raises(RunwareError) as refused:
        use(lambda client: client.run(TASK))
    assert (refused.value.code, refused.value.status_code, refused.value.retryable) == (code, status, True)
    assert (world.report()["submit_calls"], world.report()["accepted"]) == (4, 0)


def test_a_wrong_key_is_a_matter_of_the_account(use: Callable[[Use], Any], world: World):
    world.faults.status_unauthorized = 1
    with pytest.raises(RunwareError) as refused:
        use(lambda client: client.run(TASK))
    assert (refused.value.code, refused.value.status_code, refused.value.parameter) == ("auth", 401, "apiKey")


def test_a_submit_that_is_repeated_after_a_lost_answer_meets_its_own_id(use: Callable[[Use], Any], world: World):
    world.faults.submit_cut_after = Times(1)
    with pytest.raises(RunwareError, match="already used") as refused:
        use(lambda client: client.run(TASK))
    assert (refused.value.code, refused.value.parameter) == ("validation", "taskUUID")
    assert (world.report()["submit_calls"], world.report()["charged"]) == (2, 1)


def test_a_task_that_lacks_its_prompt_is_refused_by_name(use: Callable[[Use], Any]):
    with pytest.raises(RunwareError) as refused:
        use(lambda client: client.run({"taskType": "videoInference", "model": "google:3@3"}))
    assert (refused.value.code, refused.value.parameter) == ("validation", "positivePrompt")


def test_the_stored_request_is_found_by_its_id(use: Callable[[Use], Any]):
    async def doing(client: Runware) -> Any:
        [result] = await client.run(TASK)
        return await client.get_task_details({"taskUUID": result["taskUUID"]})

    [details] = use(doing)
    assert details["request"]["positivePrompt"] == TASK["positivePrompt"]


def test_of_an_id_nobody_submitted_nothing_is_told(use: Callable[[Use], Any]):
    assert use(lambda client: client.get_response({"taskUUID": str(uuid.uuid4())})) == []
    with pytest.raises(RunwareError) as missing:
        use(lambda client: client.get_task_details({"taskUUID": str(uuid.uuid4())}))
    assert missing.value.code == "notFound"


@pytest.mark.parametrize(
    "code",
    [
        "invalidApiKey", "unauthorized", "forbidden", "insufficientPermissions", "authTimeout", "invalidCredentials",
        "tokenExpired", "accountSuspended", "organizationDisabled", "insufficientCredits", "paymentRequired",
    ],
)  # fmt: skip
def test_our_adapter_blames_the_account_where_the_client_does(code: str):
    assert derive_code(code) in ("auth", "quota")
    refused = said(400, {"errors": [{"code": code, "taskUUID": "t"}]})
    assert isinstance(_submitted(refused, task_uuid="t", replay=False), Unauthorized)


@pytest.mark.parametrize(
    "code",
    [
        "providerInternalError", "inferenceError", "taskFailed", "noAvailableServer", "modelNotReady", "downloadFailed",
        "internalServerError", "standardError", "providerTimeout", "invalidModel", "unsupportedDimensions",
        "promptBlocked", "providerContentPolicyViolation",
    ],
)  # fmt: skip
def test_our_adapter_holds_a_failure_for_passing_where_the_client_does(code: str):
    failed = _outcome({"errors": [{"code": code, "taskUUID": "t"}]}, Operation("t"))
    assert isinstance(failed, Failed)
    assert failed.retryable == RunwareError(code, "").retryable


def test_an_image_and_an_upscale_go_the_same_way_as_a_video(use: Callable[[Use], Any], world: World):
    image = {
        "taskType": "imageInference",
        "model": "runware:101@1",
        "positivePrompt": "a lion",
        "width": 1280,
        "height": 720,
    }
    [drawn] = use(lambda client: client.run(image))
    assert httpx.get(drawn["imageURL"]).headers["content-type"] == "image/png"
    upscale = {"taskType": "upscale", "model": "bytedance:50@1", "inputs": {"video": "https://example.com/lion.mp4"}}
    [upscaled] = use(lambda client: client.run(upscale))
    assert httpx.get(upscaled["videoURL"]).headers["content-type"] == "video/webm"
    assert world.report()["charged"] == 2
