from pathlib import Path

import pytest

from tests import providers_file
from vidpoll.accounts import Accounts
from vidpoll.catalogue import catalogue
from vidpoll.cli import demo
from vidpoll.errors import NotConfigured, UnknownTarget
from vidpoll.providers_file import load_accounts


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return load_accounts(providers_file.write(tmp_path, "http://127.0.0.1:1"))


def test_the_accounts_that_list_the_model_may_pay_or_the_named_one_alone(tmp_path: Path):
    file = providers_file.write(tmp_path, "http://127.0.0.1:1")
    file.write_text(file.read_text() + '[accounts.gemini.models."veo-fast"]')
    accounts = load_accounts(file)

    assert [one.name for one in accounts.candidates("veo", "veo-fast", None)] == ["vertex", "gemini"]
    assert [one.name for one in accounts.candidates("veo", "veo-preview", None)] == ["gemini"]
    assert [one.name for one in accounts.candidates("veo", "veo-fast", "gemini")] == ["gemini"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (("sora", "sora-2", None), "there are accounts for replicate, runware, veo"),
        (("veo", "veo-9", None), "it has veo-fast, veo-preview"),
        (("veo", "veo-fast", "nobody"), "there are runware, vertex, gemini"),
        (("veo", "veo-fast", "runware"), "belongs to provider 'runware'"),
        (("veo", "veo-fast", "gemini"), "it has veo-preview"),
    ],
)
def test_an_unknown_target_is_refused_with_what_there_is(accounts: Accounts, target: tuple, said: str):
    with pytest.raises(UnknownTarget, match=said):
        accounts.candidates(*target)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accounts = 7", "accounts"),
        ("[accounts.a", "not valid TOML"),
        ("[accounts.a]\nprovider = 7", "accounts.a.provider"),
        ("[accounts.a]\nprovider = 'veo'\nbase_url = '${NOWHERE}'", "NOWHERE is not set"),
        (
            "[accounts.a]\nprovider='veo'\nbase_url='http://x'\napi_key_env='K'\n[accounts.a.models]",
            "at least one model",
        ),
        (
            "[accounts.a]\nprovider='veo'\nbase_url='http://x'\napi_key_env='K'\napi_key_file='k'\n[accounts.a.models.m]",
            "give one of",
        ),
        ("[accounts.a]\nprovider='veo'\nsimulated=true", "VIDPOLL_SIMULATOR_URL is not set"),
        ("[accounts.a]\ntemplate='nobody'", "there is no template 'nobody'; there are .*runware"),
        ("[accounts.a]\nprovider='veo'", "accounts.a.base_url"),
        ("[accounts.a]\nprovider='veo'\nbase_url='https://x.example'\napi_key='k'\n[accounts.a.models.m]", "loopback"),
        (
            "[accounts.a]\nprovider='veo'\nbase_url='http://x'\napi_key_env='K'\nstatus_rate=0\n[accounts.a.models.m]",
            "status_rate",
        ),
        (
            "[accounts.a]\nprovider='veo'\nbase_url='http://x'\napi_key_env='K'\nstatus_rate=100\nstatus_burst=5\n[accounts.a.models.m]",
            "status_burst must be at least 6 for a status_rate of 100",
        ),
    ],
)
def test_a_wrong_providers_file_is_refused_with_its_name_and_place(tmp_path: Path, text: str, said: str):
    path = tmp_path / "providers.toml"
    path.write_text(text)

    with pytest.raises(NotConfigured, match=said) as refused:
        load_accounts(path, {})
    assert str(path) in str(refused.value)


def test_a_missing_providers_file_is_named(tmp_path: Path):
    with pytest.raises(NotConfigured, match="VIDPOLL_PROVIDERS_FILE"):
        load_accounts(tmp_path / "none.toml")


def test_the_key_is_read_from_the_environment_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "p.toml"
    path.write_text(
        "[accounts.a]\nprovider='runware'\nbase_url='https://x'\napi_key_env='SOME_KEY'\n[accounts.a.models.m]"
    )
    account = load_accounts(path)["a"]

    with pytest.raises(NotConfigured, match="SOME_KEY"):
        account.key()
    monkeypatch.setenv("SOME_KEY", "kept from view")
    assert account.key() == "kept from view"
    assert "kept from view" not in repr(account)


def test_a_literal_key_is_not_shown(tmp_path: Path):
    assert "key-vertex" not in repr(load_accounts(providers_file.write(tmp_path, "http://127.0.0.1:1")))


def test_the_shipped_providers_file_is_right_and_keeps_below_the_demo_limits():
    shipped = Path(__file__).parents[2] / "config" / "providers.toml"
    accounts = load_accounts(shipped, {"VIDPOLL_SIMULATOR_URL": "http://127.0.0.1:1"})

    assert accounts.accounts.keys() >= {
        "fal", "gemini", "gemini_omni", "kling", "luma", "minimax", "openai_videos", "replicate", "runway", "runware", "veo",
    }  # fmt: skip
    assert len({one.key() for one in accounts.accounts.values()}) == len(accounts.accounts), "limits go by the key"
    for account in accounts.accounts.values():
        assert account.status_rate + account.status_burst <= demo.STATUS_LIMIT
        assert account.submit_rate + account.submit_burst <= demo.SUBMIT_LIMIT


def test_an_account_needs_no_more_than_its_providers_name(tmp_path: Path):
    path = tmp_path / "p.toml"
    path.write_text("[accounts.main]\nprovider = 'runware'")

    account = load_accounts(path, {})["main"]

    assert (account.base_url, account.api_key_env) == ("https://api.runware.ai/v1", "RUNWARE_API_KEY")
    assert account.policy("google:3@3").typical_s == 75
    assert set(account.models) == set(catalogue()["runware"].models)


def test_a_simulated_account_is_reached_at_the_simulator_with_a_key_that_is_no_secret(tmp_path: Path):
    path = tmp_path / "p.toml"
    path.write_text("[accounts.google]\ntemplate = 'veo_gemini'\nsimulated = true")

    account = load_accounts(path, {"VIDPOLL_SIMULATOR_URL": "http://127.0.0.1:7/"})["google"]

    assert (account.provider, account.base_url) == ("veo", "http://127.0.0.1:7/gemini/v1beta")
    assert account.key() == "simulator-google"
    assert account.options == {"dialect": "gemini"}


def test_a_live_account_speaks_its_templates_dialect_and_writes_into_nobodys_bucket(tmp_path: Path):
    path = tmp_path / "p.toml"
    path.write_text("[accounts.g]\ntemplate = 'veo_gemini'\n[accounts.v]\nprovider = 'veo'\nbase_url = 'https://v'\n")

    accounts = load_accounts(path, {})

    assert accounts["g"].options == {"dialect": "gemini"}
    assert accounts["v"].options == {"dialect": "vertex"}
    path.write_text(path.read_text() + "options = { storage_uri = 'gs://mine/' }")
    assert load_accounts(path, {})["v"].options == {"dialect": "vertex", "storage_uri": "gs://mine/"}
    path.write_text(path.read_text().replace("{ storage_uri = 'gs://mine/' }", "7"))
    with pytest.raises(NotConfigured, match=r"accounts\.v\.options"):
        load_accounts(path, {})


def test_the_simulator_may_be_on_another_machine_and_no_other_key_may_stand_in_the_file(tmp_path: Path):
    (path := tmp_path / "providers.toml").write_text("[accounts.a]\nprovider = 'veo'\nsimulated = true")
    environ = {"VIDPOLL_SIMULATOR_URL": "http://simulator:9999"}
    assert load_accounts(path, environ)["a"].base_url.startswith("http://simulator:9999/")

    path.write_text(path.read_text() + "\nbase_url = 'https://vendor.example'\napi_key = 'a real one'")
    with pytest.raises(NotConfigured, match="api_key is for loopback addresses only"):
        load_accounts(path, environ)


def test_a_simulated_account_has_a_key_of_the_shape_the_vendor_wants(tmp_path: Path):
    path = tmp_path / "p.toml"
    path.write_text("[accounts.k]\nprovider = 'kling'\nsimulated = true")

    assert load_accounts(path, {"VIDPOLL_SIMULATOR_URL": "http://127.0.0.1:7"})["k"].key() == "simulator-k:secret"


def test_what_an_account_says_itself_comes_before_its_template(tmp_path: Path):
    path = tmp_path / "p.toml"
    path.write_text(
        "[accounts.r]\nprovider='runware'\nbase_url='https://gateway.example'\napi_key_env='OURS'\n"
        "[accounts.r.models.'google:3@3']\ntypical_s=9\n[accounts.r.models.'house:1@1']"
    )

    account = load_accounts(path, {})["r"]

    assert (account.base_url, account.api_key_env) == ("https://gateway.example", "OURS")
    assert (account.policy("google:3@3").typical_s, account.policy("google:3@3").expected_s) == (9, 180)
    assert set(account.models) == {"google:3@3", "house:1@1"}
