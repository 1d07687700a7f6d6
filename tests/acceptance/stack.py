"""A ``vidpoll up`` of its own in a process, and what a test wants to do with it."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis
import requests
from psycopg.rows import dict_row

from tests import brokers, providers_file
from tests.waiting import until

PROJECT = Path(__file__).parents[2]


class Stack:
    """The running stack; ``stack.json`` says where everything is."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        policy: str = providers_file.QUICK,
        rate: float = 100,
        burst: int = 50,
        as_shipped: bool = False,
        flower: bool = False,
        accounts: Callable[[Path], object] | None = None,
        **environ: str,
    ) -> None:
        """``as_shipped``: with the accounts of ``config/providers.toml`` instead of those of the tests.

        ``accounts`` writes another ``providers.toml`` into a folder.
        """
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        providers = providers_file.write(folder, "${VIDPOLL_SIMULATOR_URL}", rate=rate, burst=burst, policy=policy)
        if as_shipped:
            shutil.copy(PROJECT / "config" / "providers.toml", providers)
        if accounts:
            accounts(folder)
        if brokers.RABBITMQ:
            environ = {"VIDPOLL_BROKER_URL": brokers.node().vhost(), **environ}
        self._environ = environ
        self._output = (folder / "up.log").open("wb")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "vidpoll",
                "up",
                "--dir",
                str(folder),
                *([] if flower else ["--no-flower"]),
                *options,
            ],
            cwd=PROJECT,
            env={**os.environ, "VIDPOLL_PROVIDERS_FILE": str(providers), **environ},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        until(self._said_running, within_s=120, what="vidpoll up")

    def _said_running(self) -> bool:
        assert self.process.poll() is None, (self.folder / "up.log").read_text()
        return (self.folder / "stack.json").exists() and self.pids["up"] == self.process.pid

    @property
    def described(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "stack.json").read_text()))

    @property
    def pids(self) -> dict[str, int]:
        return dict(self.described["pids"])

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.described["redis_url"], decode_responses=True)

    def push(self, *entries: bytes, queue: str = "accept") -> None:
        """Put messages into a queue of the broker, whatever they hold."""
        brokers.push(self.described["broker_url"], *entries, queue=queue)

    def waiting(self, queue: str) -> int:
        """How many messages wait in a queue of the broker."""
        return brokers.waiting(self.described["broker_url"], queue)

    def sql(self, query: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.described["database_url"], row_factory=dict_row) as connection:
            return list(connection.execute(query, values).fetchall())

    def row(self, id: object) -> dict[str, Any] | None:
        rows = self.sql("SELECT * FROM generations WHERE id = %s", id)
        return rows[0] if rows else None

    def finished(self, ids: list[Any], within_s: float = 60) -> list[dict[str, Any]]:
        """The rows, once all are final."""
        wanted = list(map(str, ids))

        def final() -> list[dict[str, Any]] | None:
            rows = self.sql("SELECT * FROM generations WHERE id = ANY(%s::uuid[])", wanted)
            return rows if len(rows) == len(wanted) and all(row["completed_at"] for row in rows) else None

        return until(final, within_s=within_s, what=f"{len(wanted)} generations to end")

    def report(self) -> dict[str, Any]:
        return dict(self._simulator("GET", "report"))

    def jobs(self) -> list[dict[str, Any]]:
        """Every job the simulator took."""
        return list(self._simulator("GET", "jobs"))

    def simulate(self, what: str, **changes: Any) -> None:
        """Set the simulator's ``faults`` or ``durations``, or ``reset`` it."""
        self._simulator("POST", what, changes)

    def _simulator(self, method: str, what: str, changes: dict[str, Any] | None = None) -> Any:
        answer = requests.request(method, f"{self.described['simulator_url']}/_sim/{what}", json=changes, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def vidpoll(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command against this stack, with the settings it has."""
        return subprocess.run(
            [sys.executable, "-m", "vidpoll", *arguments],
            cwd=PROJECT,
            env={
                **os.environ,
                **self._environ,
                "VIDPOLL_STACK_DIR": str(self.folder),
                "VIDPOLL_PROVIDERS_FILE": str(self.folder / "providers.toml"),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def family(self) -> list[psutil.Process]:
        """``vidpoll up`` and everything it started."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self._output.close()
        return code


def celery_message(task: str, kwargs: object, *, args: object = (), task_id: str | None = None) -> bytes:
    """The bytes of a Celery message on Redis as `docs/messages.md` describes them, made without Celery."""
    task_id = task_id or str(uuid.uuid4())
    body = base64.b64encode(json.dumps([args, kwargs, {}]).encode()).decode()
    return json.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": task, "id": task_id},
            "properties": {
                "body_encoding": "base64",
                "correlation_id": task_id,
                "delivery_info": {"exchange": "", "routing_key": "accept"},
                "delivery_mode": 2,
                "delivery_tag": str(uuid.uuid4()),
                "priority": 0,
            },
        }
    ).encode()
