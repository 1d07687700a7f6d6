"""What cannot be made is refused before anything is sent or paid, also of models the catalogue does not list."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from vidpoll.accounts import Accounts
from vidpoll.dry_run import preview
from vidpoll.errors import InvalidRequest
from vidpoll.generation import GenerationRequest, Kind
from vidpoll.media import Media
from vidpoll.projects.plan import ProjectRequest
from vidpoll.providers.base import Parent
from vidpoll.providers_file import load_accounts

MODEL = "acme/new-one"
PARENT = Parent("runware", "a", "operation-1", "video", Media.of("https://cdn.example/1.mp4"))


def accounts_of(path: Path, provider: str, more: str = "") -> Accounts:
    path.write_text(
        f'[accounts.a]\nprovider = "{provider}"\nbase_url = "http://127.0.0.1:9/v1"\napi_key = "key:secret"\n{more}\n'
        f"models = {{ {json.dumps(MODEL)} = {{}} }}\n"
    )
    return load_accounts(path)


def request(provider: str, kind: Kind) -> GenerationRequest:
    parent = UUID(int=7) if kind in ("upscale", "extend") else None
    return GenerationRequest(provider=provider, model=MODEL, prompt="a lion", kind=kind, parent=parent)


@pytest.mark.parametrize(
    ("provider", "kind"),
    [
        ("kling", "image"), ("minimax", "image"), ("openai_videos", "image"), ("gemini_omni", "image"),
        ("veo", "image"), ("veo", "upscale"), ("runway", "extend"), ("runware", "extend"),
    ],
)  # fmt: skip
def test_what_its_provider_never_makes_is_refused_before_anything_is_sent(tmp_path: Path, provider: str, kind: Kind):
    more = 'options = { storage_uri = "gs://bucket" }' if provider == "veo" else ""
    accounts = accounts_of(tmp_path / "providers.toml", provider, more)

    with pytest.raises(InvalidRequest, match=f"kind: {MODEL} makes a video.*, not an {kind}"):
        preview(accounts, request(provider, kind), PARENT if kind in ("upscale", "extend") else None)


@pytest.mark.parametrize(("provider", "kind"), [("runware", "image"), ("runware", "upscale"), ("fal", "image")])
def test_what_its_provider_makes_may_be_asked_for(tmp_path: Path, provider: str, kind: Kind):
    accounts = accounts_of(tmp_path / "providers.toml", provider)

    assert preview(accounts, request(provider, kind), PARENT if kind == "upscale" else None).method == "POST"


def test_a_parameter_of_runwares_says_nothing_of_the_kind_elsewhere(tmp_path: Path):
    asked = request("fal", "video").model_copy(update={"params": {"taskType": "upscale"}})

    assert preview(accounts_of(tmp_path / "providers.toml", "fal"), asked).body == {
        "prompt": "a lion", "taskType": "upscale",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "model"),
    [("runware", "bytedance:50@1"), ("runway", "magnific_video_upscaler_creative")],
)
@pytest.mark.parametrize("address", ["gs://bucket/1.mp4", "/v1/files/1", "data:video/mp4;base64,AAAA"])
def test_what_a_provider_could_not_fetch_is_no_beginning(tmp_path: Path, provider: str, model: str, address: str):
    accounts = accounts_of(tmp_path / "providers.toml", provider)
    path = tmp_path / "providers.toml"
    path.write_text(path.read_text().replace(json.dumps(MODEL), json.dumps(model)))
    accounts = load_accounts(path)
    asked = request(provider, "upscale").model_copy(update={"model": model})

    with pytest.raises(InvalidRequest, match="parent: its result is not on the web, where Run"):
        preview(accounts, asked, Parent("veo", "b", "operation-1", "video", Media.of(address)))


def test_an_upscale_at_luma_has_one_beginning(tmp_path: Path):
    asked = request("luma", "upscale").model_copy(update={"params": {"generation_id": "another"}})
    parent = Parent("luma", "a", "operation-1", "video", None)

    with pytest.raises(InvalidRequest, match=r"parent: params\.generation_id names another one"):
        preview(accounts_of(tmp_path / "providers.toml", "luma"), asked, parent)


def test_a_step_that_begins_with_an_image_is_refused_before_the_image_is_paid():
    image = {"key": "a", "provider": "runware", "model": "runware:101@1", "prompt": "p", "kind": "image"}
    bigger = {
        "key": "b",
        "provider": "luma",
        "model": "ray-2",
        "prompt": "p",
        "kind": "upscale",
        "parent": {"from": "a"},
    }

    with pytest.raises(InvalidRequest, match=r"steps\.b\.parent: a makes an image, and an upscale begins with a video"):
        ProjectRequest(name="lions", steps=[image, bigger])


def test_a_parent_that_is_no_text_is_told_in_words():
    with pytest.raises(InvalidRequest, match="parent: UUID input should be"):
        GenerationRequest(provider="runware", model="m", prompt="p", kind="upscale", parent=5)
