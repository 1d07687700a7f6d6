"""``vidpoll keys``, as an operator types it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.api.serving import Caller

Keys = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def keys(database_url: str) -> Keys:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "vidpoll", "keys", *arguments]
        environ = {**os.environ, "VIDPOLL_DATABASE_URL": database_url}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)

    return run


def test_a_key_that_was_made_works_and_one_that_was_revoked_does_not(keys: Keys, url: str, app):
    made = json.loads(keys("create", "--owner", "alice", "--scope", "read", "--json").stdout)
    with Caller(url, made["key"]) as alice:
        assert alice.get("/v1/key").json() == {"id": made["id"], "owner": "alice", "scopes": ["read"]}

        revoked = keys("revoke", made["id"])
        app.state.parts.keyring._known.clear()

        assert revoked.returncode == 0
        assert alice.get("/v1/key").status_code == 401
    listed = json.loads(keys("list", "--json").stdout)
    assert [(one["id"], bool(one["revoked_at"])) for one in listed] == [(made["id"], True)]


def test_a_key_is_printed_once_and_alone(keys: Keys):
    made = keys("create", "--owner", "alice")

    assert made.stdout.startswith("vp_")
    assert len(made.stdout.split()) == 1
    assert made.stdout.strip().split("_", 2)[2] not in keys("list").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "--owner", "alice", "--scope", "everything"), "must be one of read, write, operate"),
        (("create", "--owner", " "), "--owner"),
        (("revoke", "nobody"), "there is no such key"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(keys: Keys, arguments: tuple[str, ...], words: str):
    ran = keys(*arguments)

    assert ran.returncode == 1
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
