"""The paid call is made at most once, whatever dies or breaks around it (cases 1 to 5)."""

import time
from collections.abc import Callable

import pytest

from tests.acceptance.faults import scale
from tests.acceptance.faults.fleet import Fleet
from tests.acceptance.faults.report import Case
from tests.waiting import until

#: How many are caught in the middle: less than a worker has threads.
CAUGHT = 6
Begin = Callable[[int, str], Case]


def test_what_waited_and_what_was_being_submitted_survives_its_worker(fleet: Fleet, case: Begin):
    told = case(1, "worker SIGKILL while requests wait and some are being submitted")
    fleet.provider_proxy.delay(0.4)
    # The dispatcher fills its queue from one account after the other: with these numbers both are caught.
    runware, veo = fleet.submit(12, "runware"), fleet.submit(scale.SOME, "vertex")
    fleet.accepted(runware + veo)
    until(lambda: (counts := fleet.status_counts())["processing"] >= 2 and counts["submitting"] and counts["pending"])

    fleet.kill("worker1")

    killed = time.monotonic()
    caught = fleet.status_counts()["submitting"]
    fleet.provider_proxy.pass_through()
    fleet.start_worker("worker1")
    rows = fleet.settled(runware + veo)
    told.recovered_s = time.monotonic() - killed
    told.settle(fleet, runware + veo)
    told.note(caught=caught)
    assert {row["status"] for row in rows if row["account"] == "runware"} == {"completed"}
    assert set(fleet.charges(runware).values()) == {1}
    paid = fleet.charges(veo)
    assert max(paid.values()) == 1
    assert not [
        row for row in rows if row["account"] == "vertex" and row["status"] == "completed" and paid[str(row["id"])] != 1
    ]
    assert told.unknown <= caught
    assert (told.lost, told.doubled) == (0, 0)


@pytest.mark.parametrize("lost", ["answer", "commit"])
def test_a_worker_killed_between_the_providers_yes_and_the_commit_pays_once(fleet: Fleet, case: Begin, lost: str):
    told = case(2, f"worker SIGKILL between the provider's yes and the commit ({lost} on its way)")
    fleet.provider_proxy.hold_answers()
    runware, veo = fleet.submit(CAUGHT, "runware"), fleet.submit(CAUGHT, "vertex")
    until(lambda: fleet.report()["charged"] == 2 * CAUGHT)
    if lost == "commit":
        fleet.postgres_proxy.black_hole()
        fleet.provider_proxy.release()
        until(lambda: fleet.postgres_proxy.holding == 2 * CAUGHT)

    fleet.kill("worker1")

    killed = time.monotonic()
    assert fleet.status_counts() == {"submitting": 2 * CAUGHT}
    fleet.provider_proxy.pass_through()
    fleet.postgres_proxy.cut()
    fleet.postgres_proxy.pass_through()
    fleet.start_worker("worker1")
    rows = fleet.settled(runware + veo)
    told.recovered_s = time.monotonic() - killed
    told.settle(fleet, runware + veo)
    assert {(row["account"], row["status"]) for row in rows} == {("runware", "completed"), ("vertex", "unknown")}
    assert set(fleet.charges(runware + veo).values()) == {1}
    assert (told.charges, told.lost, told.doubled) == (2 * CAUGHT, 0, 0)


#: More answers than there are: replays get none either while the fault lasts.
EVERY = 10_000


@pytest.mark.parametrize(
    "how",
    [
        "read timeout",
        "reset in mid-body",
        pytest.param("reset before the answer", marks=scale.only_full),
        "500 without an id",
    ],
)
def test_a_submit_whose_answer_never_came_is_paid_once(fleet: Fleet, case: Begin, how: str):
    told = case(5 if how.startswith("500") else 3, f"the provider takes the job, then: {how}")
    if how == "read timeout":
        fleet.simulate("faults", submit_delay_s=5)
    elif how == "reset in mid-body":
        fleet.provider_proxy.reset_mid_answer(EVERY)
    elif how == "reset before the answer":
        fleet.provider_proxy.lose_answers(EVERY)
    else:
        fleet.simulate("faults", submit_500_after=1)
    runware, veo = fleet.submit(CAUGHT, "runware"), fleet.submit(CAUGHT, "vertex")
    until(lambda: fleet.report()["charged"] == 2 * CAUGHT)
    until(lambda: fleet.status_counts()["submitting"] == 0)
    failed = time.monotonic()

    fleet.provider_proxy.pass_through()
    fleet.simulate("faults", submit_delay_s=0, submit_500_after=0)

    rows = fleet.settled(runware + veo)
    told.recovered_s = time.monotonic() - failed
    told.settle(fleet, runware + veo)
    assert {(row["account"], row["status"]) for row in rows} == {("runware", "completed"), ("vertex", "unknown")}
    assert set(fleet.charges(runware + veo).values()) == {1}
    assert (told.charges, told.lost, told.doubled) == (2 * CAUGHT, 0, 0)


def test_a_provider_that_refused_connections_is_paid_once_when_it_is_back(fleet: Fleet, case: Begin):
    told = case(4, f"provider refuses connections for {scale.OUTAGE_S:g} s")
    fleet.provider_proxy.refuse()
    ids = [*fleet.submit(CAUGHT, "runware"), *fleet.submit(CAUGHT, "vertex"), *fleet.submit(CAUGHT, "gemini")]
    until(lambda: fleet.sql("SELECT 1 FROM generations WHERE failures > 0"))
    time.sleep(scale.OUTAGE_S)
    assert fleet.report()["charged"] == 0
    assert set(fleet.status_counts()) <= {"pending", "submitting"}

    fleet.provider_proxy.pass_through()

    back = time.monotonic()
    rows = fleet.finished(ids, within_s=60)
    told.recovered_s = time.monotonic() - back
    told.settle(fleet, ids)
    told.note(most_attempts=max(row["submit_attempts"] for row in rows))
    assert {row["status"] for row in rows} == {"completed"}
    assert (told.charges, told.lost, told.doubled) == (len(ids), 0, 0)
