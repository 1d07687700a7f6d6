"""Upscales and extends of a generation before: resolved once, before the paid call, refused when they cannot be."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.integration.driver import RUNWARE, Driver
from vidpoll import Client, InvalidRequest, Status
from vidpoll.lifecycle import Lifecycle
from vidpoll.simulator import World

UPSCALE = {"provider": "runware", "model": "bytedance:50@1", "prompt": "upscale", "kind": "upscale"}
IMAGE = {"provider": "runware", "model": "runware:101@1", "kind": "image", "params": {"width": 1280, "height": 720}}


@pytest.fixture
def parent(driver: Driver, make_request, world: World) -> uuid.UUID:
    """A completed video of Alice's."""
    id = driver.submitted(make_request(**RUNWARE), "runware")
    driver.check("runware")
    assert driver.get(id).status is Status.COMPLETED
    return id


def tasks(world: World) -> list[dict[str, Any]]:
    return [job["request"] for job in world.jobs()]


def test_an_upscale_is_of_its_parents_video_and_the_row_says_what_was_sent(driver, make_request, world, parent):
    request = make_request(**UPSCALE, parent=parent)
    id = driver.submitted(request, "runware")
    driver.check("runware")

    upscaled, video = driver.get(id), driver.get(parent).video_url
    assert (upscaled.status, upscaled.kind, upscaled.parent_id) == (Status.COMPLETED, "upscale", parent)
    assert (upscaled.from_parent, upscaled.params) == ({"inputs": {"video": video}}, {})
    assert tasks(world)[1]["inputs"] == {"video": video}
    assert driver.lifecycle.accept(request).id == id, "asked again, it is the same"
    assert world.report()["charged"] == 2


def test_what_was_resolved_stays_though_the_parent_changes_before_the_paid_call(driver, make_request, world, parent):
    id = driver.accepted(make_request(**UPSCALE, parent=parent))
    before = driver.get(parent).video_url
    driver.sql("UPDATE generations SET video_url = 'http://127.0.0.1/x.mp4' WHERE id = %s", parent)

    driver.lifecycle.take_up([driver.get(id)])
    driver.submit("runware")

    assert tasks(world)[1]["inputs"] == {"video": before}


def test_a_row_whose_message_was_lost_is_resolved_when_it_is_taken_up(driver, make_request, world, parent):
    rows = [make_request(**UPSCALE, parent=parent), make_request(**RUNWARE)]
    ids = [one.id for one in driver.services.store.accept_many([(row, None) for row in rows])]

    driver.lifecycle.take_up([driver.get(id) for id in ids])
    driver.submit("runware")

    assert [one["taskType"] for one in tasks(world)] == ["videoInference", "upscale", "videoInference"]
    assert driver.get(ids[0]).from_parent == {"inputs": {"video": driver.get(parent).video_url}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"parent": uuid.UUID(int=7)}, "parent: there is no generation 00000000-0000-0000-0000-000000000007"),
        ({"owner": "bob"}, "parent: there is no generation {parent}"),
        ({"params": {"inputs": {"video": "https://v"}}}, "parent: params.inputs.video names another one"),
        ({"model": "google:3@3"}, "kind: google:3@3 makes a video, not an upscale"),
        ({"parent": None}, "parent: an upscale needs one, or params.inputs"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_paid(
    driver: Driver, make_request, world, parent, changes: dict[str, Any], told: str
):
    with pytest.raises(InvalidRequest) as refused:
        driver.lifecycle.accept(make_request(**{**UPSCALE, "parent": parent, **changes}))

    assert told.format(parent=parent) in refused.value.problems
    assert world.report()["charged"] == 1


def test_a_parent_that_is_not_done_an_image_and_an_address_that_expired_are_refused(
    lifecycle: Lifecycle, driver: Driver, make_request, world, parent
):
    world.durations.median_s = 1000
    waiting = driver.submitted(make_request(**RUNWARE, prompt="other"), "runware")
    world.durations.median_s = 1e-6
    image = driver.submitted(make_request(**IMAGE), "runware")
    driver.check("runware")
    driver.sql(
        'UPDATE generations SET result = result || \'{"expires_at": "2020-01-01T00:00:00Z"}\' WHERE id = %s', parent
    )

    told = {}
    for one in (waiting, image, parent):
        with pytest.raises(InvalidRequest) as refused:
            lifecycle.accept(make_request(**UPSCALE, parent=one))
        (told[one],) = refused.value.problems

    assert told[waiting] == f"parent: {waiting} is processing: only what is completed can be continued"
    assert told[image] == "parent: it is an image, and an upscale here begins with a video"
    assert told[parent] == "parent: the address of its result does not work any more"


def test_a_row_that_is_refused_says_why(driver: Driver, make_request, parent):
    request = make_request(**UPSCALE, parent=uuid.UUID(int=7))
    driver.services.store.accept(request)

    driver.lifecycle.take_up([driver.get(request.id)])

    assert driver.get(request.id).error["message"].startswith("parent: there is no generation")


def test_an_image_is_told_as_one(driver: Driver, make_request, world):
    id = driver.submitted(make_request(**IMAGE), "runware")
    driver.check("runware")

    image = driver.get(id)
    assert image.result["images"] == [{"url": image.video_url, "content_type": "image/png"}]
    assert (image.result["content_type"], "videos" in image.result) == ("image/png", False)
    assert driver.services.store.events(id)[-1]["data"]["content_type"] == "image/png"
    assert tasks(world)[0]["deliveryMethod"] == "async"


def test_runwares_own_way_to_ask_for_an_upscale_goes_on_working(driver: Driver, make_request, world):
    params = {"taskType": "upscale", "inputs": {"video": "https://example.com/1.mp4"}}

    id = driver.submitted(make_request(**{**UPSCALE, "kind": "video"}, params=params), "runware")
    driver.check("runware")

    assert driver.get(id).status is Status.COMPLETED
    assert tasks(world)[0]["taskType"] == "upscale"


def test_the_same_request_gives_the_same_generation_also_when_its_parent_is_gone(
    driver: Driver, make_request, parent, redis_url: str, database_url: str, tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("VIDPOLL_PROVIDERS_FILE", str(tmp_path / "providers.toml"))
    client = Client(redis_url, database_url)
    again = {**UPSCALE, "parent": parent, "idempotency_key": "larger"}
    first = client.submit(make_request(**again))
    driver.sql("DELETE FROM generations WHERE id = %s", parent)

    assert client.submit(make_request(**again)) == first
    with pytest.raises(InvalidRequest, match="parent: there is no generation"):
        client.submit(make_request(**{**again, "idempotency_key": "another"}))
