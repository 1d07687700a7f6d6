"""Tables for people."""

import io
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from rich.console import Console

from vidpoll.cli import output
from vidpoll.cli.models import models
from vidpoll.eta import Eta
from vidpoll.generation import Generation, Status

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def printed(width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A generation at the provider and one that failed, on a terminal so wide."""
    running = Generation(
        id=uuid4(), owner="alice", provider="veo", model="veo-3.1-generate-001", prompt="a lion",
        status=Status.PROCESSING, created_at=NOW, updated_at=NOW, read_at=NOW + timedelta(seconds=70),
        submitted_at=NOW, next_check_at=NOW + timedelta(seconds=75), checks=3, stage="rendering [1/2]",
    )  # fmt: skip
    ended = Generation(
        id=uuid4(), owner="alice", provider="veo", model="veo-3.1-generate-001", prompt="a lion",
        status=Status.FAILED, created_at=NOW, updated_at=NOW, read_at=NOW + timedelta(days=1),
        completed_at=NOW + timedelta(hours=3), error={"code": "timed_out", "message": "late", "retryable": True},
    )  # fmt: skip
    console = Console(width=width, record=True, file=io.StringIO())
    monkeypatch.setattr(output, "out", console)
    console.print(output.generation_table([(running, Eta(40, 150)), (ended, None)]))
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [80, 220])
def test_the_table_tells_elapsed_checks_next_look_and_eta(width: int, monkeypatch: pytest.MonkeyPatch):
    lines = printed(width, monkeypatch)

    text = " ".join(" ".join(lines).split())
    for words in ("70 s", "in 5 s", "≈ 40 s (90 %: 2 min)", "rendering [1/2]", "3.0 h", "timed_out: late"):
        assert words in text
    assert text.count("≈") == 1
    assert max(map(len, lines)) <= width
    assert len(lines) == (3 if width > output.WIDE else 6)


def test_moments_in_json_are_as_over_http(capsys: pytest.CaptureFixture[str]):
    output.print_json({"stored_at": NOW})

    assert json.loads(capsys.readouterr().out) == {"stored_at": "2026-11-21T00:00:00+00:00"}


def test_durations_of_models_have_one_digit_behind_the_point_at_most(capsys: pytest.CaptureFixture[str]):
    models(provider="minimax")

    assert " 4.1 min " in capsys.readouterr().out
