"""What `vidpoll submit` fills in."""

from datetime import date
from pathlib import Path

import pytest

from vidpoll.catalogue import Model, catalogue
from vidpoll.catalogue.params import Param
from vidpoll.cli.generations import _chosen
from vidpoll.errors import UnknownTarget


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDPOLL_PROVIDERS_FILE", str(Path(__file__).parents[2] / "config" / "providers.toml"))
    monkeypatch.setenv("VIDPOLL_SIMULATOR_URL", "http://127.0.0.1:1")


def test_the_first_model_is_taken_that_is_not_retired():
    models = catalogue()["veo"].models

    model, _ = _chosen("veo", None)

    assert model == next(name for name, one in models.items() if not one.retired(date.today()))


def test_where_all_are_retired_the_first_is_taken():
    assert all(one.retired(date(2026, 11, 21)) for one in catalogue()["openai_videos"].models.values())
    assert _chosen("openai_videos", None) == ("sora-2", {})


def test_a_named_account_offers_its_own_models():
    assert _chosen("veo", "gemini")[0] in catalogue()["veo_gemini"].models


def test_what_a_model_cannot_do_without_is_filled_in_where_it_can_be_chosen_from():
    params = {
        "ratio": Param(values=["16:9", "9:16"], required=True),
        "seed": Param(values=[1]),
        "x": Param(required=True),
    }

    assert Model(params=params).least() == {"ratio": "16:9"}
    assert _chosen("runway", None) == ("veo3.1_fast", {"ratio": "1280:720"})


def test_an_unknown_provider_or_account_is_told():
    with pytest.raises(UnknownTarget, match="no account for 'sora'; there are accounts for fal"):
        _chosen("sora", None)
    with pytest.raises(UnknownTarget, match="no account 'nobody'"):
        _chosen("veo", "nobody")
