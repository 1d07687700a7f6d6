"""What a provider says of its limits, obeyed by a lane on the real Redis; its clock is turned by hand."""

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from tests.integration.driver import Driver
from tests.simulation import servers
from tests.simulation.faults import Trouble
from tests.simulation.strands import Loop
from tests.simulation.time import Time, WorkerClock
from tests.simulation.trace import Trace
from vidpoll.generation import GenerationRequest, Status
from vidpoll.lanes import Lane, Lanes
from vidpoll.lanes.reading import RECOVERY_S
from vidpoll.lifecycle import Lifecycle
from vidpoll.providers.quota import Spent
from vidpoll.services import Services
from vidpoll.simulator import World

STATUS, SUBMIT = Lane("vertex", "status"), Lane("vertex", "submit")
Make = Callable[..., GenerationRequest]


@dataclass
class Turned:
    """vidpoll on a Redis whose clock stands still until it is turned."""

    driver: Driver
    loop: Loop
    time: Time

    def turn(self, seconds: float) -> None:
        self.loop.run_until(self.loop.now + seconds)

    def granted(self, lane: Lane) -> tuple[int, int]:
        """How many ids the lane hands out now, and when that was by Redis' clock."""
        claim = self.driver.services.lanes.claim(lane, self.driver.services.limits(lane), want=1000, lease_s=10_000)
        return len(claim.ids), claim.granted_at_us


@pytest.fixture
def turned(services: Services, database_url: str, redis_url: str) -> Iterator[Turned]:
    loop = Loop()
    time = Time(loop)
    client = servers.client(redis_url, time, Trouble(loop, random.Random(0), Trace(), lambda strand: None))
    for provider in services.providers.values():
        provider._http._spent = Spent(lambda: loop.now)
    on_turned_clock = replace(services, lanes=Lanes(client, clock=WorkerClock(loop, began=0.0)))
    yield Turned(Driver(on_turned_clock, Lifecycle(on_turned_clock), database_url), loop, time)
    client.close()
    loop.close()


@pytest.mark.parametrize("lane", [STATUS, SUBMIT], ids=lambda lane: lane.verb)
def test_retry_after_is_obeyed_to_the_microsecond_and_the_rate_grows_back_from_its_half(
    turned: Turned, make_request: Make, world: World, lane: Lane
):
    world.faults.submit_429, world.faults.status_429 = float(lane is SUBMIT), float(lane is STATUS)
    world.faults.retry_after = "3"
    turned.driver.submitted(make_request())
    if lane is STATUS:
        turned.driver.check()
    refused_at_us = turned.time.redis_us()
    lanes, rate = turned.driver.services.lanes, turned.driver.services.limits(lane).rate
    lanes.schedule(lane, {uuid.uuid4(): 0.0 for _ in range(9000)})

    turned.turn(2.9)
    while not (first := turned.granted(lane))[0]:
        turned.turn(0.001)
    assert first[1] - refused_at_us == 3_000_000

    per_second = []
    for _ in range(round(RECOVERY_S / 2) + 2):
        counts = []
        for _ in range(20):
            turned.turn(0.05)
            counts.append(turned.granted(lane)[0])
        per_second.append(sum(counts))

    assert per_second[0] == pytest.approx(rate / 2, rel=0.05)
    assert per_second[15] == pytest.approx(rate * 0.75, rel=0.05)
    assert per_second[-1] == pytest.approx(rate, rel=0.01)
    assert lanes.view(lane)["slow_rate"] is None


def test_a_retry_after_of_years_pauses_five_minutes(turned: Turned, make_request: Make, world: World):
    world.faults.submit_429, world.faults.retry_after = 1, "1e9"
    id = turned.driver.submitted(make_request())

    turned.turn(299.999)
    assert turned.granted(SUBMIT)[0] == 0
    turned.turn(0.001)
    assert turned.granted(SUBMIT)[0] == 1
    assert turned.driver.get(id).status is Status.PENDING


WHOLE_SECONDS = [0.0, 0.01, 0.02, 1.02, 1.03, 1.04, 2.04, 2.05, 2.06, 3.06]


@pytest.mark.parametrize(
    ("form", "moments"),
    [
        ("ratelimit", WHOLE_SECONDS),
        ("ratelimit-3", WHOLE_SECONDS),
        ("x-ratelimit", [0.0, 0.01, 0.02, 1.01, 1.02, 1.03, 2.02, 2.03, 2.04, 3.03]),
    ],
)
def test_where_no_calls_are_left_the_lane_waits_at_its_full_rate_and_none_is_refused(
    turned: Turned, make_request: Make, world: World, form: str, moments: list
):
    world.clock, world.durations.median_s = turned.time.vendors, 1000
    world.limits["status"], world.faults.quota = 3, form
    id = turned.driver.submitted(make_request())

    made = []
    while len(made) < 10:
        turned.driver.services.lanes.schedule(STATUS, {id: 0.0})
        ids, at = turned.driver.claim(STATUS)
        if ids:
            turned.driver.lifecycle.check("vertex", ids, at)
            made.append(round(turned.loop.now, 3))
        turned.turn(0.01)

    assert made == moments
    assert (turned.driver.get(id).checks, turned.driver.get(id).failures, world.report()["refused_429"]) == (10, 0, 0)
    view = turned.driver.services.lanes.view(STATUS)
    assert view["slow_rate"] is None
    assert turned.driver.services.lanes.view(SUBMIT)["paused_s"] == 0


def test_a_submit_after_which_no_calls_are_left_pauses_submits_only(turned: Turned, make_request: Make, world: World):
    world.clock, world.limits["submit"], world.faults.quota = turned.time.vendors, 1, "ratelimit"
    id = turned.driver.submitted(make_request())

    view = turned.driver.services.lanes.view(SUBMIT)
    assert (view["paused_s"], view["slow_rate"]) == (1.0, None)
    assert view["reason"] == "the provider says that no calls are left for 1.0 s"
    assert turned.driver.services.lanes.view(STATUS)["paused_s"] == 0
    assert turned.driver.get(id).status is Status.PROCESSING
