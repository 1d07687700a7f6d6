"""The clocks of workers and beats decide nothing (case 14)."""

import time
from collections.abc import Callable

import pytest

from tests.acceptance.faults import scale
from tests.acceptance.faults.fleet import SWEEP_S, Fleet
from tests.acceptance.faults.providers import Limits
from tests.acceptance.faults.report import Case
from tests.waiting import until

Begin = Callable[[int, str], Case]
AHEAD, BEHIND = "skew=300", "skew=-300"


@pytest.mark.parametrize(
    ("beats", "workers"),
    [
        pytest.param([AHEAD, BEHIND], [AHEAD, BEHIND], id="one of each, two beats", marks=scale.only_full),
        pytest.param([BEHIND], [AHEAD], id="beat behind, worker ahead"),
        pytest.param([AHEAD], [BEHIND], id="beat ahead, worker behind", marks=scale.only_full),
    ],
)
def test_wrong_clocks_expire_nothing_early_and_double_nothing(
    special_fleet: Callable[..., Fleet], case: Begin, beats: list[str], workers: list[str], request
):
    told = case(14, f"clocks 5 minutes wrong: {request.node.callspec.id}; FLUSHALL to need a sweep")
    fleet = special_fleet(workers=0, beats=0, limits=Limits(timeout_s=60, expected_s=40))
    for number, skew in enumerate(workers, 1):
        fleet.start_worker(f"worker{number}", inside=skew)
    for number, skew in enumerate(beats, 1):
        fleet.start_beat(f"beat{number}", inside=skew)
    fleet.keep_running()
    ids = [*fleet.submit(20, "runware"), *fleet.submit(10, "vertex")]
    fleet.in_flight(len(ids))

    fleet.redis().flushall()

    began = time.monotonic()
    until(lambda: fleet.tracked(ids), within_s=SWEEP_S + 5, what="a sweep")
    told.recovered_s = time.monotonic() - began
    fleet.let_end()
    rows = fleet.finished(ids)
    told.settle(fleet, ids)
    told.note(overdue=sum(row["overdue"] for row in rows))
    assert {row["status"] for row in rows} == {"completed"}
    assert not any(row["overdue"] for row in rows)
    assert (told.charges, told.lost, told.doubled) == (len(ids), 0, 0)
