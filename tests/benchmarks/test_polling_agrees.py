"""The real stack does what the simulation of `make bench-polling` says: the same schedule, load and durations in both."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.acceptance.stack import Stack
from tests.benchmarks.polling.cases import Case
from tests.benchmarks.polling.contenders import Learned
from tests.benchmarks.polling.durations import VEO_LIKE
from tests.benchmarks.polling.figures import figures
from tests.benchmarks.polling.simulated import Simulation
from vidpoll import Client, GenerationRequest
from vidpoll.schedule import Adaptive

#: Everything takes half as long as Veo, and a check is worth half the seconds: the same calls, half the delay.
SCALE = 0.5
IN_FLIGHT, WARM_UP, MEASURED = 300, 600, 900
TYPICAL_S = 90.0
ADAPTIVE = Adaptive(price_s=0.25 * SCALE, floor_s=1.0 * SCALE, ceiling_s=120 * SCALE)
POLICY = (
    f"timeout_s = 7200\nexpected_s = 7200\ntypical_s = {TYPICAL_S}\n"
    f"schedule = {{ price_s = {ADAPTIVE.price_s}, floor_s = {ADAPTIVE.floor_s}, ceiling_s = {ADAPTIVE.ceiling_s} }}"
)
OPTIONS = ["--status-limit", "1000000", "--submit-limit", "1000000", "--time-scale", str(SCALE)]


@pytest.fixture
def stack(tmp_path: Path, rate: float) -> Iterator[Stack]:
    running = Stack(tmp_path / "stack", *OPTIONS, policy=POLICY, rate=rate)
    yield running
    running.stop()


@pytest.mark.benchmark
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rate", [100.0, 12.0], ids=["calls enough", "a sixth of the calls it would like"])
def test_the_real_stack_agrees_with_the_simulation(stack: Stack, rate: float):
    real_calls, real_delay_s = _real(stack)
    simulated_calls, simulated_delay_s = _simulated(rate)

    told = {
        "rate": rate, "in_flight": IN_FLIGHT, "measured": MEASURED,
        "calls": [round(real_calls, 2), round(simulated_calls, 2), round(real_calls / simulated_calls, 3)],
        "mean_delay_s": [round(real_delay_s, 2), round(simulated_delay_s, 2), round(real_delay_s / simulated_delay_s, 3)],
    }  # fmt: skip
    print(f"\nreal, simulated, ratio: {json.dumps(told)}")
    assert 0.85 <= real_calls / simulated_calls <= 1.15
    assert 0.85 <= real_delay_s / simulated_delay_s <= 1.15


def _real(stack: Stack) -> tuple[float, float]:
    """Keep so many in flight; calls per generation and mean delay of those that ended after the warm-up."""
    client = Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])
    query = "SELECT count(*) FILTER (WHERE completed_at IS NULL) AS open, count(completed_at) AS ended FROM generations"
    ended = submitted = 0
    while ended < WARM_UP + MEASURED:
        row = stack.sql(query)[0]
        ended, missing = row["ended"], IN_FLIGHT - row["open"]
        if missing > 0:
            client.submit_many([_request(submitted + number) for number in range(missing)])
            submitted += missing
        time.sleep(0.2)
    done_at = {job["name"].rpartition("/")[2]: job["ready_at"] for job in stack.jobs()}
    newest = stack.sql(
        "SELECT operation_name, checks, completed_at FROM generations WHERE status = 'completed' ORDER BY completed_at"
    )[WARM_UP : WARM_UP + MEASURED]
    delays = [_epoch(row["completed_at"]) - done_at[row["operation_name"].rpartition("/")[2]] for row in newest]
    assert stack.report()["refused_429"] == 0
    return sum(row["checks"] for row in newest) / len(newest), sum(delays) / len(delays)


def _simulated(rate: float) -> tuple[float, float]:
    case = Case(
        "real", VEO_LIKE.times(SCALE), typical_s=TYPICAL_S * SCALE, in_flight=IN_FLIGHT, rate=rate, measured=5 * MEASURED
    )  # fmt: skip
    contender = Learned(ADAPTIVE, case.typical_s, case.looks_per_s, learns=True)
    simulation = Simulation(case, contender, seed=1)
    simulation.run(completions=WARM_UP)
    found = figures([simulation.run(completions=case.measured)], rate=rate)
    return found.calls, found.mean_delay_s


def _request(number: int) -> GenerationRequest:
    return GenerationRequest(provider="veo", model="veo-fast", owner="bench", prompt=f"lion {number}")


def _epoch(moment: datetime) -> float:
    return moment.timestamp()
