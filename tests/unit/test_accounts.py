from pathlib import Path

import pytest

from tests import providers_file
from vidpoll.accounts import Accounts, load_accounts
from vidpoll.cli import demo
from vidpoll.errors import NotConfigured, UnknownTarget


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
        ("[accounts.a]\nprovider='veo'\nbase_url='http://x'\n[accounts.a.models.m]", "give one of"),
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
    monkeypatch.setenv("SOME_KEY", "secret")
    assert account.key() == "secret"
    assert "secret" not in repr(account)


def test_a_literal_key_is_not_shown(tmp_path: Path):
    assert "key-vertex" not in repr(load_accounts(providers_file.write(tmp_path, "http://127.0.0.1:1")))


def test_the_shipped_providers_file_is_right_and_keeps_below_the_demo_limits():
    shipped = Path(__file__).parents[2] / "config" / "providers.toml"
    accounts = load_accounts(shipped, {"VIDPOLL_SIMULATOR_URL": "http://127.0.0.1:1"})

    assert set(accounts.accounts) == {"runware", "veo", "gemini", "replicate"}
    for account in accounts.accounts.values():
        assert account.status_rate + account.status_burst <= demo.STATUS_LIMIT
        assert account.submit_rate + account.submit_burst <= demo.SUBMIT_LIMIT
