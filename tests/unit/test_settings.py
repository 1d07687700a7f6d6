import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest

from vidpoll.client import Client
from vidpoll.errors import NotConfigured
from vidpoll.settings import load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def _stack(folder: Path, pid: int | None = None) -> dict[str, str]:
    folder.mkdir()
    urls = {"redis_url": "redis://s/0", "broker_url": "redis://s/0", "database_url": "postgresql://s/d"}
    (folder / "stack.json").write_text(json.dumps({**urls, "pids": {"up": pid or os.getpid()}}))
    return urls


def test_nothing_set_and_no_stack_means_nothing_is_used():
    settings = load_settings()

    assert (settings.redis_url, settings.broker_url, settings.database_url) == (None, None, None)
    with pytest.raises(NotConfigured, match="set VIDPOLL_DATABASE_URL, or start the embedded stack"):
        settings.need("database_url")


def test_a_running_stack_fills_what_the_environment_leaves_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _stack(tmp_path / ".vidpoll")
    monkeypatch.setenv("VIDPOLL_DATABASE_URL", "postgresql://mine/d")

    settings = load_settings()

    assert settings.database_url == "postgresql://mine/d"
    assert settings.redis_url == "redis://s/0"


def test_the_broker_is_the_redis_unless_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIDPOLL_REDIS_URL", "redis://r/0")
    assert load_settings().broker_url == "redis://r/0"

    monkeypatch.setenv("VIDPOLL_BROKER_URL", "amqp://b")
    assert load_settings().broker_url == "amqp://b"


def test_arguments_win(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIDPOLL_REDIS_URL", "redis://r/0")

    assert load_settings(redis_url="redis://given/0").redis_url == "redis://given/0"


def test_a_wrong_number_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIDPOLL_WORKER_THREADS", "many")

    with pytest.raises(NotConfigured, match="VIDPOLL_WORKER_THREADS"):
        load_settings()


def test_the_file_of_a_killed_stack_is_no_stack(tmp_path: Path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    _stack(tmp_path / ".vidpoll", ended.pid)

    assert load_settings().redis_url is None


def test_a_broken_stack_file_is_no_stack(tmp_path: Path):
    _stack(tmp_path / ".vidpoll")
    (tmp_path / ".vidpoll" / "stack.json").write_text("{")

    assert load_settings().redis_url is None


@pytest.mark.parametrize("url", ["http://x", "redis://127.0.0.1:port", "nowhere://", "nonsense"])
def test_a_broker_url_that_cannot_be_used_is_said_to_be_a_setting(url: str):
    with pytest.raises(NotConfigured, match="broker URL"):
        Client(broker_url=url, database_url="").refresh(uuid.uuid4())


@pytest.mark.parametrize("url", ["nonsense", "sqlite://x", "postgresql://127.0.0.1:port/x"])
def test_a_database_url_that_cannot_be_used_is_said_to_be_a_setting(url: str):
    with pytest.raises(NotConfigured, match="database"):
        Client(broker_url="redis://127.0.0.1:1", database_url=url).status(uuid.uuid4())
