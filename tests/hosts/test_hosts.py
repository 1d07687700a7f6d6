"""Three workers on three hosts, the servers on a fourth, a client on a fifth; one worker's cable is pulled."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.acceptance.faults import providers
from tests.acceptance.faults.fleet import LEASE_S
from tests.hosts.fleet import SERVERS, HostsFleet, OpenPostgres
from tests.hosts.network import Network, why_not
from tests.waiting import until
from vidpoll.heartbeats import Heartbeats
from vidpoll.store import connect

LOCK = 42
WORKERS = ("worker1", "worker2", "worker3")
LIMITS = providers.Limits(submit_rate=6, submit_burst=2, status_rate=20, status_burst=5, submit_timeout_s=3)

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[HostsFleet]:
    with (
        tempfile.TemporaryDirectory(prefix="vidpoll-hosts-") as folder,
        Network(SERVERS, *WORKERS, "client") as network,
        network.on(SERVERS),
    ):
        postgres = OpenPostgres(Path(folder))
        try:
            running = HostsFleet(network, tmp_path / "fleet", postgres, LIMITS)
            try:
                running.simulate("durations", median_s=1, sigma=0.3, fixed_s=0.5, scale=1)
                for worker in WORKERS:
                    running.start_worker_on(worker)
                yield running
            finally:
                running.stop()
        finally:
            postgres.stop()


def test_a_worker_cut_off_in_the_middle_loses_nothing_doubles_nothing_and_comes_back(fleet: HostsFleet, tmp_path: Path):
    ids = _submitted(fleet, tmp_path, 60)
    until(lambda: fleet.report()["charged"] > 12, what="some to be paid for")

    with _lock_held_on(fleet, "client"):
        fleet.network.cut("client")
    fleet.network.cut("worker2")
    cut_at = time.monotonic()
    until(lambda: time.monotonic() > cut_at + 2 * LEASE_S, what="its leases to run out")
    fleet.network.mend("worker2")

    rows = fleet.finished(ids, within_s=90)
    assert {row["status"] for row in rows} == {"completed"}
    _paid_once_and_in_order(fleet, ids)
    until(lambda: fleet.sql("SELECT pg_try_advisory_lock(%s) AS free", LOCK)[0]["free"], what="a lock of who is gone")
    fleet.network.mend("client")
    until(lambda: fleet.reaches_postgres("client"), what="the client's host to be back")
    before = _finished_by(fleet, "worker2")
    more = _submitted(fleet, tmp_path, 12)
    fleet.finished(more, within_s=60)
    until(lambda: _finished_by(fleet, "worker2") > before, what="worker2 to work again")
    assert {*WORKERS, "beat1"} <= fleet.running()
    _paid_once_and_in_order(fleet, ids + more)


def _submitted(fleet: HostsFleet, folder: Path, count: int) -> list[str]:
    """Ask for so many from the client's host; their ids."""
    provider, model = providers.TARGETS["runware"]
    request = {"owner": "alice", "provider": provider, "model": model, "account": "runware"}
    file = folder / f"{count}.jsonl"
    file.write_text("\n".join(json.dumps({**request, "prompt": f"lion {number}"}) for number in range(count)))
    told = json.loads(fleet.vidpoll_on("client", "submit", "--file", str(file), "--json"))
    assert len(told["submitted"]) == count
    return [one["id"] for one in told["submitted"]]


@contextmanager
def _lock_held_on(fleet: HostsFleet, host: str) -> Iterator[None]:
    """A lock of a session of that host; the end of it reaches Postgres only if the host does."""
    url = fleet.database_url_of_hosts
    with fleet.network.on(host):
        engine = connect(url)
        connection = engine.connect()
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
    yield
    connection.close()
    engine.dispose()


def _finished_by(fleet: HostsFleet, worker: str) -> int:
    return sum(one.finished for one in Heartbeats(fleet.redis()).all() if one.name.startswith(f"{worker}@"))


def _paid_once_and_in_order(fleet: HostsFleet, ids: list[str]) -> None:
    assert set(fleet.charges(ids).values()) == {1}
    assert fleet.lost(ids) == set()
    lanes = fleet.report()["by_key"]
    key = providers.key("runware")
    assert lanes[f"{key}:submit"]["max_calls_in_any_second"] <= LIMITS.submit_rate + LIMITS.submit_burst
    assert lanes[f"{key}:status"]["max_calls_in_any_second"] <= LIMITS.status_rate + LIMITS.status_burst
