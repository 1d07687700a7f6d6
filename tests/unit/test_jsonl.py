from collections import Counter
from pathlib import Path

import pytest

from vidpoll import providers
from vidpoll.catalogue import find
from vidpoll.cli.jsonl import read_requests
from vidpoll.errors import NotConfigured
from vidpoll.providers_file import load_accounts

CONFIG = Path(__file__).parents[2] / "config"
GOOD = '{"provider": "veo", "model": "m", "prompt": "p"}'


def test_broken_lines_are_named_by_number_and_the_others_read(tmp_path: Path):
    file = tmp_path / "x.jsonl"
    file.write_text(f'{GOOD}\n{{"provider": \n\n[1]\n{{"provider": "veo"}}\n{GOOD}\n')

    requests, broken = read_requests(file)

    assert [number for number, _ in requests] == [1, 6]
    assert {number: str(error)[:12] for number, error in broken.items()} == {
        2: "not valid JS", 4: "must be a JS", 5: "model: field",
    }  # fmt: skip


def test_line_separators_inside_a_prompt_do_not_end_the_line(tmp_path: Path):
    file = tmp_path / "x.jsonl"
    separated = GOOD.replace('"p"', '"a\u2028b"')
    deep = "[" * 100_000
    file.write_text(f"{separated}\n{deep}\n{GOOD}\n", encoding="utf-8")

    requests, broken = read_requests(file)

    assert [number for number, _ in requests] == [1, 3]
    assert list(broken) == [2]


def test_a_line_wins_over_the_defaults(tmp_path: Path):
    file = tmp_path / "x.jsonl"
    file.write_text(f'{GOOD}\n{GOOD[:-1]}, "owner": "bob"}}')

    assert [request.owner for _, request in read_requests(file, {"owner": "alice"})[0]] == ["alice", "bob"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None):
    file = tmp_path / "x.jsonl"
    if content:
        file.write_bytes(content)

    with pytest.raises(NotConfigured, match=r"x\.jsonl"):
        read_requests(file)


def test_the_demo_file_holds_a_hundred_different_good_requests():
    requests, broken = read_requests(CONFIG / "demo-requests.jsonl")

    assert not broken
    assert len({request.fingerprint() for _, request in requests}) == 100
    accounts = load_accounts(CONFIG / "providers.toml", {"VIDPOLL_SIMULATOR_URL": "http://127.0.0.1:1"})
    adapters = providers.build(accounts)
    asked = Counter()
    for _, request in requests:
        (account,) = accounts.candidates(request.provider, request.model, request.account)
        asked[account.name] += 1
        assert find(request.provider, request.model).problems(request.params) == []
        assert adapters[account.name].problems(request) == []
    assert len(asked) == 11, "every account as shipped is asked"
    assert set(asked.values()) == {9, 10}
