"""The lines that docs/providers.md gives for going live are right: the accounts load, the requests are taken."""

import re
import shlex
from pathlib import Path

import pytest

from vidpoll import providers
from vidpoll.accounts import Accounts
from vidpoll.catalogue import catalogue, find
from vidpoll.cli.generations import _params
from vidpoll.generation import GenerationRequest
from vidpoll.providers_file import load_accounts

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))


def blocks(language: str, text: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def accounts(name: str, folder: Path) -> Accounts:
    file = folder / "providers.toml"
    file.write_text(blocks("toml", SECTIONS[name]))
    return load_accounts(file, {})


def test_every_provider_has_its_lines():
    assert SECTIONS.keys() >= {
        "fal", "gemini_omni", "kling", "luma", "minimax", "openai_videos", "replicate", "runway", "runware", "veo",
    }  # fmt: skip


@pytest.mark.parametrize("name", SECTIONS)
def test_the_account_is_live_and_its_key_is_the_one_that_is_exported(name: str, tmp_path: Path):
    live = accounts(name, tmp_path)

    providers.build(live)
    for account in live.accounts.values():
        assert account.provider == name
        assert account.base_url.startswith("https://")
        assert account.api_key_file or f"export {account.api_key_env}=" in blocks("sh", SECTIONS[name])
    named = {entry.key_env for entry in catalogue().values() if entry.provider == name}
    assert all(variable in SECTIONS[name] for variable in named)


@pytest.mark.parametrize("name", SECTIONS)
def test_what_is_submitted_is_taken(name: str, tmp_path: Path):
    live = accounts(name, tmp_path)
    adapters = providers.build(live)
    lines = [line for line in blocks("sh", SECTIONS[name]).splitlines() if line.startswith("vidpoll submit")]

    assert lines
    for line in lines:
        *options, prompt = shlex.split(line)[2:]
        given = list(zip(options[::2], options[1::2], strict=True))
        told = dict(given)
        params = _params([value for option, value in given if option == "--param"])
        model = told.get("--model") or next(iter(live[told["--account"]].models))
        request = GenerationRequest(provider=told["--provider"], model=model, prompt=prompt, params=params)
        (account, *_) = live.candidates(request.provider, request.model, told.get("--account"))
        known = find(request.provider, request.model)
        assert known is None or known.problems(params) == []
        assert adapters[account.name].problems(request) == []
