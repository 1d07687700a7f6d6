"""google-genai and the Interactions API, pointed at the simulator by ``base_url``."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types
from google.genai._gaos.lib.compat_errors import APIError  # it has no public name

from tests.sdks.conftest import Clock, Times
from vidpoll.simulator import Simulator, World

VIDEO = {"type": "video", "aspect_ratio": "16:9", "resolution": "720p", "duration": "8s", "delivery": "uri"}


def client_of(simulator: Simulator, key: str, api_version: str | None = None) -> genai.Client:
    where = types.HttpOptions(base_url=f"{simulator.url}/gemini_omni", api_version=api_version)
    return genai.Client(api_key=key, http_options=where)


@pytest.fixture
def client(simulator: Simulator) -> Iterator[genai.Client]:
    with client_of(simulator, "alice") as client:
        yield client


def submit(client: genai.Client) -> Any:
    return client.interactions.create(
        model="gemini-omni-1.1-flash", input="a lion at dawn", background=True, store=True, response_format=VIDEO
    )


@pytest.mark.parametrize("api_version", ["v1beta", None])
def test_an_interaction_waits_then_runs_then_ends_with_a_video_that_can_be_fetched(
    simulator: Simulator, world: World, clock: Clock, api_version: str | None
):
    with client_of(simulator, "alice", api_version) as client:
        interaction = submit(client)
        assert interaction.status == "queued"
        clock.now += 50
        assert client.interactions.get(interaction.id).status == "in_progress"
        clock.now += 50
        interaction = client.interactions.get(interaction.id)
    assert interaction.status == "completed"
    assert interaction.output_video.mime_type == "video/mp4"
    assert httpx.get(interaction.output_video.uri).status_code == 200
    assert [step.type for step in interaction.steps] == ["user_input", "model_output"]
    assert world.report()["charged"] == 1


@pytest.mark.parametrize(("fault", "code"), [("job_failed", "internal"), ("job_filtered", "safety_violation")])
def test_a_failure_is_told_with_its_code(client: genai.Client, world: World, fault: str, code: str):
    setattr(world.faults, fault, 1)
    interaction = client.interactions.get(submit(client).id)
    assert (interaction.status, interaction.output_video) == ("failed", None)
    assert [error.code for error in interaction.errors] == [code]


@pytest.mark.parametrize("fault", ["submit_429", "status_429"])
def test_a_throttled_call_is_repeated_when_it_is_told_to(client: genai.Client, world: World, fault: str):
    setattr(world.faults, fault, Times(1))
    assert client.interactions.get(submit(client).id).status == "completed"
    assert (world.report()["charged"], world.report()["refused_429"]) == (1, 1)


def test_a_submit_whose_answer_is_lost_is_an_error_and_not_repeated(client: genai.Client, world: World):
    world.faults.submit_cut_after = Times(1)
    with pytest.raises(APIError, match="Server disconnected"):
        submit(client)
    assert (world.report()["submit_calls"], world.report()["charged"]) == (1, 1)


def test_a_wrong_key_is_refused(client: genai.Client, world: World):
    interaction = submit(client)
    world.faults.status_unauthorized = 1
    with pytest.raises(APIError, match="invalid authentication credentials") as refused:
        client.interactions.get(interaction.id)
    assert refused.value.status_code == 401


def test_a_key_of_somebody_else_finds_no_interaction(client: genai.Client, simulator: Simulator):
    interaction = submit(client)
    with client_of(simulator, "mallory") as other, pytest.raises(APIError) as refused:
        other.interactions.get(interaction.id)
    assert refused.value.status_code == 404


def test_a_cancelled_interaction_is_cancelled(client: genai.Client, world: World, clock: Clock):
    interaction = submit(client)
    assert client.interactions.cancel(interaction.id).status == "cancelled"
    assert client.interactions.get(interaction.id).status == "cancelled"
    assert world.report()["cancelled"] == 1
