"""Workers come and go, by crash, by deploy, by poison; the work goes on (cases 9, 23, 24)."""

import time
from collections.abc import Callable
from uuid import UUID

import pytest

from tests.acceptance.faults import scale
from tests.acceptance.faults.fleet import LEASE_S, Fleet
from tests.acceptance.faults.report import Case
from tests.waiting import until

Begin = Callable[[int, str], Case]
#: Workers one generation may kill before it is set aside.
MOST_DEATHS = 4
#: Of those in flight, the share that needs a call each; of the others twenty fit into one.
ALONE = 0.05 if scale.FULL else 0.2


def many_in_flight(fleet: Fleet, told: Case) -> tuple[list[UUID], list[UUID]]:
    """As many as the scale says, at both providers; notes how fast they got there."""
    fleet.keep_running()
    began, alone = time.monotonic(), int(scale.IN_FLIGHT * ALONE)
    vertex, runware = fleet.submit(alone, "vertex"), fleet.submit(scale.IN_FLIGHT - alone, "runware")
    fleet.in_flight(scale.IN_FLIGHT)
    told.note(in_flight=scale.IN_FLIGHT, submits_per_s=scale.IN_FLIGHT / (time.monotonic() - began))
    return runware, vertex


def round_s(fleet: Fleet, alone: int) -> float:
    """Seconds in which everyone has a turn, by schedule and by budget."""
    return max(scale.LATER_LOOKS_S, alone / fleet.limits.status_rate)


def test_a_killed_worker_with_many_in_flight_loses_none_and_causes_no_stampede(fleet: Fleet, case: Begin):
    told = case(9, f"worker SIGKILL with {scale.IN_FLIGHT} in flight")
    runware, vertex = many_in_flight(fleet, told)
    ids = runware + vertex

    fleet.kill("worker1")

    killed, killed_at = time.monotonic(), fleet.now()
    due = fleet.due("runware") | fleet.due("vertex")
    open_ones = {str(row["id"]) for row in fleet.rows(ids) if row["status"] == "processing"}
    told.note(out_of_lane=len(open_ones - due.keys()), last_due_s=max(due[id] for id in open_ones & due.keys()))
    assert max(due[id] for id in open_ones & due.keys()) <= max(LEASE_S, scale.LATER_LOOKS_S) + 1
    fleet.start_worker("worker1")
    fleet.touched(ids, killed_at, within_s=LEASE_S + 5 + round_s(fleet, len(vertex)))
    told.recovered_s = time.monotonic() - killed
    fleet.let_end()
    rows = fleet.finished(ids, within_s=60)
    told.settle(fleet, ids)
    told.note(most_looks_in_a_second=max(fleet.busiest_second("runware"), fleet.busiest_second("vertex")))
    assert {row["status"] for row in rows} == {"completed"}
    assert told.notes["most_looks_in_a_second"] <= fleet.budget
    assert (told.charges, told.lost, told.doubled) == (len(ids), 0, 0)


def test_a_worker_told_to_end_ends_by_itself_and_another_goes_on(fleet: Fleet, case: Begin):
    told = case(23, f"SIGTERM with {scale.IN_FLIGHT} in flight and paid calls under way, second worker")
    fleet.start_worker("worker2")
    runware, vertex = many_in_flight(fleet, told)
    fleet.simulate("faults", submit_delay_s=2)
    called = fleet.submit(8, "vertex")
    until(lambda: fleet.report()["charged"] >= len(runware + vertex) + 4)

    code, took = fleet.terminate("worker1")

    told.note(exit_code=code, ended_after_s=took)
    ids = [*runware, *vertex, *called]
    ended_at, ended = fleet.now(), time.monotonic()
    fleet.touched([*runware, *vertex], ended_at, within_s=LEASE_S + 5 + round_s(fleet, len(vertex)))
    told.recovered_s = time.monotonic() - ended
    fleet.let_end()
    rows = fleet.finished(ids, within_s=60)
    told.settle(fleet, ids)
    assert code == 0
    assert took <= 30
    assert {row["status"] for row in rows} == {"completed"}, "no paid call was cut off"
    assert (told.charges, told.lost, told.doubled) == (len(ids), 0, 0)


@scale.only_full
@pytest.mark.parametrize("verb", ["check", "submit"])
def test_one_that_kills_its_worker_is_set_aside_and_the_others_go_on(fleet: Fleet, case: Begin, verb: str):
    told = case(24, f"a generation whose every {verb} kills the worker, among others of its account")
    fleet.kill("worker1")
    fleet.start_worker("worker2", inside=f"die_on_{verb}=poison")
    fleet.simulate("durations", median_s=1)
    (poison,), good = fleet.submit(1, "runware", params={"note": "poison"}), fleet.submit(10, "runware")
    deaths = 0

    def ended_under_deaths() -> bool:
        nonlocal deaths
        if "worker2" not in fleet.running():
            deaths += 1
            told.note(deaths=deaths, others_completed=fleet.status_counts(good)["completed"])
            assert deaths <= MOST_DEATHS
            fleet.start_worker("worker2", inside=f"die_on_{verb}=poison")
        return fleet.status_counts(good)["completed"] == len(good) and set_aside()

    def set_aside() -> bool:
        """Ended, or handed out ever more rarely."""
        lane = "submit" if verb == "submit" else "status"
        row, due = fleet.row(poison) or {}, fleet.due("runware", lane).get(str(poison), 0)
        return row["status"] in ("failed", "unknown") or due > LEASE_S + 1

    until(ended_under_deaths, within_s=90)
    told.settle(fleet, [poison, *good])
    assert (told.lost, told.doubled) == (0, 0)
