"""What an operator reads of a running stack: metrics and logs."""

import json
import os
import socket
import stat
import struct
import subprocess
import sys
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.stack import PROJECT, Stack
from tests.waiting import until
from vidpoll import Client, GenerationRequest

VEO = {"owner": "alice", "provider": "veo", "model": "veo-fast"}
TARGET = {"provider": "veo", "model": "veo-fast"}


def _scraped(address: str, **headers: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = requests.get(f"http://{address}/metrics", headers=headers, timeout=30)
    answer.raise_for_status()
    return {
        (sample.name.removeprefix("vidpoll_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def _key(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(labels.items()))


def of_worker(stack: Stack) -> str:
    """Where the worker serves its metrics, once it does: `vidpoll up` does not wait for it."""
    address = str(stack.described["metrics"]["worker"])
    host, _, port = address.partition(":")

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    until(listens, within_s=60, what="the worker")
    return address


def test_a_worker_tells_prometheus_what_it_did_and_the_api_how_things_stand(stack: Stack):
    described = stack.described
    client = Client(broker_url=described["broker_url"], database_url=described["database_url"])
    worker, api = of_worker(stack), described["metrics"]["api"]
    before = _scraped(worker)

    ids = [client.submit(GenerationRequest(**VEO, prompt=f"lion {number}")) for number in range(3)]
    stack.finished(ids)

    completed = _key("generations_total", **TARGET, status="completed")
    until(lambda: _scraped(worker).get(completed, 0) - before.get(completed, 0) == 3)
    counted = _scraped(worker)
    assert counted[_key("submits_total", account="vertex", outcome="submitted")] >= 3
    assert counted[_key("lane_tokens_total", account="vertex", verb="submit")] >= 3
    assert counted[_key("tasks_total", task="vidpoll.submit", state="success")] >= 3
    assert counted[_key("dispatcher_last_tick_timestamp_seconds")] > 0
    shared = _scraped(api, Authorization=f"Bearer {(stack.folder / 'metrics-key').read_text()}")
    assert shared[_key("workers")] == 1
    assert shared[_key("lane_rate", account="vertex", verb="status")] == 100
    assert shared[_key("celery_queue_depth", queue="submit")] >= 0
    assert all(value == 0 for (name, _), value in shared.items() if name == "scrape_errors_total")


def test_the_lines_of_one_generation_tell_its_whole_life(stack: Stack):
    stack.simulate("durations", median_s=1.5)
    described = stack.described
    client = Client(broker_url=described["broker_url"], database_url=described["database_url"])
    id = client.submit(GenerationRequest(**VEO, prompt="a lion that is told of"))
    (row,) = stack.finished([id])

    def lines() -> list[dict[str, Any]]:
        written = (stack.folder / "logs" / "worker.log").read_text().splitlines()
        told = [json.loads(line) for line in written if str(id) in line]
        return told if told and told[-1]["event"] == "completed" else []

    told = until(lines)
    assert [line["event"] for line in told] == ["accepted", "processing", "completed"]
    assert [line["timestamp"] for line in told] == sorted(line["timestamp"] for line in told)
    for line in told:
        assert (line["generation"], line["account"], line["provider"], line["model"]) == (
            str(id), "vertex", "veo", "veo-fast",
        )  # fmt: skip
    assert {"operation": row["operation_name"], "attempt": 1, "outcome": "submitted"}.items() <= told[1].items()
    assert {"check": row["checks"], "outcome": "ready"}.items() <= told[2].items()
    assert told[2]["seconds"] == pytest.approx((row["completed_at"] - row["created_at"]).total_seconds(), abs=0.01)


def test_what_a_worker_writes_for_machines_is_json_line_by_line(stack: Stack):
    """From its first line on: also of one that was started again, by root, and whose metrics nobody read to the end."""
    host, _, port = of_worker(stack).partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as scraper:
        scraper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets it
        scraper.sendall(b"GET /metrics HTTP/1.1\r\n")
    log = stack.folder / "logs" / "worker.log"
    until(lambda: "metrics were not read" in log.read_text())

    *lines, unfinished = log.read_text().split("\n")

    assert unfinished == "" or unfinished.startswith("{")
    wrong = [line for line in lines if not said(line).keys() >= {"timestamp", "level", "logger", "event"}]
    assert not wrong, (wrong, (stack.folder / "up.log").read_text())
    assert os.geteuid() != 0 or said(lines[0])["logger"] == "py.warnings", "Celery warns of root first"


def said(line: str) -> dict[str, Any]:
    """What a line for machines says; nothing if it is none."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def test_prometheus_finds_every_process_in_a_file(stack: Stack):
    targets = json.loads((stack.folder / "prometheus-targets.json").read_text())

    assert {one["labels"]["process"]: one["targets"] for one in targets} == {
        name: [address] for name, address in stack.described["metrics"].items()
    }
    assert stat.S_IMODE((stack.folder / "metrics-key").stat().st_mode) == 0o600
    assert stack.described["metrics"]["worker"] != stack.described["metrics"]["api"]


def test_a_metrics_port_that_is_taken_ends_the_worker_with_one_line(stack: Stack):
    environ = {
        f"VIDPOLL_{name.upper()}": stack.described[name]
        for name in ("redis_url", "broker_url", "database_url", "simulator_url")
    }
    taken = of_worker(stack).rpartition(":")[2]

    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--loglevel", "WARNING", "-n", "second@%h"],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
        env={
            **os.environ, **environ, "VIDPOLL_METRICS_PORT": taken,
            "VIDPOLL_PROVIDERS_FILE": str(stack.folder / "providers.toml"),
        },
    )  # fmt: skip

    said = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert f"metrics cannot be served on 127.0.0.1:{taken} (VIDPOLL_METRICS_PORT): Address already in use" in said
    assert "Traceback" not in said
