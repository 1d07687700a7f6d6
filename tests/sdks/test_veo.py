"""google-genai in its Google Cloud mode, pointed at the simulator by ``base_url`` and given a token of its own.

It has no call that cancels a video.
"""

from collections.abc import Iterator

import pytest
from google import genai
from google.genai import types
from google.genai.errors import ClientError
from google.oauth2.credentials import Credentials

from tests.sdks.conftest import Clock, Times
from vidpoll.simulator import Simulator, World

MODEL = "veo-3.1-fast-generate-001"
RETRIES = types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.1)


def client_of(simulator: Simulator, token: str, api_version: str | None = "v1") -> genai.Client:
    where = types.HttpOptions(base_url=f"{simulator.url}/vertex", api_version=api_version, retry_options=RETRIES)
    return genai.Client(
        vertexai=True, project="lions", location="us-central1", credentials=Credentials(token), http_options=where
    )


@pytest.fixture
def client(simulator: Simulator) -> Iterator[genai.Client]:
    with client_of(simulator, "alice") as client:
        yield client


def submit(client: genai.Client, videos: int = 1) -> types.GenerateVideosOperation:
    config = types.GenerateVideosConfig(
        number_of_videos=videos, duration_seconds=8, seed=7, generate_audio=False, output_gcs_uri="gs://ours/lions"
    )
    return client.models.generate_videos(
        model=MODEL, source=types.GenerateVideosSource(prompt="a lion at dawn"), config=config
    )


@pytest.mark.parametrize("api_version", ["v1", None])
def test_an_operation_runs_then_ends_with_a_video_in_the_bucket(
    simulator: Simulator, world: World, clock: Clock, api_version: str | None
):
    with client_of(simulator, "alice", api_version) as client:
        operation = submit(client)
        assert operation.name.startswith(
            f"projects/lions/locations/us-central1/publishers/google/models/{MODEL}/operations/"
        )
        operation = client.operations.get(operation)
        assert not operation.done
        clock.now += 100
        operation = client.operations.get(operation)
    assert operation.done
    [made] = operation.response.generated_videos
    assert made.video.uri.startswith("gs://")
    assert made.video.mime_type == "video/mp4"
    assert world.report()["charged"] == 1


def test_a_failure_is_the_operations_error(client: genai.Client, world: World):
    world.faults.job_failed = 1
    operation = client.operations.get(submit(client))
    assert operation.done
    assert operation.error["code"] == 13
    assert operation.response is None


@pytest.mark.parametrize(("fault", "made", "filtered"), [("job_filtered", 0, 2), ("job_partial", 1, 1)])
def test_filtered_videos_are_counted_with_their_reasons(
    client: genai.Client, world: World, fault: str, made: int, filtered: int
):
    setattr(world.faults, fault, 1)
    response = client.operations.get(submit(client, videos=2)).response
    assert len(response.generated_videos or []) == made
    assert response.rai_media_filtered_count == len(response.rai_media_filtered_reasons) == filtered


@pytest.mark.parametrize("fault", ["submit_429", "status_429"])
def test_throttled_calls_are_repeated_as_the_client_is_told_to(client: genai.Client, world: World, fault: str):
    setattr(world.faults, fault, Times(2))
    assert client.operations.get(submit(client)).done
    assert (world.report()["charged"], world.report()["refused_429"]) == (1, 2)


def test_what_stays_throttled_is_named(client: genai.Client, world: World):
    world.faults.submit_429 = 1
    with pytest.raises(ClientError) as refused:
        submit(client)
    assert (refused.value.code, refused.value.status) == (429, "RESOURCE_EXHAUSTED")


def test_a_wrong_token_is_refused(client: genai.Client, world: World):
    operation = submit(client)
    world.faults.status_unauthorized = 1
    with pytest.raises(ClientError) as refused:
        client.operations.get(operation)
    assert (refused.value.code, refused.value.status) == (403, "PERMISSION_DENIED")


def test_a_token_of_somebody_else_finds_no_operation(client: genai.Client, simulator: Simulator):
    operation = submit(client)
    with client_of(simulator, "mallory") as other, pytest.raises(ClientError) as refused:
        other.operations.get(operation)
    assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")


def test_more_videos_than_there_are_is_an_invalid_argument(client: genai.Client):
    with pytest.raises(ClientError) as refused:
        submit(client, videos=5)
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
