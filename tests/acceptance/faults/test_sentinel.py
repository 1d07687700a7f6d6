"""Redis Sentinel names another master: nothing is lost, paid twice, or called too often (case 36)."""

import asyncio
import signal
import uuid
from collections.abc import Callable, Iterator

import pytest

from tests import brokers
from tests.acceptance.faults.fleet import Postgres
from tests.acceptance.faults.report import Case
from tests.acceptance.faults.sentinels import SentinelFleet
from tests.waiting import until
from vidpoll.errors import LanesUnavailable
from vidpoll.lanes import Lane, Lanes, Limits
from vidpoll.redis_url import connect, connect_async, parse

pytestmark = pytest.mark.skipif(brokers.RABBITMQ, reason="Redis is the broker here")

Begin = Callable[[int, str], Case]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, fault_postgres: Postgres) -> Iterator[SentinelFleet]:
    running = SentinelFleet(tmp_path_factory.mktemp("sentinel"), fault_postgres)
    yield running
    running.stop()


@pytest.fixture
def sentinel_fleet(shared: SentinelFleet) -> SentinelFleet:
    shared.reset()
    return shared


@pytest.mark.parametrize("how", ["SIGKILL of the master", "SENTINEL FAILOVER"])
def test_another_master_costs_nothing_but_time(sentinel_fleet: SentinelFleet, case: Begin, how: str):
    fleet = sentinel_fleet
    told = case(36, f"{how}, with 30 in flight")
    fleet.keep_running()
    ids = [*fleet.submit(20, "runware"), *fleet.submit(10, "vertex")]
    fleet.in_flight(len(ids))
    worker = fleet.pid("worker1")

    kill = how.startswith("SIGKILL")
    before = fleet.sentinels.kill_master() if kill else fleet.sentinels.order_failover()
    ids += fleet.submit(10, "runware")
    until(lambda: fleet.sentinels.failed_over(before), within_s=20, what="another master")

    told.recovered_s = fleet.looked(within_s=15)
    fleet.let_end()
    ids += fleet.submit(10, "vertex")
    rows = fleet.finished(ids, within_s=60)
    told.settle(fleet, ids)
    assert {row["status"] for row in rows} == {"completed"}
    assert (told.charges, told.lost, told.doubled) == (len(ids), 0, 0)
    assert max(fleet.busiest_second("runware"), fleet.busiest_second("vertex")) <= fleet.budget
    assert fleet.pid("worker1") == worker, "the worker needed no restart"
    assert {"worker1", "beat1"} <= fleet.running()


def test_a_master_cut_off_from_its_replicas_grants_nothing_and_workers_survive_it(sentinel_fleet: SentinelFleet):
    """Another one may be the master meanwhile, and grant the same."""
    fleet, url = sentinel_fleet, sentinel_fleet.sentinels.url
    lanes = Lanes(connect(url, socket_timeout=5), replicas=parse(url).replicas)
    asyncio.run(_rung(url))
    lane, limits = Lane("of-the-test", "status"), Limits(rate=1000, burst=10)
    lanes.schedule(lane, {uuid.uuid4(): 0.0})
    replicas = fleet.sentinels.replicas

    for port in replicas:
        fleet.sentinels.signal(port, signal.SIGSTOP)
    with pytest.raises(LanesUnavailable):
        lanes.claim(lane, limits, want=1, lease_s=1)
    with pytest.raises(LanesUnavailable):
        lanes.take(lane, limits, 1)
    until(lambda: "NOREPLICAS" in fleet.log("worker1"), what="the worker to be refused")
    for port in replicas:
        fleet.sentinels.signal(port, signal.SIGCONT)

    fleet.sentinels.heal()
    ids = fleet.submit(5, "runware")
    assert {row["status"] for row in fleet.finished(ids, within_s=60)} == {"completed"}
    assert {"worker1", "beat1"} <= fleet.running()
    until(lambda: lanes.claim(lane, limits, want=1, lease_s=1).ids, what="the lane to grant again")


async def _rung(url: str) -> None:
    """What an event loop hears with is led to the master too."""
    async with connect_async(url, socket_timeout=5) as client:
        assert await client.publish("vidpoll:doorbell", b"") == 0
