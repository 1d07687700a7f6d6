"""What is told of a kind and of a parent before anything is paid."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from vidpoll import kinds, messages
from vidpoll.accounts import Account, ModelPolicy
from vidpoll.errors import InvalidRequest
from vidpoll.generation import Generation, GenerationRequest, Status
from vidpoll.media import Media
from vidpoll.results import address_of, first_result

PARENT = uuid.UUID(int=7)
UPSCALE = {"provider": "runware", "model": "bytedance:50@1", "prompt": "upscale"}
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def account(**models: ModelPolicy) -> Account:
    return Account(name="a", provider="runware", base_url="https://r", api_key_env="X", models=models)


def problems(**asked: Any) -> list[str]:
    request = GenerationRequest(**{**UPSCALE, **asked})
    policy = ModelPolicy(kinds=("upscale",))
    return kinds.problems(
        [account(**{request.model: policy})], request.provider, request.model, request.kind, request.params,
        has_parent=request.parent is not None,
    )  # fmt: skip


def completed(**changes: Any) -> Generation:
    fields = {
        "id": PARENT, "owner": "alice", "provider": "runware", "model": "m", "prompt": "p", "status": Status.COMPLETED,
        "created_at": NOW, "updated_at": NOW, "read_at": NOW, "video_url": "https://v/1.mp4",
        "result": {"videos": ["https://v/1.mp4"]},
    }  # fmt: skip
    return Generation(**{**fields, **changes})


def test_a_request_for_a_video_is_the_one_it_always_was():
    old, new = GenerationRequest(**UPSCALE), GenerationRequest(**UPSCALE, kind="video", parent=None)

    assert old.fingerprint() == new.fingerprint()
    assert messages.generate_message(new).keys() == {*UPSCALE, "owner"}


def test_a_message_that_asks_for_anything_else_is_left_to_workers_that_know_kinds():
    message = messages.generate_message(GenerationRequest(**UPSCALE, kind="upscale", parent=PARENT))

    assert (message["v"], message["kind"], message["parent"]) == (2, "upscale", str(PARENT))
    assert messages.read_generate((), message, str(uuid.uuid4())).parent == PARENT


def test_requests_differ_by_kind_and_parent_and_not_by_what_the_parent_brings():
    first, other = (GenerationRequest(**UPSCALE, kind="upscale", parent=uuid.UUID(int=n)) for n in (1, 2))
    row = completed(kind="upscale", parent_id=first.parent, from_parent={"inputs": {"video": "https://v/1.mp4"}})

    assert first.fingerprint() != other.fingerprint() != GenerationRequest(**UPSCALE).fingerprint()
    assert row.request.params == {}
    assert row.as_sent.params == {"inputs": {"video": "https://v/1.mp4"}}


@pytest.mark.parametrize("kind", ["video", "image"])
def test_only_an_upscale_or_an_extend_has_a_parent(kind: str):
    with pytest.raises(InvalidRequest, match="parent: only an upscale or an extend has one, not a"):
        GenerationRequest(**UPSCALE, kind=kind, parent=PARENT)


def test_an_unknown_kind_is_refused():
    with pytest.raises(InvalidRequest, match="kind: input should be 'video', 'image', 'upscale' or 'extend'"):
        GenerationRequest(**UPSCALE, kind="dub")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"kind": "upscale", "parent": PARENT}, []),
        ({"kind": "upscale", "params": {"inputs": {"video": "https://v"}}}, []),
        ({"params": {"taskType": "upscale", "inputs": {"video": "https://v"}}}, []),
        ({"kind": "upscale"}, ["parent: an upscale needs one, or params.inputs"]),
        ({"kind": "image"}, ["kind: bytedance:50@1 makes an upscale, not an image"]),
        ({}, ["kind: bytedance:50@1 makes an upscale, not a video"]),
        (
            {"kind": "extend"},
            ["kind: bytedance:50@1 makes an upscale, not an extend", "parent: an extend needs one"],
        ),
    ],
)
def test_what_a_model_cannot_do_is_told_in_a_sentence_each(asked: dict[str, Any], told: list[str]):
    assert problems(**asked) == told


def test_a_model_nobody_knows_may_be_asked_for_anything():
    able = [account(new=ModelPolicy())]

    assert kinds.problems(able, "runware", "new", "image", {}, has_parent=False) == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], f"there is no generation {PARENT}"),
        ([completed(owner="bob")], f"there is no generation {PARENT}"),
        ([completed(status=Status.PROCESSING)], f"{PARENT} is processing: only what is completed can be continued"),
        ([completed(status=Status.FAILED)], f"{PARENT} is failed: only what is completed can be continued"),
    ],
)
def test_a_parent_that_is_none_is_told_and_nothing_of_other_owners(found: list[Generation], told: str):
    request = GenerationRequest(**UPSCALE, owner="alice", kind="upscale", parent=PARENT)

    assert kinds.parent_of(request, found) == told


@pytest.mark.parametrize(
    ("expires_at", "address"),
    [
        ("2026-11-20T23:59:59+00:00", None),
        ("2026-11-21T00:00:01+00:00", "https://v/1.mp4"),
        ("soon", "https://v/1.mp4"),
        ("2026-11-20T00:00:00", "https://v/1.mp4"),
        (None, "https://v/1.mp4"),
    ],
)
def test_a_result_has_an_address_for_as_long_as_that_works(expires_at: str | None, address: str | None):
    assert address_of(completed(result={"videos": ["https://v/1.mp4"], "expires_at": expires_at})) == address


def test_what_a_result_is_follows_from_its_content_type_its_address_or_what_was_made():
    assert first_result(completed()) == Media("https://v/1.mp4", "video", "video/mp4")
    image = completed(video_url="https://v/1", result={"images": [{"url": "https://v/1"}]})
    assert first_result(image) == Media("https://v/1", "image", None)


@pytest.mark.parametrize(
    ("told", "kind", "content_type"),
    [
        ("image/webp", "image", "image/webp"),
        ("IMAGE/PNG; q=1", "image", "image/png"),
        ("application/octet-stream", "video", "video/mp4"),
        (7, "video", "video/mp4"),
        (None, "video", "video/mp4"),
    ],
)
def test_what_a_provider_says_of_a_result_goes_before_its_address(told: object, kind: str, content_type: str):
    assert Media.of("https://v/1.mp4", told) == Media("https://v/1.mp4", kind, content_type)
