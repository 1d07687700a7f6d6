"""How much of the cap is used when four times as much is asked for: counts and ratios of one run."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from tests.acceptance.stack import Stack
from tests.waiting import until
from vidpoll import Client, GenerationRequest

IN_FLIGHT, RATE, BURST, SECONDS = 2000, 100, 20, 60
EVERY_5_S = "timeout_s = 7200\nexpected_s = 7200\nschedule = { tiers = [[100000, 5]], then_s = 5, jitter = 0.1 }"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    options = ["--status-limit", "1000000", "--submit-limit", "1000000", "--time-scale", "1000"]
    stack = Stack(tmp_path / "stack", *options, policy=EVERY_5_S, burst=BURST)
    yield stack
    stack.stop()


def _executions(stack: Stack) -> int:
    with Celery(broker=stack.described["broker_url"], set_as_current=False) as app:
        answers = app.control.inspect(timeout=10, limit=1).stats()
    return sum(worker["total"].get("vidpoll.check_status", 0) for worker in answers.values())


@pytest.mark.benchmark
@pytest.mark.timeout(400)
def test_the_cap_is_used_and_never_exceeded(stack: Stack):
    client = Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])
    fields = {"provider": "veo", "model": "veo-fast", "owner": "bench"}
    client.submit_many([GenerationRequest(**fields, prompt=f"lion {number}") for number in range(IN_FLIGHT)])
    query = "SELECT count(*) AS n FROM generations WHERE status = 'processing'"
    until(lambda: stack.sql(query)[0]["n"] == IN_FLIGHT, within_s=120, what="all in flight")

    calls, executions, began = stack.report()["status_calls"], _executions(stack), time.monotonic()
    time.sleep(SECONDS)
    calls, elapsed = stack.report()["status_calls"] - calls, time.monotonic() - began
    executions = _executions(stack) - executions

    figures = {
        "in_flight": IN_FLIGHT,
        "asked_per_s": IN_FLIGHT / 5,
        "cap_per_s": RATE,
        "burst": BURST,
        "used_share_of_cap": round(calls / elapsed / RATE, 4),
        "max_calls_in_any_second": stack.report()["max_calls_in_any_second"],
        "executions_per_call": round(executions / calls, 4),
    }
    print(f"\n{json.dumps(figures)}")
    assert figures["used_share_of_cap"] >= 0.97
    assert figures["max_calls_in_any_second"] <= RATE + BURST
    assert figures["executions_per_call"] <= 1.02
