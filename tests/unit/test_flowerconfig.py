"""What `config/flowerconfig.py` makes of the environment, and of a task."""

import os
import runpy
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from flower import options as _flowers  # noqa: F401  defines the options
from tornado.options import options

from tests.acceptance.stack import PROJECT

LOGIN = "operator:a-long-password"


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads the file as Flower does, after the environment and the command line."""

    def read(login: list[str] | None = None, **environ: str) -> dict[str, Any]:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        with mock.patch.object(options.mockable(), "basic_auth", [LOGIN] if login is None else login):
            return runpy.run_path(str(PROJECT / "config" / "flowerconfig.py"))

    for name in [name for name in os.environ if name.startswith("FLOWER_")]:
        monkeypatch.delenv(name)
    return read


@pytest.mark.parametrize(
    "login", ["operator:short", ":only-a-password", "no-colon-at-all", "operator:pässwört-zu-lang"]
)
def test_a_login_that_is_none_is_refused(config, login: str):
    with pytest.raises(SystemExit, match="must be user:password in ASCII, the password of at least 12 characters"):
        config([LOGIN, login])


def test_defaults_are_careful_and_the_environment_has_its_say(config):
    found = config()
    assert (found["address"], found["read_only"], found["persistent"], found["max_tasks"]) == (
        "127.0.0.1",
        True,
        False,
        10_000,
    )
    assert config(FLOWER_MAX_TASKS="7")["max_tasks"] == 7


def test_tasks_of_other_applications_are_shown_without_secrets(config):
    said = "https://x.example/?token=abcdefgh and Bearer abcdefghijklmnopqrst"
    task = SimpleNamespace(args="(1,)", kwargs=repr({"url": said}), result=said, exception=None, traceback=said)

    shown = config()["format_task"](task)

    assert "abcdefgh" not in repr(vars(shown))
    assert shown.exception is None
