"""lumaai, pointed at the simulator by its environment variable. It deletes generations, and cancels none."""

from collections.abc import Iterator

import httpx
import lumaai
import pytest
from lumaai import LumaAI
from lumaai.types import Generation

from tests.sdks.conftest import Clock, Times
from vidpoll.simulator import Simulator, World


@pytest.fixture
def client(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[LumaAI]:
    monkeypatch.setenv("LUMAAI_BASE_URL", f"{simulator.url}/luma/dream-machine/v1")
    with LumaAI(auth_token="alice") as client:
        yield client


def submit(client: LumaAI) -> Generation:
    return client.generations.video.create(
        model="ray-2", prompt="a lion at dawn", aspect_ratio="16:9", duration="5s", resolution="720p"
    )


def test_a_generation_waits_then_dreams_then_ends_with_a_video_that_can_be_fetched(
    client: LumaAI, world: World, clock: Clock
):
    generation = submit(client)
    assert (generation.state, generation.generation_type, generation.assets) == ("queued", "video", None)
    assert generation.request.prompt == "a lion at dawn"
    clock.now += 50
    dreaming = client.generations.get(generation.id)
    assert dreaming.state == "dreaming"
    assert dreaming.assets.progress_video
    clock.now += 50
    done = client.generations.get(generation.id)
    assert done.state == "completed"
    assert httpx.get(done.assets.video).status_code == 200
    assert world.report()["charged"] == 1


@pytest.mark.parametrize(
    ("fault", "reason"), [("job_failed", "could not make the video"), ("job_filtered", "content moderation")]
)
def test_a_failure_is_told_with_its_reason(client: LumaAI, world: World, fault: str, reason: str):
    setattr(world.faults, fault, 1)
    failed = client.generations.get(submit(client).id)
    assert failed.state == "failed"
    assert reason in failed.failure_reason


@pytest.mark.parametrize("fault", ["submit_429", "status_429"])
def test_a_throttled_call_is_repeated_when_it_is_told_to(client: LumaAI, world: World, fault: str):
    setattr(world.faults, fault, Times(1))
    assert client.generations.get(submit(client).id).state == "completed"
    assert (world.report()["charged"], world.report()["refused_429"]) == (1, 1)


def test_what_stays_throttled_is_named(client: LumaAI, world: World):
    world.faults.submit_429 = 1
    with pytest.raises(lumaai.RateLimitError):
        submit(client.with_options(max_retries=0))


def test_a_wrong_key_is_refused(client: LumaAI, world: World):
    generation = submit(client)
    world.faults.status_unauthorized = 1
    with pytest.raises(lumaai.AuthenticationError):
        client.generations.get(generation.id)


def test_a_key_of_somebody_else_finds_no_generation(client: LumaAI):
    generation = submit(client)
    with pytest.raises(lumaai.NotFoundError):
        client.with_options(auth_token="mallory").generations.get(generation.id)


def test_a_generation_without_a_prompt_is_refused(client: LumaAI):
    with pytest.raises(lumaai.UnprocessableEntityError):
        client.generations.video.create(model="ray-2")


def test_an_image_is_told_as_one_and_a_video_is_upscaled_and_extended_by_its_id(client: LumaAI, world: World):
    image = client.generations.get(client.generations.image.create(model="photon-1", prompt="a lion").id)
    assert (image.state, image.generation_type, image.assets.video) == ("completed", "image", None)
    assert httpx.get(image.assets.image).headers["content-type"] == "image/png"
    video = submit(client)
    upscaled = client.generations.get(client.generations.upscale(video.id, resolution="1080p").id)
    frame0 = {"type": "generation", "id": video.id}
    extended = client.generations.video.create(model="ray-2", prompt="it roars", keyframes={"frame0": frame0})
    assert (upscaled.state, upscaled.id != video.id) == ("completed", True)
    assert upscaled.assets.video
    assert client.generations.get(extended.id).assets.video
    assert world.report()["charged"] == 4
