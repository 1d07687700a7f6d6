"""What an operator types about trouble: ``vidpoll health`` and ``vidpoll unknown``."""

import json
import os
import signal
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.acceptance.stack import Stack, celery_message
from tests.waiting import until
from vidpoll import Client, GenerationRequest, ProjectRequest

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


def test_what_is_kept_no_longer_is_counted_and_then_pruned(stack: Stack):
    client = Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])
    ids = [client.submit(GenerationRequest(**VEO, prompt=f"{uuid.uuid4()}")) for _ in range(3)]
    stack.finished(ids)
    events = "SELECT count(*) AS n FROM generation_events WHERE generation_id = ANY(%s)"
    stack.sql(
        "UPDATE generations SET completed_at = completed_at - interval '31 days' WHERE id = %s RETURNING id", ids[0]
    )
    (before,) = stack.sql(events, ids[:1])

    counted = json.loads(stack.vidpoll("prune", "--dry-run", "--json").stdout)
    assert (counted["dry_run"], stack.sql(events, ids[:1])) == (True, [before])
    told = stack.vidpoll("prune").stdout
    assert all(words in told for words in ("events of ended generations", "30 days", "kept for ever"))

    (of_counted,) = (one for one in counted["pruned"] if one["what"] == "generation_events")
    assert (of_counted["old"], of_counted["gone"]) == (before["n"], 0)
    assert stack.sql(events, ids[:1]) == [{"n": 0}]
    assert stack.sql(events, ids[1:])[0]["n"] > 0

    # What beat sends.
    stack.sql(
        "UPDATE generations SET completed_at = completed_at - interval '31 days' WHERE id = %s RETURNING id", ids[1]
    )
    stack.push(celery_message("vidpoll.prune", {}), queue="maintenance")
    until(lambda: stack.sql(events, [ids[1]]) == [{"n": 0}], what="the job to prune")
    assert stack.sql(events, [ids[2]])[0]["n"] > 0


def test_an_owner_is_erased_only_when_both_words_are_said(stack: Stack):
    client = Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])
    id = client.submit(GenerationRequest(**{**VEO, "owner": "eve"}, prompt="secret"))
    stack.finished([id])

    refused = stack.vidpoll("prune", "--owner", "eve")
    assert (refused.returncode, "--erase" in refused.stderr, stack.row(id) is None) == (1, True, False)
    told = json.loads(stack.vidpoll("prune", "--owner", "eve", "--erase", "--json").stdout)

    gone = {one["what"]: one["gone"] for one in told["pruned"]}
    assert (gone["generations"], told["left"], stack.row(id)) == (
        1,
        {"projects": 0, "generations": 0, "archived_files": 0},
        None,
    )


def test_an_erasure_tells_of_the_projects_that_stay(stack: Stack):
    client = Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])
    stack.simulate("durations", median_s=3000)
    scene = {"key": "a", "provider": "runware", "model": "google:3@3", "prompt": "a lion"}
    id = client.submit_project(ProjectRequest(name="lions", owner="mallory", steps=[scene])).id
    until(lambda: client.project(id).steps[0].generation_id, what="the step to be started")

    counted = stack.vidpoll("prune", "--owner", "mallory", "--erase", "--dry-run", "--json")
    told = stack.vidpoll("prune", "--owner", "mallory", "--erase")

    assert json.loads(counted.stdout)["left"] == {"projects": 1, "generations": 1, "archived_files": 0}
    assert (told.returncode, "ended projects" in told.stdout) == (0, True), told.stderr
    assert "1 projects and 1 generations of mallory stay" in " ".join(told.stdout.split())


def test_unknown_ones_are_listed_with_what_to_do(stack: Stack, unknown: uuid.UUID):
    told = stack.vidpoll("unknown", "list")

    assert str(unknown) in told.stdout
    assert "--pay-again" in told.stdout
    (listed,) = (
        one for one in json.loads(stack.vidpoll("unknown", "list", "--json").stdout) if one["id"] == str(unknown)
    )
    assert (listed["waits_for"], listed["error"]["code"]) == ("you", "unknown_outcome")


@pytest.mark.parametrize(
    ("moment", "said"),
    [("yesterday", "is no moment"), ("2026-01-01T00:00:00", "no time zone"), ("2999-01-01T00:00:00+00:00", "to come")],
)
def test_a_moment_that_cannot_be_meant_suspects_nothing(stack: Stack, moment: str, said: str):
    refused = stack.vidpoll("unknown", "suspect", "--before", moment)
    assert (refused.returncode, said in refused.stderr, "Traceback" in refused.stderr) == (1, True, False)


def test_what_a_backup_calls_unsent_is_counted_and_then_left_to_a_person(stack: Stack):
    stack.vidpoll("pause", "vertex", "--only", "submit")
    try:
        client = Client(stack.described["broker_url"], stack.described["database_url"])
        id = client.submit(GenerationRequest(**VEO, account="vertex", prompt="a heron"))
        until(lambda: (stack.row(id) or {}).get("account"))
        now = datetime.now(UTC).isoformat()

        would = stack.vidpoll("unknown", "suspect", "--before", now, "--account", "vertex", "--dry-run", "--json")
        assert (json.loads(would.stdout), stack.row(id)["status"]) == ({"would": {"vertex": 1}}, "pending")
        told = stack.vidpoll("unknown", "suspect", "--before", now, "--account", "vertex", "--json")
        assert (json.loads(told.stdout), told.stderr) == ({"unknown": 1, "looked_up": 0, "waits_for_you": 1}, "")
    finally:
        stack.vidpoll("resume", "vertex")

    assert (stack.row(id)["status"], stack.report()["submit_calls"]) == ("unknown", 0)
    stack.vidpoll("unknown", "fail", str(id))


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
