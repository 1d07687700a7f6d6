"""google-genai 1, the last one that makes videos through the Gemini API, pointed at the simulator by ``base_url``.

Its download is left out: it takes a file's id from URLs at Google alone. It has no call that cancels a video.
"""

from collections.abc import Iterator

import httpx
import pytest
from google import genai
from google.genai import types
from google.genai.errors import ClientError

from tests.sdks.conftest import Clock, Times
from vidpoll.simulator import Simulator, World

MODEL = "veo-3.1-fast-generate-preview"
RETRIES = types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.1)


def client_of(simulator: Simulator, key: str) -> genai.Client:
    where = types.HttpOptions(base_url=f"{simulator.url}/gemini", retry_options=RETRIES)
    return genai.Client(api_key=key, http_options=where)


@pytest.fixture
def client(simulator: Simulator) -> Iterator[genai.Client]:
    with client_of(simulator, "alice") as client:
        yield client


def submit(client: genai.Client, videos: int = 1) -> types.GenerateVideosOperation:
    return client.models.generate_videos(
        model=MODEL,
        source=types.GenerateVideosSource(prompt="a lion at dawn"),
        config=types.GenerateVideosConfig(number_of_videos=videos, duration_seconds=8),
    )


def test_an_operation_runs_then_ends_with_a_video_that_can_be_fetched(client: genai.Client, world: World, clock: Clock):
    operation = client.operations.get(submit(client))
    assert not operation.done
    clock.now += 100
    operation = client.operations.get(operation)
    assert operation.done
    [made] = operation.response.generated_videos
    assert httpx.get(made.video.uri).status_code == 200
    assert world.report()["charged"] == 1


def test_a_failure_is_the_operations_error(client: genai.Client, world: World):
    world.faults.job_failed = 1
    operation = client.operations.get(submit(client))
    assert operation.done
    assert operation.error["code"] == 13


@pytest.mark.parametrize(("fault", "made", "filtered"), [("job_filtered", 0, 2), ("job_partial", 1, 1)])
def test_filtered_videos_are_counted_with_their_reasons(
    client: genai.Client, world: World, fault: str, made: int, filtered: int
):
    setattr(world.faults, fault, 1)
    response = client.operations.get(submit(client, videos=2)).response
    assert len(response.generated_videos) == made
    assert response.rai_media_filtered_count == len(response.rai_media_filtered_reasons) == filtered


@pytest.mark.parametrize("fault", ["submit_429", "status_429"])
def test_throttled_calls_are_repeated_as_the_client_is_told_to(client: genai.Client, world: World, fault: str):
    setattr(world.faults, fault, Times(2))
    assert client.operations.get(submit(client)).done
    assert (world.report()["charged"], world.report()["refused_429"]) == (1, 2)


def test_a_key_of_somebody_else_finds_no_operation(client: genai.Client, simulator: Simulator):
    operation = submit(client)
    with client_of(simulator, "mallory") as other, pytest.raises(ClientError) as refused:
        other.operations.get(operation)
    assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")
