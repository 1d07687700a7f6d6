import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest

from vidpoll.client import Client
from vidpoll.errors import NotConfigured
from vidpoll.redact import redacted
from vidpoll.services import build_archive
from vidpoll.settings import Settings, load_settings


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


@pytest.mark.parametrize(
    ("name", "value"),
    [("METRICS_PORT", "0"), ("METRICS_PORT", "many"), ("LOG_FORMAT", "xml"), ("LOG_LEVEL", "loud")],
)
def test_what_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(f"VIDPOLL_{name}", value)

    with pytest.raises(NotConfigured, match=f"VIDPOLL_{name}: "):
        load_settings()


@pytest.mark.parametrize(
    "url", ["vidpoll.example", "ftp://x", "https://user:pw@x", "https://x?a=1", "https://", "https://x y"]
)
def test_a_public_url_that_addresses_cannot_begin_with_is_refused(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("VIDPOLL_PUBLIC_URL", url)

    with pytest.raises(NotConfigured, match=r"VIDPOLL_PUBLIC_URL: must be like https://vidpoll\.example"):
        load_settings()


def test_a_secret_that_is_guessed_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIDPOLL_WEBHOOKS_SECRET", "hunter2")

    with pytest.raises(NotConfigured, match="VIDPOLL_WEBHOOKS_SECRET: must have 16 characters at least") as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)


def test_addresses_are_made_where_their_beginning_and_a_secret_are_set(tmp_path: Path):
    given = {"public_url": "https://vidpoll.example", "webhooks_secret": "0123456789abcdef"}

    assert Settings(**given).callbacks
    assert [Settings(**{name: given[name]}).callbacks for name in given] == [None, None]
    assert "0123456789abcdef" not in repr(Settings(**given))


def test_options_that_are_no_json_are_named_and_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIDPOLL_ARCHIVE_OPTIONS", "{secret: hunter2-hunter2}")

    with pytest.raises(NotConfigured) as refused:
        load_settings()

    assert str(refused.value) == "VIDPOLL_ARCHIVE_OPTIONS: is no JSON"


def test_what_authorises_an_archive_is_shown_nowhere():
    options = {"secret": "hunter2-hunter2", "client_kwargs": {"aws_session_token": "hunter3-hunter3"}}

    build_archive(Settings(archive_url="memory://results", archive_options=options))

    assert redacted("hunter2-hunter2 and hunter3-hunter3") == "[redacted] and [redacted]"
