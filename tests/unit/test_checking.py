"""What ``vidpoll config check`` tells of the environment."""

from pathlib import Path

import pytest

from vidpoll.cli.checking import check


def test_a_variable_that_cannot_be_used_does_not_make_the_others_unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIDPOLL_STACK_DIR", str(tmp_path))
    monkeypatch.setenv("VIDPOLL_REDIS_URL", "redis://127.0.0.1:7000/0")
    monkeypatch.delenv("VIDPOLL_BROKER_URL", raising=False)
    monkeypatch.setenv("VIDPOLL_DATABASE_URL", "postgresql://vidpoll@127.0.0.1/vidpoll")
    monkeypatch.setenv("VIDPOLL_SIMULATOR_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("VIDPOLL_ARCHIVE_TIMEOUT_S", "-1")

    found = [one for one in check() if one.level == "error" or one.file == "environment"]

    assert [one.key for one in found] == ["VIDPOLL_ARCHIVE_TIMEOUT_S"]
