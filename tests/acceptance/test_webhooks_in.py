"""Webhooks of simulated vendors, over sockets, to the API of a running stack: signed, unsigned, lost, late, twice, forged.

Looks are planned ten minutes apart, so what ends sooner was announced.
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import hooked
from tests.acceptance.stack import Stack
from tests.waiting import until
from vidpoll import Client, GenerationRequest

#: Vendors whose webhooks name their generation by the address they come to.
BY_ADDRESS = [name for name in hooked.MODELS if name != "openai_videos"]
SIGNING = ["fal", "replicate", "openai_videos"]


class Vendors:
    """The stack, as somebody has it who sends webhooks."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.client = Client(stack.described["broker_url"], stack.described["database_url"])

    def submit(self, providers: Sequence[str], models: Any = hooked.MODELS) -> list[Any]:
        return [
            self.client.submit(
                GenerationRequest(provider=name, model=models[name], owner="alice", prompt=f"a fox {uuid.uuid4().hex}")
            )
            for name in providers
        ]

    def answers(self) -> list[tuple[str, int]]:
        """Every webhook that was sent since the simulator was reset: its vendor, and how it was answered."""
        return [(one["vendor"], one["status"]) for one in self.stack._simulator("GET", "webhooks")]

    def processing(self, ids: Sequence[Any]) -> bool:
        rows = self.stack.sql("SELECT status FROM generations WHERE id = ANY(%s::uuid[])", list(map(str, ids)))
        return [row["status"] for row in rows] == ["processing"] * len(ids)

    def everything(self, ids: Sequence[Any]) -> list[Any]:
        """Rows, history, places in the lanes, and the calls that vendors got: what a forged webhook must not change."""
        named = list(map(str, ids))
        redis = self.stack.redis()
        return [
            self.stack.sql("SELECT * FROM generations WHERE id = ANY(%s::uuid[]) ORDER BY id", named),
            self.stack.sql("SELECT * FROM generation_events WHERE generation_id = ANY(%s::uuid[]) ORDER BY id", named),
            sorted(
                (name, member, score) for name in hooked.MODELS
                for member, score in redis.zrange(f"vidpoll:{{{name}:status}}:due", 0, -1, withscores=True)
            ),
            self.stack.report()["status_calls"],
        ]  # fmt: skip


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    accounts = partial(hooked.write, schedule="fixed(600)")
    environ = {"VIDPOLL_WEBHOOKS_SECRET": hooked.SECRET}
    made = Stack(tmp_path_factory.mktemp("hooks"), accounts=accounts, **environ)
    yield made
    assert made.stop() == 0


@pytest.fixture
def vendors(stack: Stack) -> Vendors:
    """With jobs of half a second, and nothing going wrong."""
    stack.simulate("reset")
    stack.simulate("durations", median_s=0.5, sigma=0, fixed_s=0)
    where = f"{stack.described['api_url']}/v1/webhooks/in/openai_videos/openai_videos"
    stack.simulate("webhooks", openai_videos=where)
    return Vendors(stack)


def test_an_end_that_is_announced_is_found_long_before_a_look_was_due_and_with_fewer_looks(vendors: Vendors):
    ids = vendors.submit([*hooked.MODELS] * 2)

    rows = vendors.stack.finished(ids)

    assert {row["status"] for row in rows} == {"completed"}
    assert max((row["completed_at"] - row["submitted_at"]).total_seconds() for row in rows) < 300
    assert sum(row["checks"] for row in rows) <= 1.5 * len(rows)
    told = vendors.stack.vidpoll("lanes", "fal", "--json")
    assert '"webhooks": {' in told.stdout
    assert "announce" not in told.stderr


def test_twice_late_and_out_of_order_they_bring_about_one_end_each(vendors: Vendors):
    vendors.stack.simulate("faults", hook_twice=1.0, hook_late_s=0.2, hook_shuffle_s=1.5)
    ids = vendors.submit([*hooked.MODELS] * 2)

    rows = vendors.stack.finished(ids)
    until(lambda: sum(status == 200 for _, status in vendors.answers()) >= 2 * len(ids), what="all webhooks sent twice")

    assert {row["status"] for row in rows} == {"completed"}
    ends = vendors.stack.sql(
        "SELECT count(*) FROM generation_events WHERE kind = 'completed' AND generation_id = ANY(%s::uuid[])",
        list(map(str, ids)),
    )
    assert ends[0]["count"] == len(ids)
    assert vendors.stack.report()["duplicate_charges"] == 0


def test_one_that_comes_before_the_answer_to_the_paid_call_is_not_lost(vendors: Vendors):
    vendors.stack.simulate("faults", submit_delay_s=3)
    ids = vendors.submit(BY_ADDRESS)

    rows = vendors.stack.finished(ids)

    assert {row["status"] for row in rows} == {"completed"}


@pytest.mark.parametrize("fault", ["hook_forged", "hook_aged"])
def test_forged_and_aged_ones_change_nothing(vendors: Vendors, fault: str):
    vendors.stack.simulate("durations", median_s=4.0)
    vendors.stack.simulate("faults", **{fault: 1.0})
    ids = vendors.submit(SIGNING)
    until(lambda: vendors.processing(ids), what="all to be at their vendors")
    before = vendors.everything(ids)

    until(lambda: {name for name, status in vendors.answers() if status == 401} == set(SIGNING), what="refusals")

    assert 200 not in {status for _, status in vendors.answers()}
    assert vendors.everything(ids) == before


def test_nobody_without_the_address_can_have_one_looked_at(vendors: Vendors):
    vendors.stack.simulate("durations", median_s=1000.0)
    names = ["runware", "luma", "kling"]
    ids = vendors.submit(names)
    until(lambda: vendors.processing(ids), what="all to be at their vendors")
    before = vendors.everything(ids)
    rows = {row["provider"]: row for row in before[0]}

    for name in names:
        operation = rows[name]["operation_name"].rpartition("/")[2]
        body = {
            "id": operation,
            "state": "completed",
            "taskUUID": operation,
            "task_id": operation,
            "task_status": "succeed",
        }
        where = f"{vendors.stack.described['api_url']}/v1/webhooks/in/{name}/{name}"
        for query in (
            {},
            {"generation": str(rows[name]["id"])},
            {"generation": str(rows[name]["id"]), "token": "0" * 64},
        ):
            assert requests.post(where, json=body, params=query, timeout=30).status_code in (400, 401)

    assert vendors.everything(ids) == before


def test_with_every_webhook_lost_polling_finds_all(vendors: Vendors):
    vendors.stack.simulate("faults", hook_lost=1.0)
    began = time.monotonic()
    ids = vendors.submit([*hooked.QUICK] * 2, hooked.QUICK)

    rows = vendors.stack.finished(ids)

    assert {row["status"] for row in rows} == {"completed"}
    assert vendors.answers() == []
    assert time.monotonic() - began < 60


def test_addresses_told_to_vendors_stand_in_no_log(vendors: Vendors):
    ids = vendors.submit(["fal", "luma"])
    vendors.stack.finished(ids)

    logs = "".join(path.read_text() for path in (vendors.stack.folder / "logs").glob("*.log"))

    assert hooked.SECRET not in logs
    assert "&token=" not in logs
    assert Path(vendors.stack.folder / "logs").exists()
