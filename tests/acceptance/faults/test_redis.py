"""Redis forgets, dies, hangs: the rows are the truth, and workers come back by themselves (cases 10, 11)."""

import time
from collections.abc import Callable

import pytest

from tests.acceptance.faults import scale
from tests.acceptance.faults.fleet import SWEEP_S, Fleet
from tests.acceptance.faults.report import Case
from tests.waiting import until

Begin = Callable[[int, str], Case]


@pytest.mark.parametrize("how", ["FLUSHALL", pytest.param("SIGKILL and back empty", marks=scale.only_full)])
def test_a_redis_that_forgot_everything_is_rebuilt_from_the_rows(fleet: Fleet, case: Begin, how: str):
    told = case(10, f"Redis: {how}, with {scale.OPEN} open")
    fleet.keep_running()
    alone = scale.OPEN // 10
    ids = [*fleet.submit(alone, "vertex"), *fleet.submit(scale.OPEN - alone, "runware")]
    fleet.in_flight(len(ids))
    charged = fleet.report()["charged"]

    if how == "FLUSHALL":
        fleet.redis().flushall()
    else:
        fleet.kill_redis(empty=True)
        fleet.start_redis()

    began = time.monotonic()
    until(lambda: fleet.tracked(ids), within_s=SWEEP_S + 5 + 10 * scale.FULL, what="a sweep")
    told.recovered_s = time.monotonic() - began
    fleet.looked(within_s=15)
    told.settle(fleet, ids)
    assert (told.charges, told.lost, told.doubled) == (charged, 0, 0)
    assert fleet.status_counts(ids) == {"processing": len(ids)}
    assert max(fleet.busiest_second("runware"), fleet.busiest_second("vertex")) <= fleet.budget


@pytest.mark.parametrize("how", ["refused, then a reset storm,", "black hole"])
def test_workers_whose_redis_was_away_go_on_by_themselves(fleet: Fleet, case: Begin, how: str):
    told = case(11, f"Redis {how} for {scale.OUTAGE_S:g} s")
    fleet.keep_running()
    ids = [*fleet.submit(scale.SOME, "runware"), *fleet.submit(10, "vertex")]
    fleet.in_flight(len(ids))
    worker = fleet.pid("worker1")

    away(fleet, how)

    told.recovered_s = fleet.looked(within_s=15)
    fleet.let_end()
    later = fleet.submit(4, "vertex")
    rows = fleet.finished(ids + later, within_s=60)
    told.settle(fleet, ids + later)
    assert fleet.pid("worker1") == worker, "the worker needed no restart"
    assert {"worker1", "beat1"} <= fleet.running()
    assert {row["status"] for row in rows} == {"completed"}
    assert (told.charges, told.lost, told.doubled) == (len(ids + later), 0, 0)


def away(fleet: Fleet, how: str) -> None:
    """Take Redis away for a while."""
    if how == "black hole":
        fleet.redis_proxy.black_hole()
        time.sleep(scale.OUTAGE_S)
        fleet.redis_proxy.pass_through()
        return
    fleet.redis_proxy.refuse()
    time.sleep(scale.OUTAGE_S)
    fleet.redis_proxy.pass_through()
    over_at = time.monotonic() + scale.OUTAGE_S / 2
    while time.monotonic() < over_at:
        fleet.redis_proxy.cut()
        time.sleep(0.1)
