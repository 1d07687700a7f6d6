"""What an operator types about trouble: ``vidpoll health`` and ``vidpoll unknown``."""

import json
import os
import signal
import uuid
from collections.abc import Iterator

import pytest

from tests.acceptance.stack import Stack
from tests.waiting import until
from vidpoll import Client, GenerationRequest

VEO = {"owner": "alice", "provider": "veo", "model": "veo-fast"}


@pytest.fixture
def unknown(stack: Stack) -> Iterator[uuid.UUID]:
    """A paid call that Google took, and whose answer never came."""
    stack.simulate("faults", submit_cut_after=1)
    client = Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])
    id = client.submit(GenerationRequest(**VEO, prompt=f"{uuid.uuid4()}"))
    until(lambda: (stack.row(id) or {}).get("status") == "unknown")
    stack.simulate("faults", submit_cut_after=0)
    yield id
    if stack.row(id)["status"] == "unknown":
        stack.vidpoll("unknown", "fail", str(id))


def test_a_stack_that_gets_on_is_healthy(stack: Stack):
    told = until(lambda: (said := stack.vidpoll("health", "--json")).returncode == 0 and json.loads(said.stdout))

    assert told["healthy"]
    assert {finding["name"] for finding in told["findings"]} >= {"postgres", "looks", "lanes", "unknown"}
    assert "tasks done" in stack.vidpoll("health").stdout


def test_a_worker_that_hangs_is_not_healthy_and_a_probe_sees_it(stack: Stack):
    (name,) = (
        one["name"] for one in json.loads(stack.vidpoll("health", "--json").stdout)["findings"] if "@" in one["name"]
    )
    worker = name.removeprefix("worker ")
    assert stack.vidpoll("health", "--worker", worker).returncode == 0
    os.kill(stack.pids["worker"], signal.SIGSTOP)
    try:
        said = until(
            lambda: (said := stack.vidpoll("health", "--worker", worker)).returncode == 1 and said, within_s=60
        )
    finally:
        os.kill(stack.pids["worker"], signal.SIGCONT)

    assert "silent for" in said.stdout
    until(lambda: stack.vidpoll("health", "--worker", worker).returncode == 0)


def test_nothing_configured_is_one_line_and_no_traceback(stack: Stack, tmp_path):
    assert "Traceback" not in (said := stack.vidpoll("unknown", "resolve", "x", "--operation", "y")).stderr
    assert (said.returncode, "is not a UUID" in said.stderr) == (1, True)


def test_unknown_ones_are_listed_with_what_to_do(stack: Stack, unknown: uuid.UUID):
    told = stack.vidpoll("unknown", "list")

    assert str(unknown) in told.stdout
    assert "--pay-again" in told.stdout
    (listed,) = (
        one for one in json.loads(stack.vidpoll("unknown", "list", "--json").stdout) if one["id"] == str(unknown)
    )
    assert (listed["waits_for"], listed["error"]["code"]) == ("you", "unknown_outcome")


def test_paying_again_has_to_be_said(stack: Stack, unknown: uuid.UUID):
    refused = stack.vidpoll("unknown", "resubmit", str(unknown))
    assert (refused.returncode, "--pay-again: is missing" in refused.stderr) == (1, True)
    assert stack.report()["charged"] == 1

    assert stack.vidpoll("unknown", "resubmit", str(unknown), "--pay-again").returncode == 0
    (row,) = stack.finished([unknown])
    assert row["status"] == "completed"
    assert stack.report()["charged"] == 2


def test_an_operation_found_in_the_providers_console_is_watched(stack: Stack, unknown: uuid.UUID):
    (job,) = stack.jobs()
    said = stack.vidpoll("unknown", "resolve", str(unknown), "--operation", job["name"], "--json")

    assert json.loads(said.stdout)["decided"] == f"watched as {job['name']}"
    (row,) = stack.finished([unknown])
    assert (row["status"], stack.report()["charged"]) == ("completed", 1)
    again = stack.vidpoll("unknown", "fail", str(unknown))
    assert (again.returncode, "is completed, not unknown" in again.stderr) == (1, True)
