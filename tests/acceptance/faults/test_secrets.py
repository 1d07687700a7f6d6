"""Messages that would run code, and keys where they do not belong (case 32)."""

import base64
import json
import os
import pickle
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.faults.fleet import Fleet
from tests.acceptance.faults.report import Case
from tests.waiting import until

Begin = Callable[[int, str], Case]


class Bomb:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple:
        return (os.mkdir, (str(self._path),))


def test_a_pickled_message_is_refused_and_runs_nothing(fleet: Fleet, case: Begin, tmp_path: Path):
    told = case(32, "a pickled message that would run code")
    mark, id = tmp_path / "ran", str(uuid.uuid4())
    body = base64.b64encode(pickle.dumps([[], {"x": Bomb(mark)}, {}])).decode()
    message = {
        "body": body, "content-type": "application/x-python-serialize", "content-encoding": "binary",
        "headers": {"lang": "py", "task": "vidpoll.generate", "id": id},
        "properties": {
            "body_encoding": "base64", "delivery_info": {"exchange": "", "routing_key": "accept"},
            "delivery_tag": str(uuid.uuid4()),
        },
    }  # fmt: skip
    fleet.push(json.dumps(message).encode())

    (letter,) = until(lambda: fleet.sql("SELECT * FROM dead_letters WHERE message_id = %s", id))
    later = fleet.submit(2)
    assert {row["status"] for row in fleet.finished(later)} == {"completed"}
    told.settle(fleet, later)
    assert not mark.exists()
    assert "cannot be read" in letter["reason"]


def test_no_key_is_found_outside_of_the_calls_that_need_it(fleet: Fleet, case: Begin):
    told = case(32, "the accounts' keys, looked for in logs, Redis and Postgres")
    fleet.simulate("faults", status_unauthorized=0.2, submit_500_after=0.1, status_500=0.5, status_cut=0.3)
    ids = [id for account in ("runware", "vertex", "gemini", "replicate") for id in fleet.submit(5, account)]
    until(lambda: sum(row["failures"] for row in fleet.rows(ids)) >= 5)
    fleet.simulate("faults", status_unauthorized=0, submit_500_after=0, status_500=0, status_cut=0)
    canaries = [f"key-{account}" for account in ("runware", "vertex", "gemini", "replicate")]

    logs = "".join(fleet.log(name) for name in ("worker1", "beat1"))
    client = fleet.redis()
    stored = "".join(f"{key}{_value(client, key)}" for key in client.scan_iter())
    tables = "".join(
        str(row)
        for table in ("generations", "generation_events", "dead_letters")
        for row in fleet.sql(f"SELECT * FROM {table}")
    )
    told.settle(fleet, ids)

    for canary in canaries:
        assert canary not in logs
        assert canary not in stored
        assert canary not in tables


def _value(client: object, key: str) -> str:
    match client.type(key):
        case "hash":
            return str(client.hgetall(key))
        case "zset":
            return str(client.zrange(key, 0, -1))
        case "list":
            return str(client.lrange(key, 0, -1))
        case "set":
            return str(client.smembers(key))
        case _:
            return str(client.get(key))
