"""A whole vidpoll of real processes, with a fault proxy before each server; and what a test wants to do with it.

vidpoll's processes know the proxies only. The test itself reads Postgres, Redis and the simulator directly.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
import redis
import requests
from psycopg.rows import dict_row

from tests import brokers
from tests.acceptance.faults import providers, scale
from tests.acceptance.faults.remote import RemoteProxy
from tests.acceptance.stack import PROJECT
from tests.waiting import until
from vidpoll import Client, GenerationRequest, messages
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port, postgres_server, redis_server, wait_until
from vidpoll.lanes import Lane
from vidpoll.providers.vendors.runware import task_uuid_of
from vidpoll.redis_url import connect as connect_redis
from vidpoll.store import connect
from vidpoll.store.migrating import upgrade

#: Seconds until a dead worker's work is due again, as the fleet's workers are told.
LEASE_S: Final = 4.0
#: Seconds between two sweeps of beat.
SWEEP_S: Final = 10.0
_INSIDE: Final = Path(__file__).parent / "inside"
_FINAL: Final = frozenset({"completed", "failed", "cancelled"})
Ids = Iterable[uuid.UUID | str]


class Postgres:
    """One server for all fleets; each has a database of its own."""

    def __init__(self, folder: Path) -> None:
        self._child, self._template = postgres_server(_with_logs(folder))
        engine = connect(self._template)
        upgrade(engine)
        engine.dispose()

    @property
    def port(self) -> int:
        return int(urlsplit(self._template).port or 0)

    def create(self) -> str:
        """A new database with the tables; its URL."""
        name = f"faults_{uuid.uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE vidpoll")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"{self._template.rpartition('/')[0]}/{database}"

    def halt(self) -> None:
        """Stop it as a crash does: connections are cut, the log is replayed at the next start."""
        os.kill(self._child.pid, signal.SIGQUIT)
        until(lambda: self._child.exit_code is not None, what="Postgres to stop")

    def start(self) -> None:
        """Start it again, if it does not run."""
        if self._child.exit_code is not None:
            self._child.start()
        url = self.url("postgres")
        wait_until(lambda: psycopg.connect(url, connect_timeout=2).close(), self._child, (psycopg.OperationalError,))

    def stop(self) -> None:
        self._child.stop()


class Fleet:
    """Redis, simulator, workers and beats of its own; a database in ``postgres``.

    Attributes:
        redis_proxy, postgres_proxy, provider_proxy: what stands before each server.
        broker_proxy: what stands before the broker; the same as ``redis_proxy`` when that is Redis.
        limits: of every account.
    """

    def __init__(
        self,
        folder: Path,
        postgres: Postgres,
        *,
        workers: int = 1,
        beats: int = 1,
        limits: providers.Limits | None = None,
        **environ: str,
    ) -> None:
        self.folder, self.postgres, self.limits = _with_logs(folder), postgres, limits or providers.Limits()
        self._children: dict[str, Child] = {}
        self._database_url = postgres.create()
        self._redis, self._redis_url, redis_port = self._serve_redis()
        self._simulator, self.simulator_port = self._start_simulator()
        self.redis_proxy = RemoteProxy(folder, "redis", "127.0.0.1", redis_port)
        self._broker_url, self.broker_proxy = self._redis_url, self.redis_proxy
        if brokers.RABBITMQ:
            self._broker_url = brokers.node().vhost()
            self.broker_proxy = RemoteProxy(folder, "broker", "127.0.0.1", urlsplit(self._broker_url).port or 0)
        self.postgres_proxy = RemoteProxy(folder, "postgres", "127.0.0.1", postgres.port)
        self.provider_proxy = RemoteProxy(folder, "provider", "127.0.0.1", self.simulator_port)
        self._environ = self._settings() | environ
        self._standing = [f"worker{number}" for number in range(1, workers + 1)]
        self._standing += [f"beat{number}" for number in range(1, beats + 1)]
        self._client = Client(*self.urls)
        self._is_read_only = False
        try:
            self._start_standing()
        except BaseException:
            self.stop()
            raise

    @property
    def urls(self) -> tuple[str, str]:
        """Broker and database, directly: for a client of the test's own."""
        return self._broker_url, self._database_url

    @property
    def client(self) -> Client:
        """A client that reaches the servers directly."""
        return self._client

    # -- what a test asks of vidpoll -----------------------------------------------------------------------------------

    def submit(self, count: int, account: str = "runware", **fields: Any) -> list[uuid.UUID]:
        """Ask for so many videos, each with a prompt of its own, through the client; it reaches the servers directly."""
        return self._client.submit_many(self.requests(count, account, **fields))

    def requests(self, count: int, account: str = "runware", **fields: Any) -> list[GenerationRequest]:
        """Requests for so many videos."""
        provider, model = providers.TARGETS[account]
        common = {"provider": provider, "model": model, "account": account, "owner": "alice", **fields}
        return [GenerationRequest(**{"prompt": f"lion {uuid.uuid4()}", **common}) for _ in range(count)]

    def send(self, task: str, **kwargs: Any) -> None:
        """Push a message to its queue, as any process can."""
        queue = messages.QUEUE_OF[task]
        self.push(json.dumps(messages.envelope(task, kwargs, queue)).encode(), queue=queue)

    def push(self, message: bytes, queue: str = messages.QUEUE_ACCEPT) -> None:
        """Put a message into a queue of the broker, whatever it holds."""
        brokers.push(self._broker_url, message, queue=queue)

    def waiting(self, queue: str) -> int:
        """How many messages wait in a queue of the broker."""
        return brokers.waiting(self._broker_url, queue)

    def sweep(self) -> None:
        """Ask for a restore now, beside those of beat."""
        self.send(messages.RESTORE_STUCK)

    def until_swept(self, condition: Callable[[], object], within_s: float = 30) -> None:
        """Wait for what a restore does, with a sweep every second beside those of beat."""
        swept = time.monotonic()

        def met() -> object:
            nonlocal swept
            if time.monotonic() > swept + 1:
                swept = time.monotonic()
                self.sweep()
            return condition()

        until(met, within_s=within_s, what="a sweep to do it")

    # -- what a test sees ----------------------------------------------------------------------------------------------

    def sql(self, query: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self._database_url, row_factory=dict_row, autocommit=True) as connection:
            done = connection.execute(query, values)
            return list(done.fetchall()) if done.description else []

    def row(self, id: object) -> dict[str, Any] | None:
        rows = self.rows([str(id)])
        return rows[0] if rows else None

    def rows(self, ids: Ids) -> list[dict[str, Any]]:
        return self.sql("SELECT * FROM generations WHERE id = ANY(%s::uuid[])", [str(id) for id in ids])

    def redis(self) -> "redis.Redis":
        return connect_redis(self._redis_url, decode_responses=True)

    def report(self) -> dict[str, Any]:
        """The simulator's ledger."""
        return dict(self._simulated("GET", "report"))

    def simulate(self, what: str, **changes: Any) -> None:
        """Set the simulator's ``faults`` or ``durations``, or ``reset`` it."""
        self._simulated("POST", what, changes)

    def jobs(self) -> list[dict[str, Any]]:
        """Every job the simulator took."""
        return list(self._simulated("GET", "jobs"))

    def keep_running(self) -> None:
        """No job is told to be done, however long it runs, until :meth:`let_end`."""
        self.simulate("faults", status_backwards=1)

    def let_end(self) -> None:
        """Jobs whose time is up are done at the next look."""
        self.simulate("faults", status_backwards=0)

    def charges(self, ids: Ids) -> Counter[str]:
        """How often each was paid for; of the accounts ``runware`` and ``vertex``, whose jobs carry our id."""
        found = Counter(str(job["reference"]) for job in self.jobs())
        marks = {str(id): (str(id), task_uuid_of(uuid.UUID(str(id)))) for id in ids}
        return Counter({id: sum(found[mark] for mark in both) for id, both in marks.items()})

    def busiest_second(self, account: str) -> int:
        """Most status calls that reached the provider in any second."""
        lane = self.report()["by_key"].get(f"{providers.key(account)}:status", {})
        return int(lane.get("max_calls_in_any_second", 0))

    @property
    def budget(self) -> float:
        """Most status calls an account may make in any second."""
        return self.limits.status_rate + self.limits.status_burst

    def status_counts(self, ids: Ids | None = None) -> Counter[str]:
        where, values = ("", ()) if ids is None else ("WHERE id = ANY(%s::uuid[])", ([str(id) for id in ids],))
        found = self.sql(f"SELECT status, count(*) AS n FROM generations {where} GROUP BY status", *values)
        return Counter({row["status"]: row["n"] for row in found})

    def events(self, id: object) -> list[str]:
        """Kinds of the generation's events, oldest first."""
        found = self.sql("SELECT kind FROM generation_events WHERE generation_id = %s ORDER BY id", str(id))
        return [row["kind"] for row in found]

    def due(self, account: str, verb: str = "status") -> dict[str, float]:
        """The lane's ids and in how many seconds each is due."""
        client = self.redis()
        seconds, micros = client.time()
        now = seconds + micros / 1e6
        found = client.zrange(Lane(account, verb).key("due"), 0, -1, withscores=True)
        return {str(uuid.UUID(id)): due / 1e6 - now for id, due in found}

    def tracked(self, ids: Ids) -> bool:
        """Whether each is final or waits in a lane."""
        queued = self._queued()
        return all(row["status"] in _FINAL or str(row["id"]) in queued for row in self.rows(ids))

    def _queued(self) -> set[str]:
        return {
            id for account in providers.accounts() for verb in ("submit", "status") for id in self.due(account, verb)
        }

    def lost(self, ids: Ids) -> set[str]:
        """Those that are neither final nor watched: no row, or a row that stands still outside its lane.

        ``unknown`` is not lost: the row says so, to a person or to reconciliation.
        """
        wanted = {str(id) for id in ids}
        before: dict[str, Any] = {}

        def nowhere() -> set[str]:
            rows = {str(row["id"]): row for row in self.rows(wanted)}
            queued = self._queued()
            still = {id for id, row in rows.items() if before.setdefault(id, row["updated_at"]) == row["updated_at"]}
            resting = {id for id, row in rows.items() if row["status"] in _FINAL | {"unknown"}}
            return (wanted - rows.keys()) | (still - resting - queued)

        try:
            until(lambda: not nowhere(), within_s=2 * SWEEP_S + LEASE_S)
        except AssertionError:
            return nowhere()
        return set()

    # -- waiting -------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The database's clock."""
        return self.sql("SELECT now()")[0]["now"]

    def touched(self, ids: Ids, since: datetime, within_s: float) -> None:
        """Wait until each was looked at, or moved, after ``since``."""
        query = "SELECT count(*) AS n FROM generations WHERE id = ANY(%s::uuid[]) AND updated_at > %s"
        wanted = [str(id) for id in ids]
        until(lambda: self.sql(query, wanted, since)[0]["n"] == len(wanted), within_s=within_s, what="all to be seen")

    def finished(self, ids: Ids, within_s: float = 40) -> list[dict[str, Any]]:
        """The rows, once all are final."""
        return self._once(ids, _FINAL, within_s)

    def settled(self, ids: Ids, within_s: float = 40) -> list[dict[str, Any]]:
        """The rows, once all are final or ``unknown``."""
        return self._once(ids, _FINAL | {"unknown"}, within_s)

    def _once(self, ids: Ids, statuses: frozenset[str], within_s: float) -> list[dict[str, Any]]:
        wanted = [str(id) for id in ids]

        def reached() -> bool:
            counts = self.status_counts(wanted)
            self._last_counts = dict(counts)
            return sum(counts[status] for status in statuses) == len(wanted)

        try:
            until(reached, within_s=within_s * scale.PATIENCE)
        except AssertionError:
            raise AssertionError(f"not all of {len(wanted)} ended within {within_s} s: {self._last_counts}") from None
        return self.rows(wanted)

    def in_flight(self, count: int, within_s: float = 30) -> None:
        """Wait until so many are being made."""
        until(
            lambda: self.status_counts()["processing"] >= count,
            within_s=within_s * scale.PATIENCE, what=f"{count} in flight",
        )  # fmt: skip

    def accepted(self, ids: Ids, within_s: float = 30) -> None:
        """Wait until a worker has taken each up."""
        wanted = [str(id) for id in ids]
        query = "SELECT count(*) AS n FROM generations WHERE account IS NOT NULL AND id = ANY(%s::uuid[])"
        until(lambda: self.sql(query, wanted)[0]["n"] == len(wanted), within_s=within_s * scale.PATIENCE)

    def looked(self, within_s: float = 30) -> float:
        """Wait until a provider is asked for a status; seconds it took."""
        before, began = self.report()["status_calls"], time.monotonic()
        until(lambda: self.report()["status_calls"] > before, within_s=within_s, what="a look")
        return time.monotonic() - began

    # -- processes -----------------------------------------------------------------------------------------------------

    def start_worker(self, name: str, *, inside: str = "", **environ: str) -> None:
        """Start a worker (again); returns when it takes messages. ``inside`` is told to ``inside/sitecustomize.py``."""
        self._start_celery(name, inside, environ)
        self._listening()

    def start_beat(self, name: str, *, inside: str = "", **environ: str) -> None:
        """Start a beat (again)."""
        self._start_celery(name, inside, environ)

    def start_api(self, **environ: str) -> str:
        """Serve HTTP; returns its URL, once it answers."""
        port = free_port()
        command = [sys.executable, "-m", "vidpoll", "api", "--port", str(port)]
        child = Child("api", command, self.folder / "logs" / "api.log", {**self._environ, **environ}, PROJECT)
        self._children["api"] = child
        child.start()
        url = f"http://127.0.0.1:{port}"
        ready = f"{url}/readyz"
        wait_until(lambda: requests.get(ready, timeout=5).raise_for_status(), child, (requests.RequestException,))
        return url

    def vidpoll(self, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Run a command."""
        return subprocess.run(
            [sys.executable, "-m", "vidpoll", *arguments], cwd=PROJECT, env={**os.environ, **self._environ, **environ},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def kill(self, name: str) -> None:
        """SIGKILL; returns when it is gone."""
        child = self._children[name]
        os.kill(child.pid, signal.SIGKILL)
        until(lambda: child.exit_code is not None, what=f"{name} to die")

    def terminate(self, name: str, within_s: float = 90) -> tuple[int, float]:
        """SIGTERM; its exit code, and the seconds it took to end by itself."""
        child, began = self._children[name], time.monotonic()
        child.ask_to_stop()
        until(lambda: child.exit_code is not None, within_s=within_s, what=f"{name} to end")
        return int(child.exit_code or 0), time.monotonic() - began

    def pause(self, name: str) -> None:
        """SIGSTOP: it hangs, and its connections stay."""
        os.kill(self._children[name].pid, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        os.kill(self._children[name].pid, signal.SIGCONT)

    def running(self) -> set[str]:
        """Names of the workers and beats that run."""
        return {name for name, child in self._children.items() if child.exit_code is None}

    def pid(self, name: str) -> int:
        return self._children[name].pid

    def log(self, name: str) -> str:
        """What a process said."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def kill_redis(self, *, empty: bool = False) -> None:
        """SIGKILL; with ``empty`` its data goes with it."""
        os.kill(self._redis.pid, signal.SIGKILL)
        until(lambda: self._redis.exit_code is not None, what="Redis to die")
        if empty:
            for left in (self.folder / "redis").iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()

    def start_redis(self) -> None:
        """Start it again on its port, if it does not run; returns when it answers."""
        if self._redis.exit_code is not None:
            self._redis.start()
        wait_until(lambda: self.redis().ping(), self._redis, (redis.RedisError,))

    def read_only(self, on: bool) -> None:
        """Have Postgres refuse every write, as a standby does; existing connections are ended."""
        name, self._is_read_only = self._database_url.rpartition("/")[2], on
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {'on' if on else 'off'}")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    # -- between tests, and the end ------------------------------------------------------------------------------------

    def reset(self, *, anew: bool = False) -> None:
        """Everything as at the start; workers stay up, unless they are to be started ``anew``."""
        self._pass_through()
        self.postgres.start()
        if self._is_read_only:
            self.read_only(False)
        self.start_redis()
        self._client = Client(*self.urls)  # the last one's connections may have been cut
        for name in self.running() - (set() if anew else set(self._standing)):
            self.kill(name)
        self._empty()
        until(self._quiet, within_s=30, what="the last test's work to end")
        self._empty()
        self._start_standing()

    def _empty(self) -> None:
        until(self._truncated, what="the tables to be emptied")
        self.redis().flushall()
        if brokers.RABBITMQ:
            brokers.empty(self._broker_url)
        self.simulate("reset")
        self.simulate("durations", median_s=0.2, sigma=0, fixed_s=0, scale=1)

    def _truncated(self) -> bool:
        tables = self.sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        try:
            self.sql(f"TRUNCATE {', '.join(table['tablename'] for table in tables)}")
        except psycopg.errors.DeadlockDetected:  # with what the last test left a worker to do
            return False
        return True

    def _quiet(self) -> bool:
        """Whether nobody called the provider for a moment, and nothing waits."""
        before = self.report()
        time.sleep(0.3)
        waits = [
            self.redis().zcard(Lane(one, verb).key("due"))
            for one in providers.accounts()
            for verb in ("submit", "status")
        ]
        return self.report() == before and not any(waits)

    def stop(self) -> None:
        """End; no process is left."""
        self._pass_through()
        for child in self._children.values():
            if child.exit_code is None:
                os.kill(child.pid, signal.SIGKILL)
        for child in [*self._children.values(), self._simulator, self._redis]:
            child.stop()
        for proxy in self._proxies():
            proxy.close()
        self.postgres.start()
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {self._database_url.rpartition('/')[2]} WITH (FORCE)")

    # -- plumbing ------------------------------------------------------------------------------------------------------

    def _proxies(self) -> tuple[RemoteProxy, ...]:
        return tuple({self.redis_proxy, self.broker_proxy, self.postgres_proxy, self.provider_proxy})

    def _pass_through(self) -> None:
        for proxy in self._proxies():
            proxy.pass_through()

    def _serve_redis(self) -> tuple[Any, str, int]:
        """What serves, its URL, and the port that the proxy stands before."""
        child, url = redis_server(self.folder)
        return child, url, urlsplit(url).port or 0

    def _settings(self) -> dict[str, str]:
        redis_url = f"redis://127.0.0.1:{self.redis_proxy.port}/0"
        database = self._database_url.rpartition("/")[2]
        broker_url = redis_url
        if brokers.RABBITMQ:
            port = urlsplit(self._broker_url).port
            broker_url = self._broker_url.replace(f":{port}", f":{self.broker_proxy.port}")
        file = providers.write(
            self.folder / "providers.toml", f"http://127.0.0.1:{self.provider_proxy.port}", self.limits
        )
        return {
            "VIDPOLL_REDIS_URL": redis_url,
            "VIDPOLL_BROKER_URL": broker_url,
            "VIDPOLL_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{self.postgres_proxy.port}/{database}",
            "VIDPOLL_PROVIDERS_FILE": str(file),
            "VIDPOLL_LEASE_S": f"{LEASE_S:g}",
        }

    def _start_simulator(self) -> tuple[Child, int]:
        port = free_port()
        command = [sys.executable, "-m", "vidpoll", "simulator", "--port", str(port)]
        child = Child("simulator", command, self.folder / "logs" / "simulator.log", {}, PROJECT)
        child.start()
        wait_until(lambda: socket.create_connection(("127.0.0.1", port), timeout=2).close(), child, (OSError,))
        return child, port

    def _start_standing(self) -> None:
        missing = [name for name in self._standing if name not in self.running()]
        for name in missing:
            self._start_celery(name, "", {})
        if missing:
            self._listening()
            for name in missing:
                assert name in self.running(), self._children[name].last_words(20)

    def _start_celery(self, name: str, inside: str, environ: dict[str, str]) -> None:
        """The commands are those of `vidpoll up`."""
        assert name not in self.running(), f"{name} runs already"
        options = ["-Q", ",".join(messages.QUEUES), "-n", f"{name}@%h", "--without-gossip", "--without-mingle"]
        if name.startswith("beat"):
            options = ["--schedule", str(self.folder / f"{name}-schedule"), "--pidfile", ""]
        verb = "beat" if name.startswith("beat") else "worker"
        command = [sys.executable, "-m", "celery", "-A", "tasks", verb, "--loglevel", "WARNING", *options]
        if inside:
            environ = {**environ, "VIDPOLL_TEST_INSIDE": inside, "PYTHONPATH": str(_INSIDE)}
        log = self.folder / "logs" / f"{name}.log"
        self._children[name] = Child(name, command, log, {**self._environ, **environ}, PROJECT)
        self._children[name].start()

    def _listening(self) -> None:
        """Wait until every worker that runs waits for messages."""

        def listening() -> bool:
            alive = [name for name in self.running() if name.startswith("worker")]
            if brokers.RABBITMQ:
                return brokers.consumers(self._broker_url, messages.QUEUE_DEFAULT) >= len(alive)
            return sum(client["cmd"] == "brpop" for client in self.redis().client_list()) >= len(alive)

        until(listening, within_s=60, what="the workers to listen")

    def _simulated(self, method: str, what: str, changes: dict[str, Any] | None = None) -> Any:
        url = f"http://127.0.0.1:{self.simulator_port}/_sim/{what}"
        answer = requests.request(method, url, json=changes, timeout=30)
        answer.raise_for_status()
        return answer.json()


def _with_logs(folder: Path) -> Path:
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    return folder
