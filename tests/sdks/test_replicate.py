"""replicate, pointed at the simulator by its environment variable."""

import httpx
import pytest
import replicate
from replicate.exceptions import ModelError, ReplicateError
from replicate.pagination import paginate

from tests.sdks.conftest import Clock, Times
from vidpoll.simulator import Simulator, World

MODEL = "google/veo-3-fast"
INPUT = {"prompt": "a lion at dawn"}


@pytest.fixture
def client(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> replicate.Client:
    monkeypatch.setenv("REPLICATE_BASE_URL", f"{simulator.url}/replicate")
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.01")
    return replicate.Client("r8_alice")


def test_a_run_ends_with_a_video_that_can_be_fetched(client: replicate.Client, world: World):
    video = httpx.get(client.run(MODEL, input=INPUT))
    assert (video.status_code, video.headers["content-type"]) == (200, "video/webm")
    assert world.report()["charged"] == 1


def test_a_prediction_waits_then_tells_its_progress_then_ends(client: replicate.Client, world: World, clock: Clock):
    prediction = client.models.predictions.create(MODEL, input=INPUT)
    assert (prediction.status, prediction.progress) == ("starting", None)
    clock.now += 50
    prediction.reload()
    assert prediction.status == "processing"
    assert prediction.progress is not None
    assert (prediction.progress.percentage, prediction.progress.current, prediction.progress.total) == (0.5, 50, 100)
    clock.now += 50
    prediction.wait()
    assert prediction.status == "succeeded"
    assert prediction.metrics == {"predict_time": pytest.approx(100)}
    assert prediction.urls["get"] == f"{world.address}/replicate/v1/predictions/{prediction.id}"


def test_a_failure_is_told_with_its_reason(client: replicate.Client, world: World):
    world.faults.job_failed = 1
    with pytest.raises(ModelError, match="could not make the video") as failed:
        client.run(MODEL, input=INPUT)
    assert failed.value.prediction.status == "failed"


def test_a_filtered_video_is_a_failure_that_says_so(client: replicate.Client, world: World):
    world.faults.job_filtered = 1
    with pytest.raises(ModelError, match="flagged as sensitive"):
        client.run(MODEL, input=INPUT)


def test_throttled_looks_are_repeated_until_they_are_answered(client: replicate.Client, world: World):
    world.faults.status_429 = Times(2)
    assert client.run(MODEL, input=INPUT)
    assert (world.report()["refused_429"], world.report()["status_calls"]) == (2, 3)


def test_a_throttled_submit_is_not_repeated(client: replicate.Client, world: World):
    world.faults.submit_429 = Times(1)
    with pytest.raises(ReplicateError) as refused:
        client.run(MODEL, input=INPUT)
    assert refused.value.status == 429
    assert "resets in ~1s" in str(refused.value.detail)
    assert world.report()["submit_calls"] == 1


def test_without_a_token_nothing_is_taken(client: replicate.Client, world: World):
    with pytest.raises(ReplicateError) as refused:
        replicate.Client().run(MODEL, input=INPUT)
    assert (refused.value.status, refused.value.title) == (401, "Unauthenticated")
    assert world.report()["accepted"] == 0


def test_a_token_of_somebody_else_finds_no_prediction(client: replicate.Client):
    prediction = client.models.predictions.create(MODEL, input=INPUT)
    with pytest.raises(ReplicateError) as refused:
        replicate.Client("r8_mallory").predictions.get(prediction.id)
    assert refused.value.status == 404


def test_an_input_without_a_prompt_is_refused(client: replicate.Client):
    with pytest.raises(ReplicateError, match="prompt is required") as refused:
        client.run(MODEL, input={})
    assert refused.value.status == 422


def test_a_cancelled_prediction_is_canceled(client: replicate.Client, world: World, clock: Clock):
    prediction = client.models.predictions.create(MODEL, input=INPUT)
    clock.now += 10
    prediction.cancel()
    assert prediction.status == "canceled"
    prediction.wait()
    assert world.report()["cancelled"] == 1


def test_the_list_is_followed_over_its_pages(client: replicate.Client):
    made = [client.models.predictions.create(MODEL, input=INPUT).id for _ in range(101)]
    pages = [[prediction.id for prediction in page] for page in paginate(client.predictions.list)]
    assert [len(page) for page in pages] == [100, 1]
    assert [id for page in pages for id in page] == made[::-1]


def test_images_come_as_a_list_of_files(client: replicate.Client, world: World):
    images = client.run("black-forest-labs/flux-dev", input={**INPUT, "num_outputs": 2})
    assert [httpx.get(str(image)).headers["content-type"] for image in images] == ["image/png"] * 2
    assert world.report()["charged"] == 1
