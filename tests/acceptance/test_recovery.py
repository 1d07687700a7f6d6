"""What a crash costs: a lease, never a generation and never a second charge."""

import os
import signal
import uuid

from tests.acceptance.stack import Stack, celery_message
from tests.waiting import until
from vidpoll import Client, GenerationRequest

VEO = {"owner": "alice", "provider": "veo", "model": "veo-fast"}
RUNWARE = {"owner": "alice", "provider": "runware", "model": "google:3@3"}


def _submit(stack: Stack, count: int, fields: dict) -> list[uuid.UUID]:
    client = Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])
    return client.submit_many([GenerationRequest(**fields, prompt=f"{uuid.uuid4()}") for _ in range(count)])


def _in_flight(stack: Stack, count: int) -> None:
    query = "SELECT count(*) AS n FROM generations WHERE status = 'processing'"
    until(lambda: stack.sql(query)[0]["n"] >= count, what=f"{count} in flight")


def test_a_worker_killed_in_the_middle_loses_nothing_and_pays_nothing_twice(stack: Stack):
    stack.simulate("durations", median_s=15)
    ids = [*_submit(stack, 60, VEO), *_submit(stack, 60, RUNWARE)]
    _in_flight(stack, 120)
    killed = stack.pids["worker"]

    os.kill(killed, signal.SIGKILL)

    until(lambda: stack.pids["worker"] != killed, what="a new worker")
    rows = stack.finished(ids, within_s=120)
    assert {row["status"] for row in rows} == {"completed"}
    assert stack.report()["duplicate_charges"] == 0
    assert stack.report()["charged"] == 120


def test_a_flushed_redis_is_rebuilt_from_the_rows(stack: Stack):
    stack.simulate("durations", median_s=3)
    ids = _submit(stack, 80, RUNWARE)
    _in_flight(stack, 40)

    stack.redis().flushall()

    rows = stack.finished(ids, within_s=120)
    assert {row["status"] for row in rows} == {"completed"}
    assert (stack.report()["charged"], stack.report()["duplicate_charges"]) == (80, 0)


def test_a_worker_whose_redis_dies_goes_on_when_it_is_back(stack: Stack):
    stack.simulate("durations", median_s=3)
    ids = _submit(stack, 30, RUNWARE)
    _in_flight(stack, 20)
    worker, server = stack.pids["worker"], stack.pids["redis"]

    os.kill(server, signal.SIGKILL)

    until(lambda: stack.pids["redis"] != server, what="a new Redis")
    stack.finished(ids, within_s=120)
    assert stack.pids["worker"] == worker, "the worker needed no restart"
    later = str(uuid.uuid4())
    stack.push(celery_message("vidpoll.generate", {**VEO, "id": later, "prompt": later}))
    stack.finished([later])
    assert stack.report()["duplicate_charges"] == 0
