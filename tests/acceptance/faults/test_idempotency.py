"""The same request, however often it comes, is one generation and one charge (cases 6 to 8)."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable

import pytest

from tests.acceptance.faults.fleet import Fleet
from tests.acceptance.faults.report import Case
from tests.acceptance.stack import PROJECT
from tests.waiting import until
from vidpoll import Client, GenerationRequest, IdempotencyConflict, messages

FIELDS = {"provider": "veo", "model": "veo-fast", "account": "vertex", "prompt": "a lion at dawn", "owner": "alice"}
Begin = Callable[[int, str], Case]


def test_one_key_sent_by_fifty_threads_of_two_processes_is_one_generation(fleet: Fleet, case: Begin):
    told = case(6, "the same idempotency key 50 times at once, from 2 processes")
    fields = json.dumps({**FIELDS, "idempotency_key": "lion-1"})
    command = [sys.executable, "-m", "tests.acceptance.faults.clients", *fleet.urls, fields, "25"]
    senders = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    answers = [id for sender in senders for id in json.loads(sender.communicate(timeout=60)[0])]

    assert len(answers) == 50
    (id,) = set(answers)
    fleet.finished([id])
    told.settle(fleet, [id])
    told.note(answers=len(answers), different=len(set(answers)))
    assert fleet.sql("SELECT count(*) AS n FROM generations") == [{"n": 1}]
    assert (told.charges, told.lost, fleet.report()["submit_calls"]) == (1, 0, 1)


def test_a_used_key_with_another_body_is_a_conflict_and_no_call(fleet: Fleet, case: Begin):
    told = case(7, "a used idempotency key with another body, through the client and by message")
    first = Client(*fleet.urls).submit(GenerationRequest(**FIELDS, idempotency_key="lion-1"))
    fleet.finished([first])
    other = {**FIELDS, "prompt": "another lion", "idempotency_key": "lion-1"}

    with pytest.raises(IdempotencyConflict) as refused:
        Client(*fleet.urls).submit(GenerationRequest(**other))
    fleet.send(messages.GENERATE, **other)

    assert refused.value.existing_id == first
    (letter,) = until(lambda: fleet.sql("SELECT * FROM dead_letters"))
    assert letter["code"] == "idempotency_conflict"
    told.settle(fleet, [first])
    assert (fleet.report()["submit_calls"], told.charges) == (1, 1)


@pytest.mark.parametrize("account", ["runware", "vertex"])
def test_internal_messages_delivered_many_times_are_one_charge(fleet: Fleet, case: Begin, account: str):
    told = case(8, f"vidpoll.generate and vidpoll.submit delivered 20 times each, {account}")
    fleet.simulate("faults", submit_delay_s=0.5)
    (request,) = fleet.requests(1, account)
    id = uuid.uuid4()
    fields = messages.generate_message(request.model_copy(update={"id": id}))

    for _ in range(20):
        fleet.send(messages.GENERATE, **fields)
    until(lambda: (fleet.row(id) or {}).get("status") == "submitting")
    for _ in range(20):
        fleet.send(messages.SUBMIT, account=account, ids=[str(id)], call_at_us=time.time_ns() // 1000)

    (row,) = fleet.finished([id])
    for _ in range(20):
        fleet.send(messages.SUBMIT, account=account, ids=[str(id)], call_at_us=time.time_ns() // 1000)
        fleet.send(messages.GENERATE, **fields)
    until(lambda: not any(map(fleet.waiting, messages.QUEUES)))
    told.settle(fleet, [id])
    told.note(submit_calls=fleet.report()["submit_calls"])
    assert row["status"] == "completed"
    assert row["submit_attempts"] == 1
    assert (told.charges, fleet.report()["submit_calls"]) == (1, 1)
    assert fleet.row(id) == row, "a final row does not move"


def test_a_message_delivered_again_because_its_worker_hung_is_one_charge(fleet: Fleet, case: Begin):
    told = case(8, "worker stopped for longer than its lease in the middle of a paid call, then continued")
    fleet.start_worker("worker2")
    fleet.simulate("faults", submit_delay_s=1)
    ids = [*fleet.submit(4, "runware"), *fleet.submit(4, "vertex")]
    until(lambda: fleet.report()["charged"] >= 4)

    fleet.pause("worker1")
    fleet.until_swept(lambda: fleet.status_counts()["submitting"] == 0)
    fleet.resume("worker1")

    rows = fleet.settled(ids)
    told.settle(fleet, ids)
    assert {row["status"] for row in rows if row["account"] == "runware"} == {"completed"}
    assert max(fleet.charges(ids).values()) == 1
    assert (told.lost, told.doubled) == (0, 0)
