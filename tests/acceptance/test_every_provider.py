"""Every provider as shipped, by the command people type first."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.stack import Stack
from vidpoll.catalogue import catalogue


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "stack", "--time-scale", "0.01", as_shipped=True)
    yield stack
    assert stack.stop() == 0


def test_a_prompt_and_a_provider_are_enough_for_a_video(stack: Stack):
    names = [entry.provider for entry in catalogue().values() if entry.name == entry.provider]
    told = {name: stack.vidpoll("submit", "a lion", "--provider", name, "--json") for name in names}
    told["gemini"] = stack.vidpoll("submit", "a lion", "--provider", "veo", "--account", "gemini", "--json")

    assert all(ran.returncode == 0 for ran in told.values()), {name: ran.stdout for name, ran in told.items()}
    ids = {name: json.loads(ran.stdout)["id"] for name, ran in told.items()}
    rows = {str(row["id"]): row for row in stack.finished(list(ids.values()))}

    ended = {name: (rows[id]["account"], rows[id]["status"], rows[id]["error"]) for name, id in ids.items()}
    assert ended == {name: (name, "completed", None) for name in ids}
    assert all(rows[id]["video_url"] for id in ids.values())
    assert (stack.report()["charged"], stack.report()["duplicate_charges"]) == (len(ids), 0)
    assert len(ids) == 11
