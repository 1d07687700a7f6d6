"""Images, upscales and extends, for every model of the catalogue that lists them: paid once, ready as what they are."""

import re

import pytest
import requests

from tests.providers.subject import Subject, subject_of
from vidpoll.catalogue import catalogue
from vidpoll.generation import CONTINUING, Kind
from vidpoll.media import Media
from vidpoll.providers.base import CannotContinue, Operation, Parent
from vidpoll.providers.outcomes import Ready, Submitted
from vidpoll.simulator import Simulator, World

LISTED = [
    (entry.name, name, kind)
    for entry in catalogue().values()
    for name, model in entry.models.items()
    for kind in model.kinds
    if kind != "video"
]
IMAGES = [(entry, model) for entry, model, kind in LISTED if kind == "image"]
CONTINUED = [one for one in LISTED if one[2] in CONTINUING]
PNG = b"\x89PNG\r\n\x1a\n"


def made(subject: Subject, kind: Kind = "video") -> Parent:
    """A video, or an image, that the subject made."""
    entry = subject.entry
    model = next(name for name, one in entry.models.items() if kind in one.kinds)
    operation = subject.submitted(model=model, kind=kind)
    ready = subject.check(Operation(operation.name, operation.params, kind))
    assert isinstance(ready, Ready), ready
    return Parent(entry.provider, entry.name, operation.name, kind, Media.of(ready.urls[0], asked=kind))


@pytest.mark.parametrize(("name", "model"), IMAGES)
def test_an_image_is_paid_once_and_ready_as_one(name: str, model: str, world: World, simulator: Simulator):
    subject = subject_of(name, world)
    request = subject.request(model=model, kind="image")
    assert subject.provider.problems(request) == []

    submitted = subject.submit(request)
    assert isinstance(submitted, Submitted)
    ready = subject.check(Operation(submitted.operation_name, request.params, "image"))

    assert isinstance(ready, Ready)
    assert (ready.videos, len(ready.images), ready.content_type) == ((), 1, "image/png")
    shown = requests.get(ready.images[0].url, timeout=5)
    assert (shown.headers["content-type"], shown.content[:8]) == ("image/png", PNG)
    assert subject.paid == (1, 1)


@pytest.mark.parametrize(("name", "model", "kind"), CONTINUED)
def test_what_a_parent_brings_is_all_that_the_vendor_needs(
    name: str, model: str, kind: Kind, world: World, simulator: Simulator
):
    subject = subject_of(name, world)
    parent = made(subject)
    begins_with = catalogue()[name].models[model].begins_with[kind]
    request = subject.request(model=model, kind=kind)
    request = request.model_copy(
        update={"params": {key: one for key, one in request.params.items() if key != begins_with}}
    )

    brought = subject.provider.continue_from(request, parent)
    assert isinstance(brought, dict)
    assert list(brought) == [begins_with]
    assert parent.operation_name in str(brought) or parent.result.url in str(brought)
    request = request.model_copy(update={"params": {**request.params, **brought}})
    assert subject.provider.problems(request) == []
    submitted = subject.submit(request)

    assert isinstance(submitted, Submitted)
    assert isinstance(subject.check(Operation(submitted.operation_name, request.params, kind)), Ready)
    assert subject.world.report()["charged"] == 2


@pytest.mark.parametrize(("name", "model", "kind"), CONTINUED)
def test_an_image_is_no_beginning_of_a_video(name: str, model: str, kind: Kind, world: World, simulator: Simulator):
    subject = subject_of(name, world)
    image = Media("https://v/1.png", "image", "image/png")
    parent = Parent(subject.entry.provider, name, "op-1", "image", image)

    refused = subject.provider.continue_from(subject.request(model=model, kind=kind, params={}), parent)

    assert isinstance(refused, CannotContinue)
    assert re.search("image|names", refused.reason)


@pytest.mark.parametrize("name", ["luma", "veo_gemini"])
def test_what_a_vendor_keeps_under_ids_of_its_own_is_continued_by_the_account_that_made_it(name: str, world: World):
    subject = subject_of(name, world)
    parent = Parent(subject.entry.provider, "another", "op-1", "video", Media("https://v/1.mp4", "video"))

    refused = subject.provider.continue_from(subject.request(kind="extend"), parent)

    assert isinstance(refused, CannotContinue)
    assert "the same account" in refused.reason


def test_vertex_extends_what_lies_in_a_bucket(world: World):
    subject = subject_of("veo", world)
    parent = Parent("runware", "runware", "op-1", "video", Media("https://v/1.mp4", "video"))

    refused = subject.provider.continue_from(subject.request(kind="extend"), parent)

    assert isinstance(refused, CannotContinue)
    assert "gs://" in refused.reason


@pytest.mark.parametrize("name", ["fal", "replicate", "kling", "minimax", "gemini_omni"])
def test_providers_that_continue_nothing_say_so(name: str, world: World):
    subject = subject_of(name, world)
    parent = Parent(subject.entry.provider, name, "op-1", "video", Media("https://v/1.mp4", "video"))

    refused = subject.provider.continue_from(subject.request(kind="extend"), parent)

    assert isinstance(refused, CannotContinue)
    assert subject.entry.provider in refused.reason
