"""What is wrong is said where its sender or the operator sees it; it is never tried for ever and never lost."""

import json
import uuid
from collections.abc import Callable

import pytest

from tests.acceptance.stack import Stack, celery_message
from tests.waiting import until

GOOD = {"owner": "alice", "provider": "veo", "model": "veo-fast", "prompt": "a lion at dawn"}


def changed(change: Callable[[dict], object]) -> bytes:
    """A good message with one thing wrong."""
    message = json.loads(celery_message("vidpoll.generate", GOOD))
    change(message)
    return json.dumps(message).encode()


@pytest.mark.parametrize(
    ("task", "kwargs", "code", "said"),
    [
        ("vidpoll.generate", {**GOOD, "provider": "sora"}, "unknown_target", "provider: no account for 'sora'"),
        ("vidpoll.generate", {**GOOD, "model": "none"}, "unknown_target", "model: veo has no 'none'"),
        ("vidpoll.generate", {**GOOD, "account": "none"}, "unknown_target", "account: no account 'none'"),
        ("vidpoll.generate", {**GOOD, "surprise": 1}, "invalid_request", "surprise: extra inputs"),
        ("vidpoll.generate", {**GOOD, "prompt": 7}, "invalid_request", "prompt: input should be a valid string"),
        ("vidpoll.generate", {**GOOD, "prompt": "x" * 20_001}, "invalid_request", "prompt: string should have at most"),
        ("vidpoll.generate", {**GOOD, "params": "x"}, "invalid_request", "params: input should be"),
        ("vidpoll.generate", {**GOOD, "prompt": "a\x00b"}, "invalid_request", "prompt: contains a NUL"),
        ("vidpoll.generate", {**GOOD, "timeout_s": "soon"}, "invalid_request", "timeout_s"),
        ("vidpoll.generate", {}, "invalid_request", "owner: field required"),
        ("vidpoll.cancel", {"id": "x"}, "invalid_request", "id: 'x' is not a UUID"),
        ("vidpoll.refresh", {"id": str(uuid.uuid4())}, "not_found", "no generation"),
    ],
)
def test_a_refused_message_becomes_a_dead_letter(stack: Stack, task: str, kwargs: dict, code: str, said: str):
    message_id = str(uuid.uuid4())
    stack.push(celery_message(task, kwargs, task_id=message_id))

    (letter,) = until(lambda: stack.sql("SELECT * FROM dead_letters WHERE message_id = %s", message_id))
    assert (letter["task"], letter["code"]) == (task, code)
    assert said in letter["reason"]
    assert stack.report()["submit_calls"] == 0


def test_dead_letters_are_shown_to_the_operator(stack: Stack):
    message_id = str(uuid.uuid4())
    stack.push(celery_message("vidpoll.generate", {"x": 1}, task_id=message_id))
    until(lambda: stack.sql("SELECT 1 FROM dead_letters WHERE message_id = %s", message_id))

    newest = json.loads(stack.vidpoll("dead-letters", "--json").stdout)[0]

    assert newest["message_id"] == message_id
    assert '"x": 1' in newest["payload"]
    assert "owner: field" in stack.vidpoll("dead-letters").stdout


@pytest.mark.parametrize(
    "junk",
    [
        celery_message("vidpoll.nothing", {}),
        celery_message("vidpoll.generate", [1, 2]),
        celery_message("vidpoll.generate", {}, args=7),
        b"not json at all",
        b"{}",
        b"[]",
        b"\xff\x00",
        b"[" * 5000,
        changed(lambda message: message["headers"].pop("id")),
        changed(lambda message: message.pop("content-type")),
        changed(lambda message: message.update({"content-type": "application/text"})),
        changed(lambda message: message["properties"].pop("body_encoding")),
        changed(lambda message: message["headers"].update(task=["x"])),
        changed(lambda message: message["properties"].update(body_encoding="gzip")),
        changed(lambda message: message.update({"content-encoding": "klingon"})),
        b'{"body": "!", "headers": {}, "properties": {}}',
        b'{"body": "!", "headers": {}, "properties": {"delivery_info": {}, "delivery_tag": "x"}}',
    ],
)
def test_junk_on_the_queue_is_kept_and_stops_nobody(stack: Stack, junk: bytes):
    worker, kept = stack.pids["worker"], len(stack.sql("SELECT id FROM dead_letters"))
    stack.push(junk)
    id = str(uuid.uuid4())
    stack.push(celery_message("vidpoll.generate", {**GOOD, "id": id}))

    (row,) = stack.finished([id])
    assert row["status"] == "completed"
    until(lambda: len(stack.sql("SELECT id FROM dead_letters")) == kept + 1)
    assert stack.pids["worker"] == worker, "the worker went on"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "--provider", "sora", "--model", "m", "p"], "provider: no account for 'sora'"),
        (["submit", "--provider", "veo", "--model", "veo-fast", ""], "prompt: is empty"),
        (["submit", "--provider", "veo", "--model", "veo-fast"], "prompt: field required"),
        (["submit", "--provider", "veo", "--model", "veo-fast", "--param", "x", "p"], "--param"),
        (["submit", "--file", "/nowhere.jsonl"], "/nowhere.jsonl"),
        (["submit", "--file", "/dev/null"], "holds no request"),
        (["submit", "--file", "/dev/null", "p"], "prompt: is given beside --file"),
        (["submit", "--provider", "veo", "--model", "veo-fast", "--param", "a={bad", "p"], "not valid JSON"),
        (["refresh", str(uuid.UUID(int=0))], "no generation"),
        (["status", "not-an-id"], "'not-an-id' is not a UUID"),
        (["status", str(uuid.UUID(int=0))], "no generation"),
        (["watch", str(uuid.UUID(int=0))], "no generation"),
    ],
)
def test_a_wrong_command_is_one_line_and_no_traceback(stack: Stack, arguments: list[str], said: str):
    ran, as_json = stack.vidpoll(*arguments), stack.vidpoll(*arguments, "--json")

    assert (ran.returncode, as_json.returncode) == (1, 1)
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr + as_json.stderr
    assert said in json.loads(as_json.stdout)["error"]["message"]
