"""Webhooks out against a running stack: commands, a worker killed in the middle, projects, other endpoints unharmed."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import OPTIONS
from tests.acceptance.stack import Stack
from tests.receiver import Receiver, receiving
from tests.waiting import until
from vidpoll import Client, GenerationRequest, ProjectRequest

CLIP = {"provider": "runware", "model": "google:3@3", "prompt": "a lion"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("webhooks"), *OPTIONS, VIDPOLL_LEASE_S="4")
    yield stack
    assert stack.stop() == 0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def _told(stack: Stack, *arguments: str, code: int = 0) -> Any:
    done = stack.vidpoll("webhooks", *arguments, "--json")
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def _client(stack: Stack) -> Client:
    return Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])


@pytest.mark.timeout(500)
def test_what_ends_is_told_and_the_commands_test_show_rotate_replay_and_remove(stack: Stack, receiver: Receiver):
    made = _told(stack, "add", receiver.url, "--owner", "ann", "--events", "generation.completed,project.completed")
    id, secret = made["id"], made["secret"]

    assert _told(stack, "test", id)["status"] == "delivered"
    assert receiver.got[0].verified(secret)["type"] == "webhook.test"
    client = _client(stack)
    generation = client.submit(GenerationRequest(owner="ann", **CLIP))
    project = client.submit_project(ProjectRequest(name="x", owner="ann", steps=[{**CLIP, "key": "a"}]))
    step = client.wait_project(project.id, timeout_s=60).steps[0].generation_id
    until(lambda: len(receiver.delivered()) == 4, within_s=60, what="two generations and a project to be told")

    told = {(one.type, one.data.get("project_id") or one.data.get("id")) for one in receiver.got[1:]}
    assert told >= {("generation.completed", str(generation)), ("project.completed", str(project.id))}
    assert {one.data["id"] for one in receiver.got if one.type == "generation.completed"} == {
        str(generation), str(step),
    }  # fmt: skip
    shown = _told(stack, "show", id)
    assert [one["status"] for one in shown["deliveries"]] == ["delivered"] * 4
    assert (shown["health"], shown["waiting"]) == ("ok", 0)
    new = _told(stack, "rotate", id)["secret"]
    event = receiver.got[1].id
    assert _told(stack, "replay", "--event", event)["replayed"] == 1
    until(lambda: len(receiver.delivered()) == 5, within_s=60, what="the replay")
    assert receiver.got[4].id == event
    assert receiver.got[4].body == receiver.got[1].body
    assert receiver.got[4].verified(secret) == receiver.got[4].verified(new)
    receiver.says(500)
    assert _told(stack, "test", id, code=3)["last_status"] == 500
    assert _told(stack, "disable", id)["disabled"] is True
    printed = stack.vidpoll("webhooks", "list").stdout
    assert "disabled" in printed
    printed += stack.vidpoll("webhooks", "show", id).stdout
    logs = "".join(path.read_text() for path in Path(stack.folder / "logs").glob("*.log"))
    assert secret[6:] not in printed + logs
    assert new[6:] not in printed + logs
    assert _told(stack, "remove", id)["removed"] is True


def test_a_worker_killed_while_it_posts_leaves_the_event_to_another_under_the_same_id(stack: Stack, receiver: Receiver):
    secret = _told(stack, "add", receiver.url, "--owner", "bea")["secret"]
    receiver.go_on.clear()
    _client(stack).submit(GenerationRequest(owner="bea", **CLIP))
    until(lambda: receiver.got, within_s=60, what="the first try")
    before = stack.pids["worker"]

    os.kill(before, signal.SIGKILL)
    receiver.go_on.set()

    until(lambda: len(receiver.got) > 1, within_s=120, what="the second try")
    first, second = receiver.got[:2]
    assert (first.id, first.body) == (second.id, second.body)
    second.verified(secret)


def test_an_endpoint_that_hangs_delays_no_other(stack: Stack, receiver: Receiver):
    with receiving() as hanging:
        hanging.go_on.clear()
        _told(stack, "add", hanging.url, "--owner", "cyd")
        _told(stack, "add", receiver.url, "--owner", "cyd")
        ids = _client(stack).submit_many([GenerationRequest(owner="cyd", **CLIP) for _ in range(10)])
        stack.finished(ids)

        until(lambda: len(receiver.delivered()) == 10, within_s=60, what="the good one to be told of all")
        assert {one.data["id"] for one in receiver.got} == {str(id) for id in ids}
        assert hanging.got
        assert len(hanging.got) < 10


@pytest.mark.timeout(500)
def test_wrong_addresses_and_ids_are_told_in_a_line(stack: Stack):
    for arguments, words in (
        (["add", "https://10.0.0.1/", "--owner", "a"], "must be a public address"),
        (["add", "ftp://x.example/", "--owner", "a"], "must begin with"),
        (["add", "https://93.184.216.34/", "--owner", "a", "--events", "x"], "there is no 'x'"),
        (["show", "7"], "is not a UUID"),
        (["test", "00000000-0000-0000-0000-000000000000"], "no webhook endpoint"),
        (["replay", "--failed"], "to which"),
        (["replay", "--endpoint", "00000000-0000-0000-0000-000000000000", "--since", "soon"], "an age, 90m"),
    ):
        done = stack.vidpoll("webhooks", *arguments)
        assert (done.returncode, words in done.stderr) == (1, True), (arguments, done.stderr)
