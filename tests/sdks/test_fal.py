"""fal-client, which finds its queue by ``FAL_QUEUE_RUN_HOST`` but speaks HTTPS whatever that says.

So its queue's URL, a constant made of that host, is replaced by the simulator's: nothing else of it is touched.
"""

import fal_client
import httpx
import pytest
from fal_client.client import FalClientHTTPError

from tests.sdks.conftest import Clock, Times
from vidpoll.simulator import Simulator, World

MODEL = "fal-ai/veo3.1/fast"
INPUT = {"prompt": "a lion at dawn"}


@pytest.fixture
def client(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> fal_client.SyncClient:
    monkeypatch.setattr("fal_client.client.QUEUE_URL_FORMAT", f"{simulator.url}/fal/")
    monkeypatch.setenv("FAL_KEY", "alice")
    return fal_client.SyncClient()


def test_a_subscription_ends_with_a_video_that_can_be_fetched(client: fal_client.SyncClient, world: World):
    result = client.subscribe(MODEL, INPUT, interval=0.01)
    video = httpx.get(result["video"]["url"])
    assert (video.status_code, video.headers["content-type"]) == (200, "video/webm")
    assert world.report()["charged"] == 1


def test_a_request_waits_then_runs_then_is_completed(client: fal_client.SyncClient, world: World, clock: Clock):
    world.durations.queue_s = 1000
    handle = client.submit(MODEL, INPUT)
    assert handle.status() == fal_client.Queued(position=0)
    [job] = world.jobs()
    clock.now = job["starts_at"]
    assert handle.status() == fal_client.InProgress(logs=None)
    clock.now = job["ready_at"]
    completed = handle.status(with_logs=True)
    assert isinstance(completed, fal_client.Completed)
    assert completed.metrics == {"inference_time": pytest.approx(100)}
    assert handle.get()["video"]["url"]


def test_a_request_is_found_by_its_id_alone(client: fal_client.SyncClient):
    id = client.submit(MODEL, INPUT).request_id
    assert isinstance(client.status(MODEL, id), fal_client.Completed)
    assert client.result(MODEL, id)["video"]["url"]


def test_a_result_is_not_there_before_its_time(client: fal_client.SyncClient, clock: Clock):
    handle = client.submit(MODEL, INPUT)
    early = httpx.get(handle.response_url, headers={"Authorization": "Key alice"})
    assert (early.status_code, early.json()["detail"]) == (400, "Request is still in progress")


def test_a_failure_is_told_by_the_status_and_by_the_result(client: fal_client.SyncClient, world: World):
    world.faults.job_failed = 1
    handle = client.submit(MODEL, INPUT)
    completed = handle.status()
    assert isinstance(completed, fal_client.Completed)
    assert completed.error_type == "runner_disconnected"
    with pytest.raises(FalClientHTTPError) as failed:
        handle.get()
    assert failed.value.error_type == "runner_disconnected"


def test_a_filtered_video_is_a_result_that_breaks_the_content_policy(client: fal_client.SyncClient, world: World):
    world.faults.job_filtered = 1
    with pytest.raises(FalClientHTTPError) as filtered:
        client.subscribe(MODEL, INPUT, interval=0.01)
    assert filtered.value.status_code == 422
    assert [detail["type"] for detail in filtered.value.response.json()["detail"]] == ["content_policy_violation"]


@pytest.mark.parametrize("fault", ["submit_429", "status_429"])
def test_throttled_calls_are_repeated_until_they_are_answered(client: fal_client.SyncClient, world: World, fault: str):
    setattr(world.faults, fault, Times(3))
    assert client.subscribe(MODEL, INPUT, interval=0.01)
    assert (world.report()["charged"], world.report()["refused_429"]) == (1, 3)


def test_a_submit_whose_answer_is_lost_is_repeated_and_charged_twice(client: fal_client.SyncClient, world: World):
    world.faults.submit_cut_after = Times(1)
    assert client.subscribe(MODEL, INPUT, interval=0.01)
    assert (world.report()["charged"], world.report()["duplicate_charges"]) == (2, 1)


def test_a_wrong_key_is_refused(client: fal_client.SyncClient, world: World):
    with pytest.raises(FalClientHTTPError) as refused:
        client.submit(MODEL, INPUT, headers={"Authorization": "Key"})
    assert refused.value.status_code == 401
    assert world.report()["accepted"] == 0


def test_a_key_of_somebody_else_finds_no_request(client: fal_client.SyncClient):
    id = client.submit(MODEL, INPUT).request_id
    with pytest.raises(FalClientHTTPError) as refused:
        fal_client.SyncClient(key="mallory").status(MODEL, id)
    assert refused.value.status_code == 404


def test_a_request_without_a_prompt_is_refused(client: fal_client.SyncClient):
    with pytest.raises(FalClientHTTPError) as refused:
        client.submit(MODEL, {})
    assert refused.value.status_code == 422


def test_a_request_that_waits_is_cancelled_and_gone(client: fal_client.SyncClient, world: World, clock: Clock):
    world.durations.queue_s = 1000
    handle = client.submit(MODEL, INPUT)
    handle.cancel()
    with pytest.raises(FalClientHTTPError) as gone:
        handle.status()
    assert gone.value.status_code == 404
    assert world.report()["cancelled"] == 1


def test_a_request_that_runs_is_cancelled_and_completed_as_such(
    client: fal_client.SyncClient, world: World, clock: Clock
):
    handle = client.submit(MODEL, INPUT)
    handle.cancel()
    completed = handle.status()
    assert isinstance(completed, fal_client.Completed)
    assert completed.error_type == "client_cancelled"


def test_a_request_that_is_done_cannot_be_cancelled(client: fal_client.SyncClient):
    handle = client.submit(MODEL, INPUT)
    with pytest.raises(FalClientHTTPError) as refused:
        handle.cancel()
    assert (refused.value.status_code, refused.value.response.json()) == (400, {"status": "ALREADY_COMPLETED"})


def test_images_come_as_a_list_each_with_its_content_type(client: fal_client.SyncClient, world: World):
    result = client.subscribe("fal-ai/flux/dev", {**INPUT, "num_images": 2}, interval=0.01)
    assert [image["content_type"] for image in result["images"]] == ["image/png"] * 2
    assert httpx.get(result["images"][1]["url"]).headers["content-type"] == "image/png"
    assert world.report()["charged"] == 1
