"""``vidpoll up`` itself: it ends with everything it started, and keeps a second one out."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.conftest import OPTIONS as LIMITS
from tests.acceptance.stack import PROJECT, Stack
from tests.brokers import only_redis
from tests.waiting import until

Start = Callable[..., Stack]
OPTIONS = [*LIMITS, "--time-scale", "0.01"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Starts stacks in one folder, and leaves none behind."""
    started: list[Stack] = []

    def make(*, flower: bool = False, **environ: str) -> Stack:
        started.append(Stack(tmp_path / "stack", *OPTIONS, flower=flower, **environ))
        return started[-1]

    yield make
    for stack in started:
        if stack.process.poll() is None:
            stack.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_no_process_behind(start: Start, tmp_path: Path, number: signal.Signals):
    stack = start(flower=number == signal.SIGTERM)
    family = stack.family()
    flower = {"flower"} if number == signal.SIGTERM else set()
    assert {"up", "redis", "postgres", "simulator", "worker", "beat", "api"} | flower == set(stack.pids)
    assert set(stack.pids.values()) <= {process.pid for process in family}

    assert stack.stop(number) == 0

    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not (tmp_path / "stack" / "stack.json").exists()


def test_even_a_killed_one_leaves_no_process_behind_and_its_data_is_used_again(start: Start):
    stack = start()
    id = json.loads(stack.vidpoll("submit", "--provider", "veo", "--model", "veo-fast", "a lion", "--json").stdout)[
        "id"
    ]
    stack.finished([id])  # a worker whose paid call is not stored yet would try to for two minutes
    family = stack.family()

    stack.stop(signal.SIGKILL)

    until(lambda: not any(process.is_running() for process in family), within_s=40, what="its children to end")
    again = start()
    assert again.row(id)
    assert again.stop() == 0


def test_a_second_one_on_the_same_folder_says_who_holds_it(shared: Stack):
    second = subprocess.run(
        [sys.executable, "-m", "vidpoll", "up", "--dir", str(shared.folder)],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert second.returncode == 1
    assert f"is held by pid {shared.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_servers_named_in_the_environment_are_used_instead(
    start: Start, redis_url: str, database_url: str, redis_client: object
):
    stack = start(VIDPOLL_REDIS_URL=redis_url, VIDPOLL_DATABASE_URL=database_url)

    assert set(stack.pids) == {"up", "simulator", "worker", "beat", "api"}
    assert (stack.described["redis_url"], stack.described["database_url"]) == (redis_url, database_url)
    ran = stack.vidpoll("submit", "--provider", "veo", "--model", "veo-fast", "a lion", "--json")
    assert stack.vidpoll("watch", json.loads(ran.stdout)["id"], "--timeout-s", "60").returncode == 0
    assert stack.stop() == 0


def test_a_child_that_dies_is_started_again(shared: Stack):
    before = shared.pids["beat"]

    os.kill(before, signal.SIGKILL)

    until(lambda: shared.pids["beat"] != before)
    assert psutil.pid_exists(shared.pids["beat"])


@only_redis("the demo runs servers of its own")
def test_the_demo_refuses_accounts_that_cost_money(tmp_path: Path):
    file = tmp_path / "providers.toml"
    shipped = (PROJECT / "config" / "providers.toml").read_text()
    file.write_text(shipped.replace('provider = "runware"\nsimulated = true', 'provider = "runware"'))

    ran = subprocess.run(
        [sys.executable, "-m", "vidpoll", "demo", "--count", "1", "--dir", str(tmp_path / "d")],
        cwd=PROJECT, env={**os.environ, "VIDPOLL_PROVIDERS_FILE": str(file)}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip

    assert ran.returncode == 1
    assert "the demo would pay" in ran.stderr
    assert "Traceback" not in ran.stderr


@only_redis("the demo runs servers of its own")
def test_the_demo_accounts_for_everything(tmp_path: Path):
    options = ["--count", "22", "--time-scale", "0.02", "--json", "--dir", str(tmp_path / "d")]
    ran = subprocess.run(
        [sys.executable, "-m", "vidpoll", "demo", *options],
        cwd=PROJECT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip

    summary = json.loads(ran.stdout.splitlines()[-1])
    assert ran.returncode == 0, ran.stderr
    assert (summary["requested"], summary["completed"], summary["charged"], summary["duplicate_charges"]) == (
        22,
        22,
        22,
        0,
    )
    assert summary["refused_429"] == 0
    assert summary["submit_calls"] == 22
    # On a busy machine a grant may come too late for its call: then it is given back, and executed again.
    assert 22 <= summary["submit_executions"] <= 2 * 22
    assert summary["check_executions"] <= 2 * summary["status_calls"]
    assert not list((tmp_path / "d").glob("stack.json"))
    _is_told_for_each_provider(summary)


def _is_told_for_each_provider(summary: dict[str, Any]) -> None:
    parts = {one["account"]: one for one in summary["providers"]}
    assert len(parts) == 11
    assert all(one["requested"] == one["completed"] == one["charged"] == 2 for one in parts.values())
    assert all(one["checks"] >= 2 and one["mean_detection_delay_s"] > 0 for one in parts.values())
    assert sum(one["status_calls"] for one in parts.values()) == summary["status_calls"]
    assert parts["fal"]["status_calls"] == parts["fal"]["checks"] + 2, "each result is fetched with one more call"
    assert parts["luma"]["status_calls"] == parts["luma"]["checks"]
    assert parts["runware"]["status_calls"] <= parts["runware"]["checks"]


@pytest.mark.parametrize(
    ("url", "said"),
    [("amqp://127.0.0.1:1//", "no broker answers at VIDPOLL_BROKER_URL"), ("sqs://x", "the broker URL cannot be used")],
)
def test_a_broker_that_does_not_answer_is_told_at_the_start(tmp_path: Path, url: str, said: str):
    ran = subprocess.run(
        [sys.executable, "-m", "vidpoll", "up", "--dir", str(tmp_path / "d")],
        cwd=PROJECT, env={**os.environ, "VIDPOLL_BROKER_URL": url}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip

    assert ran.returncode == 1
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_wrong_providers_file_is_told_at_the_start(tmp_path: Path):
    (tmp_path / "providers.toml").write_text("[accounts.a]\nprovider = 'sora'\n")

    ran = subprocess.run(
        [sys.executable, "-m", "vidpoll", "up", "--dir", str(tmp_path / "d")],
        cwd=PROJECT, env={**os.environ, "VIDPOLL_PROVIDERS_FILE": str(tmp_path / "providers.toml")},
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip

    assert ran.returncode == 1
    assert "accounts.a.base_url" in ran.stderr
    assert "Traceback" not in ran.stderr
