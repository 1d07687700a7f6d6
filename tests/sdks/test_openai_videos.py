"""openai, pointed at the simulator by its environment variable, as one does with a gateway that speaks its format."""

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from tests.sdks.conftest import Clock, Times
from vidpoll.simulator import Simulator, World

#: The client says of each of these methods that OpenAI has shut them down.
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

VIDEO = {"model": "sora-2", "prompt": "a lion at dawn", "seconds": "8", "size": "1280x720"}


@pytest.fixture
def client(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAI]:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{simulator.url}/openai_videos/v1")
    with OpenAI(api_key="alice") as client:
        yield client


def test_a_video_that_is_waited_for_is_completed_and_can_be_downloaded(client: OpenAI, world: World):
    video = client.videos.create_and_poll(**VIDEO)
    assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "8", "1280x720")
    downloaded = client.videos.download_content(video.id)
    assert downloaded.response.headers["content-type"] == "video/webm"
    assert len(downloaded.read()) > 1000
    assert world.report()["charged"] == 1


def test_a_video_waits_then_tells_its_progress_then_ends(client: OpenAI, world: World, clock: Clock):
    video = client.videos.create(**VIDEO)
    assert (video.status, video.progress, video.completed_at) == ("queued", 0, None)
    clock.now += 50
    video = client.videos.retrieve(video.id)
    assert (video.status, video.progress) == ("in_progress", 50)
    clock.now += 50
    video = client.videos.retrieve(video.id)
    assert (video.status, video.progress) == ("completed", 100)
    assert video.created_at + 100 == video.completed_at < video.expires_at


def test_an_image_goes_along_with_the_prompt(client: OpenAI, world: World):
    client.videos.create(**VIDEO, input_reference=("lion.png", b"\x89PNG", "image/png"))
    [job] = world.jobs()
    assert job["request"]["prompt"] == VIDEO["prompt"]


def test_the_model_need_not_be_named(client: OpenAI):
    assert client.videos.create(prompt="a lion at dawn").model == "sora-2"


@pytest.mark.parametrize(
    ("fault", "code"), [("job_failed", "video_generation_failed"), ("job_filtered", "moderation_blocked")]
)
def test_a_failure_is_told_with_its_code(client: OpenAI, world: World, fault: str, code: str):
    setattr(world.faults, fault, 1)
    video = client.videos.create_and_poll(**VIDEO)
    assert (video.status, video.error.code) == ("failed", code)


@pytest.mark.parametrize("fault", ["submit_429", "status_429"])
def test_a_throttled_call_is_repeated_when_it_is_told_to(client: OpenAI, world: World, fault: str):
    setattr(world.faults, fault, Times(1))
    assert client.videos.create_and_poll(**VIDEO).status == "completed"
    assert (world.report()["charged"], world.report()["refused_429"]) == (1, 1)


def test_what_stays_throttled_is_named(client: OpenAI, world: World):
    world.faults.submit_429 = 1
    with pytest.raises(openai.RateLimitError) as refused:
        client.with_options(max_retries=0).videos.create(**VIDEO)
    assert refused.value.code == "rate_limit_exceeded"


def test_a_submit_whose_answer_is_lost_is_repeated_and_charged_twice(client: OpenAI, world: World):
    world.faults.submit_cut_after = Times(1)
    assert client.videos.create_and_poll(**VIDEO).status == "completed"
    assert (world.report()["charged"], world.report()["duplicate_charges"]) == (2, 1)


def test_a_wrong_key_is_refused(client: OpenAI, world: World):
    video = client.videos.create(**VIDEO)
    world.faults.status_unauthorized = 1
    with pytest.raises(openai.AuthenticationError) as refused:
        client.videos.retrieve(video.id)
    assert refused.value.code == "invalid_api_key"


def test_a_key_of_somebody_else_finds_no_video(client: OpenAI):
    video = client.videos.create(**VIDEO)
    with pytest.raises(openai.NotFoundError):
        client.with_options(api_key="mallory").videos.retrieve(video.id)


def test_a_video_without_a_prompt_is_refused_by_name(client: OpenAI):
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.create(model="sora-2", prompt="")
    assert refused.value.param == "prompt"
