"""runwayml, pointed at the simulator by its environment variable. Its pause between looks is shortened."""

from collections.abc import Iterator

import httpx
import pytest
import runwayml
from runwayml import RunwayML, TaskFailedError

from tests.sdks.conftest import Clock, Times
from vidpoll.simulator import Simulator, World


@pytest.fixture
def client(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunwayML]:
    monkeypatch.setenv("RUNWAYML_BASE_URL", f"{simulator.url}/runway")
    monkeypatch.setattr("runwayml.lib.polling.POLL_TIME", 0.01)
    monkeypatch.setattr("runwayml.lib.polling.POLL_JITTER", 0)
    with RunwayML(api_key="alice") as client:
        yield client


def submit(client: RunwayML):
    return client.text_to_video.create(
        model="veo3.1_fast", prompt_text="a lion at dawn", ratio="1280:720", duration=8, audio=False
    )


def test_a_task_that_is_waited_for_ends_with_a_video_that_can_be_fetched(client: RunwayML, world: World):
    [url] = submit(client).wait_for_task_output().output
    video = httpx.get(url)
    assert (video.status_code, video.headers["content-type"]) == (200, "video/webm")
    assert world.report()["charged"] == 1


def test_a_task_waits_then_tells_its_progress_then_ends(client: RunwayML, world: World, clock: Clock):
    world.durations.queue_s = 1000
    created = submit(client)
    assert created.estimated_cost.credits > 0
    waiting = client.tasks.retrieve(created.id)
    assert waiting.status == "THROTTLED"
    [job] = world.jobs()
    clock.now = job["starts_at"] + 50
    running = client.tasks.retrieve(created.id)
    assert (running.status, running.progress) == ("RUNNING", 0.5)
    clock.now = job["ready_at"]
    done = client.tasks.retrieve(created.id)
    assert done.status == "SUCCEEDED"
    assert done.cost.credits == created.estimated_cost.credits


@pytest.mark.parametrize(
    ("fault", "code"), [("job_failed", "INTERNAL.BAD_OUTPUT.CODE01"), ("job_filtered", "SAFETY.INPUT.TEXT")]
)
def test_a_failure_is_told_with_its_code_and_costs_nothing(client: RunwayML, world: World, fault: str, code: str):
    setattr(world.faults, fault, 1)
    with pytest.raises(TaskFailedError) as failed:
        submit(client).wait_for_task_output()
    task = failed.value.task_details
    assert (task.status, task.failure_code, task.cost.credits) == ("FAILED", code, 0)


@pytest.mark.parametrize("fault", ["submit_429", "status_429"])
def test_a_throttled_call_is_repeated_when_it_is_told_to(client: RunwayML, world: World, fault: str):
    setattr(world.faults, fault, Times(1))
    assert submit(client).wait_for_task_output().output
    assert (world.report()["charged"], world.report()["refused_429"]) == (1, 1)


def test_what_stays_throttled_is_named(client: RunwayML, world: World):
    world.faults.submit_429 = 1
    with pytest.raises(runwayml.RateLimitError):
        submit(client.with_options(max_retries=0))


def test_a_submit_whose_answer_is_lost_is_repeated_and_charged_twice(client: RunwayML, world: World):
    world.faults.submit_cut_after = Times(1)
    assert submit(client).wait_for_task_output().output
    assert (world.report()["charged"], world.report()["duplicate_charges"]) == (2, 1)


def test_a_wrong_key_is_refused(client: RunwayML, world: World):
    created = submit(client)
    world.faults.status_unauthorized = 1
    with pytest.raises(runwayml.AuthenticationError):
        client.tasks.retrieve(created.id)


def test_a_key_of_somebody_else_finds_no_task(client: RunwayML):
    created = submit(client)
    with pytest.raises(runwayml.NotFoundError):
        client.with_options(api_key="mallory").tasks.retrieve(created.id)


def test_a_version_that_is_none_is_refused(client: RunwayML):
    with pytest.raises(runwayml.BadRequestError, match="X-Runway-Version"):
        submit(client.with_options(runway_version="2023-01-01"))


def test_a_cancelled_task_is_gone(client: RunwayML, world: World, clock: Clock):
    created = submit(client)
    client.tasks.delete(created.id)
    with pytest.raises(runwayml.NotFoundError):
        client.tasks.retrieve(created.id)
    assert world.report()["cancelled"] == 1


def test_an_image_is_made_and_a_video_upscaled(client: RunwayML, world: World):
    image = client.text_to_image.create(model="gen4_image", prompt_text="a lion", ratio="1280:720")
    [url] = image.wait_for_task_output().output
    assert httpx.get(url).headers["content-type"] == "image/png"
    upscale = client.video_upscale.create(
        model="magnific_video_upscaler_creative", video_uri="https://example.com/lion.mp4", resolution="4k"
    )
    [url] = upscale.wait_for_task_output().output
    assert httpx.get(url).headers["content-type"] == "video/webm"
    assert world.report()["charged"] == 2
