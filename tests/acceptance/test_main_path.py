"""From a message on Redis to a video URL in Postgres: real servers, a real worker process, HTTP to a provider."""

import json
import uuid
from pathlib import Path

from celery import Celery

from tests.acceptance.stack import Stack, celery_message
from tests.waiting import until
from vidpoll import Client, GenerationRequest, Status

VEO = {"owner": "alice", "provider": "veo", "model": "veo-fast", "prompt": "a lion at dawn"}
RUNWARE = {"owner": "alice", "provider": "runware", "model": "google:3@3", "prompt": "a lion at dawn"}


def _client(stack: Stack) -> Client:
    return Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])


def test_a_message_sent_byte_by_byte_becomes_a_video_in_postgres(stack: Stack):
    id = str(uuid.uuid4())
    message = celery_message("vidpoll.generate", {**VEO, "id": id})

    stack.push(message)

    (row,) = stack.finished([id])
    assert (row["status"], row["owner"], row["account"]) == ("completed", "alice", "vertex")
    assert row["video_url"].startswith("gs://")
    assert stack.report()["charged"] == 1


def test_any_celery_client_can_send_it_without_naming_a_queue(stack: Stack):
    with Celery(broker=stack.described["broker_url"], set_as_current=False) as other:
        sent = other.send_task("vidpoll.generate", kwargs=RUNWARE)

    (row,) = stack.finished([sent.id])
    assert (row["status"], row["provider"]) == ("completed", "runware")


def test_the_same_message_delivered_twice_is_charged_once(stack: Stack):
    message = celery_message("vidpoll.generate", VEO, task_id=(id := str(uuid.uuid4())))

    for _ in range(5):
        stack.push(message)

    stack.finished([id])
    until(lambda: stack.waiting("accept") == 0)
    assert stack.report()["charged"] == 1
    assert stack.sql("SELECT count(*) AS n FROM generations WHERE id = %s", id) == [{"n": 1}]


def test_the_client_submits_waits_and_reads(stack: Stack):
    client, seen = _client(stack), []
    id = client.submit(GenerationRequest(**VEO))

    done = client.wait(id, timeout_s=60, on_change=seen.append)

    assert done.status is Status.COMPLETED
    assert client.status(id).video_url == done.video_url
    assert seen[-1].version == done.version
    assert [one.version for one in seen] == sorted({one.version for one in seen})


def test_a_client_with_a_broker_alone_sends_the_message(stack: Stack):
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client = Client(broker_url=stack.described["broker_url"], database_url="")
    id = client.submit(GenerationRequest(**VEO), traceparent=header)

    (row,) = stack.finished([id])
    assert (row["status"], row["traceparent"]) == ("completed", header)


def test_many_requests_end_each_charged_once_and_each_checked_by_one_execution(stack: Stack):
    requests = [
        GenerationRequest(**{**(VEO if number % 2 else RUNWARE), "prompt": f"lion {number}"}) for number in range(120)
    ]

    ids = _client(stack).submit_many(requests)

    rows = {row["id"]: row for row in stack.finished(ids)}
    assert [rows[id]["prompt"] for id in ids] == [request.prompt for request in requests]
    assert {row["status"] for row in rows.values()} == {"completed"}
    report = stack.report()
    assert (report["charged"], report["duplicate_charges"], report["submit_calls"]) == (120, 0, 120)
    assert sum(row["checks"] for row in rows.values()) >= report["status_calls"] > 0


def test_cancel_and_refresh_reach_the_worker(stack: Stack):
    stack.simulate("durations", median_s=3000)
    client = _client(stack)
    id = client.submit(GenerationRequest(**VEO))
    until(lambda: client.status(id).status is Status.PROCESSING)

    client.cancel(id)
    until(lambda: stack.sql("SELECT 1 FROM generation_events WHERE generation_id = %s AND kind = 'cancel_refused'", id))
    before = stack.report()["status_calls"]
    client.refresh(id)

    until(lambda: stack.report()["status_calls"] > before)
    assert client.status(id).status is Status.PROCESSING


def test_the_commands_say_what_happens_to_people_and_to_machines(stack: Stack, tmp_path: Path):
    submitted = stack.vidpoll(
        "submit", "--provider", "veo", "--model", "veo-fast", "--param", "durationSeconds=8", "a lion", "--json"
    )
    id = json.loads(submitted.stdout)["id"]
    watched = stack.vidpoll("watch", id, "--json")
    last = json.loads(watched.stdout.splitlines()[-1])

    assert (last["id"], last["status"], last["params"]) == (id, "completed", {"durationSeconds": 8})
    assert json.loads(stack.vidpoll("status", id, "--json").stdout)[0]["video_url"] == last["video_url"]
    assert id in stack.vidpoll("status").stdout
    assert "vertex" in stack.vidpoll("lanes").stdout
    assert {row["account"] for row in json.loads(stack.vidpoll("lanes", "--json").stdout)} == {
        "runware",
        "vertex",
        "gemini",
        "replicate",
    }
    assert "refresh asked for" in stack.vidpoll("refresh", id).stdout
    assert json.loads(stack.vidpoll("cancel", id, "--json").stdout) == {"id": id, "asked": True}
    asked = stack.vidpoll("submit", "--provider", "veo", "--model", "veo-fast", "a lion")
    assert (asked.stdout, asked.stderr.count("vidpoll watch")) == (f"{uuid.UUID(asked.stdout.strip())}\n", 1)
    assert f"VIDPOLL_STACK_DIR={stack.folder} vidpoll submit" in (stack.folder / "up.log").read_text()


def test_a_file_with_broken_lines_names_them_and_runs_the_others(stack: Stack, tmp_path: Path):
    good = json.dumps(VEO)
    file = tmp_path / "x.jsonl"
    file.write_text(
        f"{good}\nnot json\n{json.dumps({**VEO, 'model': 'none'})}\n{json.dumps({**VEO, 'prompt': ''})}\n{good}\n"
    )

    told = stack.vidpoll("submit", "--file", str(file))
    ran = stack.vidpoll("submit", "--file", str(file), "--json")

    found = json.loads(ran.stdout)
    assert (told.returncode, ran.returncode) == (1, 1)
    assert [one["line"] for one in found["submitted"]] == [1, 5]
    assert [(one["line"], one["code"]) for one in found["refused"]] == [
        (2, "invalid_request"), (3, "unknown_target"), (4, "invalid_request"),
    ]  # fmt: skip
    assert "line 2: not valid JSON" in told.stderr
    assert "2 submitted, 3 refused" in told.stderr
    stack.finished([one["id"] for one in found["submitted"]])
