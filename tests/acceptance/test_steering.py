"""What an operator types to steer: pause, resume, rate, drain, lanes, stats, queue, restore, retry, config check, version."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.acceptance.stack import PROJECT, Stack
from tests.conftest import OURS
from tests.waiting import until
from vidpoll import Client, GenerationRequest, cli, messages

VEO = {"owner": "alice", "provider": "veo", "model": "veo-fast", "account": "vertex"}
GEMINI = {"owner": "bob", "provider": "veo", "model": "veo-preview", "account": "gemini"}


class Ran(NamedTuple):
    """A command that was run in this process: a new one takes half a second to begin."""

    returncode: int
    stdout: str
    stderr: str


class Operator:
    """Somebody who types commands against a stack."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capsys, self.decided = monkeypatch, capsys, False
        for name in [name for name in os.environ if name.startswith(OURS)]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("VIDPOLL_STACK_DIR", str(stack.folder))
        monkeypatch.setenv("VIDPOLL_PROVIDERS_FILE", str(stack.folder / "providers.toml"))

    def types(self, *arguments: str) -> Ran:
        self._patch.setattr("sys.argv", ["vidpoll", *arguments])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        self.decided |= ended.value.code in (0, 4) and arguments[0] in ("pause", "rate", "drain")
        return Ran(int(ended.value.code or 0), *self._capsys.readouterr())

    def told(self, *arguments: str) -> Any:
        ran = self.types(*arguments, "--json")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    def lane(self, account: str, verb: str) -> dict[str, Any]:
        return next(row for row in self.told("lanes", account) if row["verb"] == verb)


@pytest.fixture
def operator(stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Operator]:
    """What was decided is taken back afterwards."""
    operator = Operator(stack, monkeypatch, capsys)
    yield operator
    for account in ["vertex"] if operator.decided else []:
        operator.told("resume", account)
        for verb in ("submit", "status"):
            operator.told("rate", account, "--verb", verb, "--reset")


@pytest.fixture
def client(stack: Stack) -> Client:
    return Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])


def ask(client: Client, kind: dict[str, Any], count: int = 1) -> list[uuid.UUID]:
    return client.submit_many([GenerationRequest(**kind, prompt=f"{uuid.uuid4()}") for _ in range(count)])


def test_a_paused_account_is_called_no_more_and_others_go_on_also_without_their_redis(
    stack: Stack, operator: Operator, client: Client
):
    said = operator.types("pause", "vertex", "--reason", "the bill is being checked", "--by", "ann")
    assert (said.returncode, "vidpoll resume vertex" in said.stdout) == (0, True)

    waits = ask(client, VEO, 3)
    stack.finished(ask(client, GEMINI))
    stack.redis().flushall()
    stack.finished(ask(client, GEMINI))

    assert [stack.row(id)["status"] for id in waits] == ["pending"] * 3
    assert len(stack.jobs()) == 2, "gemini's"
    stopped = until(lambda: operator.lane("vertex", "submit")["stopped"])
    assert (stopped["by"], stopped["reason"], stopped["for_s"]) == ("ann", "the bill is being checked", None)
    assert "paused by ann until resumed: the bill is being checked" in operator.types("lanes").stdout

    assert operator.told("resume", "vertex")["resumed"] == ["submit", "status"]
    assert {row["status"] for row in stack.finished(waits)} == {"completed"}
    assert "no operator had paused it" in operator.types("resume", "vertex").stdout


def test_a_rate_takes_effect_at_once_and_goes_back(stack: Stack, operator: Operator, client: Client):
    said = operator.told("rate", "vertex", "2", "--verb", "submit", "--burst", "2", "--by", "ann")
    assert (said["rate"], said["burst"], said["above_configured"]) == (2, 2, False)
    assert operator.lane("vertex", "submit")["rate_in_force"] == 2

    ids = ask(client, VEO, 8)
    times = sorted(row["sent_at"] for row in stack.finished(ids))
    assert (times[-1] - times[0]).total_seconds() > 2, "one at once, and then two a second"

    assert "2 a second again" not in (back := operator.types("rate", "vertex", "--verb", "submit", "--reset")).stdout
    assert (back.returncode, "again, as configured" in back.stdout) == (0, True)
    assert operator.lane("vertex", "submit")["rate_in_force"] == operator.lane("vertex", "submit")["rate"] == 100


def test_a_rate_above_the_configured_one_says_so(operator: Operator):
    said = operator.types("rate", "vertex", "400")

    assert (said.returncode, "above what is configured" in said.stderr) == (0, True)
    assert "400 a second, burst 50" in said.stdout


def test_draining_waits_for_what_is_under_way_and_leaves_the_account_paused(
    stack: Stack, operator: Operator, client: Client
):
    stack.simulate("durations", median_s=3, sigma=0, fixed_s=0, scale=1)
    (under_way,) = ask(client, VEO)
    until(lambda: stack.row(under_way)["status"] == "processing")
    early = operator.types("drain", "vertex", "--timeout", "0", "--json")
    assert (early.returncode, json.loads(early.stdout)["in_flight"]) == (4, 1)
    (waits,) = ask(client, VEO)

    said = operator.types("drain", "vertex", "--timeout", "60")

    assert (said.returncode, "nothing is at the providers any more" in said.stdout) == (0, True)
    assert "vidpoll resume vertex" in said.stderr
    assert (stack.row(under_way)["status"], stack.row(waits)["status"]) == ("completed", "pending")
    assert operator.lane("vertex", "submit")["stopped"]["reason"] == "draining"
    assert operator.lane("vertex", "status")["stopped"] is None
    operator.told("resume", "vertex")
    stack.finished([waits])


def test_the_lanes_are_shown_live(stack: Stack):
    watching = subprocess.Popen(
        [sys.executable, "-m", "vidpoll", "lanes", "vertex", "--watch", "--json"],
        cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "VIDPOLL_STACK_DIR": str(stack.folder), "VIDPOLL_PROVIDERS_FILE": str(stack.folder / "providers.toml")},
        # Where tests run in the background, a shell has Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )  # fmt: skip
    lines = [json.loads(watching.stdout.readline()) for _ in range(2)]
    watching.send_signal(signal.SIGINT)
    _, complaint = watching.communicate(timeout=30)

    assert [row["verb"] for row in lines[1]] == ["submit", "status"]
    assert (watching.returncode, "Traceback" in complaint) == (130, False)


def test_statistics_tell_how_generations_ended(stack: Stack, operator: Operator, client: Client):
    stack.finished(ask(client, VEO, 2))

    together = operator.told("stats")
    veo = operator.told("stats", "--provider", "veo", "--model", "veo-fast", "--owner", "alice", "--hours", "1")

    assert together["total"] >= veo["total"] >= 2
    assert (veo["success_rate"], veo["by_model"][0]["model"]) == (1.0, "veo-fast")
    assert veo["p50_completion_s"] <= veo["p90_completion_s"]
    assert "veo veo-fast" in operator.types("stats").stdout
    assert operator.told("stats", "--model", "none")["total"] == 0
    assert "nothing was asked for" in operator.types("stats", "--model", "none").stdout


def test_the_queue_tells_what_waits(stack: Stack, operator: Operator, client: Client):
    operator.told("pause", "vertex", "--only", "submit")
    (id,) = ask(client, VEO)
    until(lambda: stack.row(id)["account"])

    found = operator.told("queue")

    (waiting,) = found["generations"]
    assert (waiting["account"], waiting["status"], waiting["count"]) == ("vertex", "pending", 1)
    assert set(found["queues"]) == set(messages.QUEUES)
    assert "messages in Celery's queues" in (shown := operator.types("queue").stdout)
    assert "pending" in shown
    operator.told("resume", "vertex")
    stack.finished([id])
    assert "every generation has ended" in operator.types("queue").stdout


def test_restore_puts_back_what_a_flush_took(stack: Stack, operator: Operator, client: Client):
    operator.told("pause", "vertex")
    ids = ask(client, VEO, 3)
    until(lambda: operator.lane("vertex", "submit")["waiting"] == 3)
    stack.redis().flushall()

    found = until(lambda: operator.told("restore")["restored"])

    assert found.keys() == {"processing", "submitting", "unknown", "unpinned", "pending"}
    until(lambda: operator.lane("vertex", "submit")["waiting"] == 3)
    until(lambda: "everything was where it belongs" in operator.types("restore").stdout)
    operator.told("resume", "vertex")
    stack.finished(ids)


def test_a_failed_one_is_asked_for_anew_once_and_a_completed_one_is_not(
    stack: Stack, operator: Operator, client: Client
):
    operator.told("pause", "vertex", "--only", "submit")
    (id,) = ask(client, VEO)
    client.cancel(id)
    stack.finished([id])
    operator.told("resume", "vertex")

    said = operator.types("retry", str(id))
    again = operator.told("retry", str(id))

    assert (said.returncode, "paid for again" in said.stdout, again["new"]) == (0, True, False)
    assert again["id"] in said.stdout
    (row,) = stack.finished([again["id"]])
    assert (row["status"], str(row["retry_of"])) == ("completed", str(id))
    refused = operator.types("retry", again["id"], "--json")
    assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (1, "wrong_state")


def test_the_configuration_of_a_running_stack_has_no_mistakes(operator: Operator):
    found = operator.told("config", "check")

    assert (found["ok"], [one for one in found["mistakes"] if one["level"] == "error"]) == (True, [])
    assert "VIDPOLL" not in operator.types("config", "check").stdout


def test_every_mistake_is_told_at_once(operator: Operator, tmp_path):
    file = tmp_path / "providers.toml"
    file.write_text(
        'surprise = 1\n[accounts.a]\nprovider = "veo"\nbase_url = "ftp://x"\nstatus_rate = 100\nstatus_burst = 2\n'
        'wieght = 2\n[accounts.b]\ntemplate = "nope"\n[accounts.c]\nprovider = "runware"\nbase_url = "${VIDPOLL_NOPE}"\n'
        '[accounts.d]\nprovider = "fal"\noptions = { x = "3" }\n'
    )
    said = operator.types("config", "check", str(file))
    found = json.loads(operator.types("config", "check", str(file), "--json").stdout)["mistakes"]

    assert said.returncode == 1
    assert {(one["account"], one["key"]) for one in found if one["file"] == str(file)} >= {
        (None, "surprise"), (None, "line 12"), ("a", "wieght"), ("b", "template"), ("d", "options.x"), ("d", "api_key_env"),
    }  # fmt: skip
    for words in (
        "did you mean weight?",
        "base_url must start with",
        "status_burst must be at least 6",
        "FAL_KEY is not set",
    ):
        assert words in said.stdout


def test_the_version_is_told(operator: Operator):
    assert operator.told("version").keys() >= {"vidpoll", "schema", "celery"}
    assert "schema" in operator.types("version").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["pause", "none"], 1, "account: no account 'none'; there are runware, vertex"),
        (["pause", "vertex", "--for", "soon"], 2, "'--for': Input should be a valid number"),
        (["pause", "vertex", "--for", "0"], 2, "--for"),
        (["pause", "vertex", "--only", "all"], 2, "'all' is not one of"),
        (["pause", "vertex", "--reason", "a\nb"], 1, "--reason: must have at most 300 printable"),
        (["pause"], 2, "Missing argument"),
        (["resume", "none"], 1, "no account 'none'"),
        (["rate", "none", "5"], 1, "no account 'none'"),
        (["rate", "vertex", "0"], 1, "vidpoll pause"),
        (["rate", "vertex", "nan"], 1, "rate: must be more than 0"),
        (["rate", "vertex", "inf"], 1, "0.001 to 10000"),
        (["rate", "vertex", "fast"], 2, "'RATE': Input should be a valid number"),
        (["rate", "vertex", "100", "--burst", "5"], 1, "--burst: must be at least 6"),
        (["rate", "vertex"], 1, "give either a rate"),
        (["rate", "vertex", "5", "--reset"], 1, "give either a rate"),
        (["drain", "none"], 1, "no account 'none'"),
        (["drain", "vertex", "--timeout", "x"], 2, "--timeout"),
        (["lanes", "none"], 1, "no account 'none'"),
        (["stats", "--hours", "0"], 2, "--hours"),
        (["queue", "x"], 2, "unexpected extra argument"),
        (["restore", "x"], 2, "unexpected extra argument"),
        (["retry", "x"], 1, "'x' is not a UUID"),
        (["retry", str(uuid.UUID(int=0))], 1, "no generation"),
        (["version", "--nope"], 2, "No such option: --nope"),
        (["nope"], 2, "No such command 'nope'"),
    ],
)
def test_a_wrong_command_is_one_line_and_no_traceback(operator: Operator, arguments: list[str], code: int, said: str):
    ran, as_json = operator.types(*arguments), operator.types(*arguments, "--json")

    assert (ran.returncode, as_json.returncode) == (code, code), ran.stderr + as_json.stdout
    assert said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert "Traceback" not in ran.stderr + as_json.stderr
    assert said in json.loads(as_json.stdout)["error"]["message"]


def test_a_file_that_is_not_there_is_told(operator: Operator):
    for arguments in (["config", "check", "/nowhere.toml"], ["config", "check", "--celery", "/nowhere.py"]):
        ran, as_json = operator.types(*arguments), operator.types(*arguments, "--json")
        assert (ran.returncode, as_json.returncode, "Traceback" in ran.stderr) == (1, 1, False)
        assert "/nowhere" in ran.stdout
        assert json.loads(as_json.stdout)["errors"] == 1
