"""Postgres dies, refuses to write, loses its answers: no call without an intent, no second charge (cases 12, 13)."""

import random
import time
import uuid
from collections.abc import Callable

import pytest

from tests.acceptance.faults import scale
from tests.acceptance.faults.fleet import Fleet
from tests.acceptance.faults.report import Case
from tests.waiting import until
from vidpoll import StoreUnavailable, messages

Begin = Callable[[int, str], Case]
#: Caught in the middle of their paid call.
CAUGHT = 4


@pytest.mark.parametrize("how", ["crashed", "read-only"])
def test_without_postgres_nothing_new_is_paid_for_and_nothing_paid_for_is_forgotten(
    fleet: Fleet, case: Begin, how: str
):
    seconds = scale.READ_ONLY_S if how == "read-only" else scale.OUTAGE_S
    told = case(12, f"Postgres {how} for {seconds:g} s, with looks, waiting requests and paid calls under way")
    fleet.keep_running()
    watched = [*fleet.submit(20, "runware"), *fleet.submit(5, "vertex")]
    fleet.in_flight(len(watched))
    fleet.provider_proxy.hold_answers()
    called = [*fleet.submit(CAUGHT, "runware"), *fleet.submit(CAUGHT, "vertex")]
    until(lambda: fleet.report()["charged"] == len(watched + called))

    if how == "crashed":
        fleet.postgres.halt()
    else:
        fleet.read_only(True)
    began = time.monotonic()
    fleet.provider_proxy.release()
    sent = [uuid.uuid4() for _ in range(CAUGHT)]
    for id, request in zip(sent, fleet.requests(CAUGHT, "vertex"), strict=True):
        fleet.send(messages.GENERATE, **messages.generate_message(request.model_copy(update={"id": id})))
    for _ in range(2):  # the first may merely find a connection that was cut
        with pytest.raises(StoreUnavailable):
            fleet.submit(1)
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    assert fleet.report()["submit_calls"] == len(watched + called), "no submit without an intent"
    if how == "crashed":
        fleet.postgres.start()
    else:
        fleet.read_only(False)

    told.recovered_s = fleet.looked(within_s=20)
    fleet.let_end()
    until(lambda: len(fleet.rows(sent)) == len(sent), within_s=40, what="messages sent meanwhile")
    rows = fleet.settled([*watched, *called, *sent], within_s=60)
    told.settle(fleet, [*watched, *called, *sent])
    assert {row["status"] for row in rows} == {"completed"}
    assert (told.charges, told.lost, told.doubled) == (len(rows), 0, 0)


def test_commits_whose_answer_is_lost_cost_neither_a_charge_nor_a_generation(fleet: Fleet, case: Begin):
    told = case(13, f"{scale.LOST_COMMITS} answers of Postgres lost, at random, during submits and looks")
    ids = [*fleet.submit(scale.SOME, "runware"), *fleet.submit(scale.SOME, "vertex")]
    before, dice = fleet.postgres_proxy.spoiled, random.Random(13)
    while fleet.postgres_proxy.spoiled - before < scale.LOST_COMMITS:
        fleet.postgres_proxy.lose_answers(1, matching=dice.choice([b"submitting", b"processing", b"completed", b""]))
        time.sleep(dice.uniform(0.02, 0.2))
        if set(fleet.status_counts(ids)) <= {"completed", "unknown"}:
            ids += [*fleet.submit(10, "runware"), *fleet.submit(10, "vertex")]
    fleet.postgres_proxy.pass_through()
    over = time.monotonic()

    rows = fleet.settled(ids, within_s=60)

    told.recovered_s = time.monotonic() - over
    told.settle(fleet, ids)
    assert {row["status"] for row in rows if row["account"] == "runware"} == {"completed"}
    assert max(fleet.charges(ids).values()) == 1
    assert (told.lost, told.doubled) == (0, 0)
    assert told.unknown == 0, "an answer lost by Postgres says nothing about the provider"
