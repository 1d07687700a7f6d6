"""The whole of vidpoll on one machine, for development, the demo and the tests.

Real Redis and Postgres from pip wheels, the simulator, workers and beat as processes, data under one folder. While it
runs, ``stack.json`` in that folder says where everything is; a lock keeps a second stack out of the folder.
"""

import fcntl
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import requests

from vidpoll import messages, providers
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port, ping, ping_broker, postgres_server, redis_server, wait_until
from vidpoll.errors import NotConfigured, StackHeld
from vidpoll.keys import SCOPES, new_key
from vidpoll.providers_file import load_accounts
from vidpoll.settings import STACK_FILE, load_settings
from vidpoll.store import Store, connect
from vidpoll.store.migrating import upgrade

#: A child that dies this often within a minute is not started again.
MOST_RESTARTS: Final = 5
#: Seconds a worker may take to end: a paid call under way must not be cut off.
WORKER_GRACE_S: Final = 75.0
#: Name of the key that is made at each start, and revoked at the next.
_KEY_NAME: Final = "vidpoll up"
#: For Prometheus' ``file_sd_configs`` and ``credentials_file``.
TARGETS_FILE: Final = "prometheus-targets.json"
METRICS_KEY_FILE: Final = "metrics-key"
_SERVERS: Final = ("VIDPOLL_REDIS_URL", "VIDPOLL_BROKER_URL", "VIDPOLL_DATABASE_URL")


class DevStack:
    """Everything running, from ``with`` to its end.

    Args:
        folder: where data, logs and ``stack.json`` go.
        simulator: further arguments of ``vidpoll simulator``.
        time_scale: how much of its typical time a simulated video takes.
        workers: worker processes.
        environ: further environment of worker and beat.
        own_servers: start Redis and Postgres even if the environment names some.
        api_port: serve HTTP there, or on a free port if 0; not at all if None.
        flower: run Flower on a free port, and have the workers tell it what they do.

    Attributes:
        urls: where everything is.
        api_key: a key of the HTTP side with every scope, of the owner ``default``; None if it is not served.
        flower_login: Flower's ``user:password``, a new one unless FLOWER_BASIC_AUTH is set; None without Flower.
        metrics: where each worker and the API serve their metrics, by the process' name; also in stack.json, and for
            Prometheus in ``prometheus-targets.json``. ``metrics-key`` holds the key the API asks for.

    Raises:
        StackHeld: another process holds the folder.
        NotConfigured: something cannot be started; the text says what and why.

    Example::

        with DevStack(Path(".vidpoll")) as stack:
            client = Client(stack.urls["broker_url"], stack.urls["database_url"])
    """

    def __init__(
        self,
        folder: Path,
        *,
        simulator: Sequence[str] = (),
        time_scale: float = 1.0,
        workers: int = 1,
        environ: Mapping[str, str] | None = None,
        own_servers: bool = False,
        api_port: int | None = None,
        flower: bool = False,
    ) -> None:
        self.folder = folder.absolute()
        self.urls: dict[str, str] = {}
        self.api_key: str | None = None
        self.flower_login = (os.environ.get("FLOWER_BASIC_AUTH") or _new_login()) if flower else None
        self.metrics: dict[str, str] = {}
        self._api_port = api_port
        self._project = project_folder()
        self._simulator = ["--time-scale", str(time_scale), *simulator]
        self._workers = workers
        self._environ = {"VIDPOLL_TIME_SCALE": str(time_scale), "VIDPOLL_WEBHOOKS_LOCAL": "true", **(environ or {})}
        self._named = {} if own_servers else {name: os.environ[name] for name in _SERVERS if name in os.environ}
        self._children: list[Child] = []
        self._restarts: list[float] = []
        self._webhooks_secret = secrets.token_hex(32)
        self._lock: TextIO | None = None

    def __enter__(self) -> Self:
        load_settings()
        self._hold()
        try:
            self._start_servers()
            self._start_simulator()
            self._check_accounts()
            if self._api_port is not None:
                self._start_api(self._api_port or free_port())
            self._start_celery()
            if self.flower_login:
                self._start_flower(self.flower_login, free_port())
            self._describe()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name, ``up`` being this process."""
        return {"up": os.getpid(), **{child.name: child.pid for child in self._children}}

    def revive(self) -> list[str]:
        """Start children again that died; what was done, in words. Call it every second or so.

        Raises:
            NotConfigured: something dies again and again.
        """
        said = []
        for child in self._children:
            if child.exit_code is None:
                continue
            self._restarts = [at for at in self._restarts if at > time.monotonic() - 60] + [time.monotonic()]
            if len(self._restarts) > MOST_RESTARTS:
                raise NotConfigured(f"{child.name} keeps dying; {child.log} ends with:\n{child.last_words()}")
            said.append(f"{child.name} ended with {child.exit_code}, starting it again ({child.log})")
            child.start()
        if said:
            self._describe()
        return said

    @property
    def providers_file(self) -> Path:
        """The accounts the workers use."""
        named = os.environ.get("VIDPOLL_PROVIDERS_FILE")
        return Path(named).absolute() if named else self._project / "config" / "providers.toml"

    # -- starting ---------------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another process"
            self._lock.close()
            raise StackHeld(f"{self.folder} is held by {holder}; stop that one first, or use another --dir") from None
        (self.folder / STACK_FILE).unlink(missing_ok=True)
        self._lock.truncate(0)
        self._lock.write(f"pid {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        self._lock.flush()

    def _start_servers(self) -> None:
        """Servers named in the environment are used; what is not named is started."""
        if "VIDPOLL_REDIS_URL" in self._named:
            self.urls["redis_url"] = self._named["VIDPOLL_REDIS_URL"]
            ping(self.urls["redis_url"])
        else:
            child, self.urls["redis_url"] = redis_server(self.folder)
            self._children.append(child)
        self.urls["broker_url"] = self._named.get("VIDPOLL_BROKER_URL", self.urls["redis_url"])
        if "VIDPOLL_BROKER_URL" in self._named:
            ping_broker(self.urls["broker_url"])
        if "VIDPOLL_DATABASE_URL" in self._named:
            self.urls["database_url"] = self._named["VIDPOLL_DATABASE_URL"]
        else:
            child, self.urls["database_url"] = postgres_server(self.folder)
            self._children.append(child)
        engine = connect(self.urls["database_url"])
        upgrade(engine)
        engine.dispose()

    def _start_simulator(self) -> None:
        port = free_port()
        self.urls["simulator_url"] = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "vidpoll", "simulator", "--port", str(port), *self._simulator]
        child = self._start("simulator", command)
        wait_until(lambda: socket.create_connection(("127.0.0.1", port), timeout=2).close(), child, (OSError,))

    def _check_accounts(self) -> None:
        """A wrong providers file is told here, before workers die of it one after the other."""
        providers.build(load_accounts(self.providers_file, {**os.environ, **self._urls_as_environ()}))

    def _urls_as_environ(self) -> dict[str, str]:
        return {f"VIDPOLL_{key.upper()}": url for key, url in self.urls.items()}

    def _start_celery(self) -> None:
        celery = [sys.executable, "-m", "celery", "-A", "tasks", "--quiet"]
        for number in range(1, self._workers + 1):
            name = "worker" if number == 1 else f"worker{number}"
            queues = ",".join(messages.QUEUES)
            options = ["-Q", queues, "-n", f"{name}@%h", "--without-gossip", "--without-mingle"]
            options += ["-E"] if self.flower_login else []
            command = [*celery, "worker", "--loglevel", "WARNING", *options]
            self._start(name, command, WORKER_GRACE_S, VIDPOLL_METRICS_PORT=self._metrics_port(name))
        schedule = str(self.folder / "beat-schedule")
        self._start("beat", [*celery, "beat", "--loglevel", "WARNING", "--schedule", schedule, "--pidfile", ""])

    def _metrics_port(self, name: str) -> str:
        port = free_port()
        self.metrics[name] = f"127.0.0.1:{port}"
        return str(port)

    def _start_api(self, port: int) -> None:
        store = Store(connect(self.urls["database_url"]))
        store.revoke_keys_named(_KEY_NAME)
        id, self.api_key, secret_hash = new_key()
        store.add_key(id, "default", SCOPES, secret_hash, _KEY_NAME)
        self.urls["api_url"] = f"http://127.0.0.1:{port}"
        child = self._start("api", [sys.executable, "-m", "vidpoll", "api", "--port", str(port)])
        ready = f"{self.urls['api_url']}/readyz"
        wait_until(lambda: requests.get(ready, timeout=5).raise_for_status(), child, (requests.RequestException,))
        self.metrics["api"] = f"127.0.0.1:{port}"

    def _callbacks(self) -> dict[str, str]:
        """Simulated vendors reach the API, unless the environment says otherwise."""
        if "api_url" not in self.urls:
            return {}
        ours = {"VIDPOLL_PUBLIC_URL": self.urls["api_url"], "VIDPOLL_WEBHOOKS_SECRET": self._webhooks_secret}
        return {name: value for name, value in ours.items() if name not in os.environ}

    def _start_flower(self, login: str, port: int) -> None:
        """It is not waited for: nobody needs it to work."""
        self.urls["flower_url"] = f"http://127.0.0.1:{port}"
        options = ["--conf=config/flowerconfig.py", f"--port={port}", "--address=127.0.0.1", "--logging=warning"]
        self._start(
            "flower", [sys.executable, "-m", "celery", "-A", "tasks", "flower", *options], FLOWER_BASIC_AUTH=login
        )

    def _start(self, name: str, command: Sequence[str], stop_timeout_s: float = 10, **more: str) -> Child:
        environ = {
            **self._urls_as_environ(),
            "VIDPOLL_PROVIDERS_FILE": str(self.providers_file),
            **self._callbacks(),
        }
        child = Child(
            name, command, self.folder / "logs" / f"{name}.log", {**environ, **self._environ, **more}, self._project,
            stop_timeout_s=stop_timeout_s,
        )  # fmt: skip
        child.start()
        self._children.append(child)
        return child

    def _describe(self) -> None:
        keys = {"api_key": self.api_key, "flower_login": self.flower_login}
        key = {name: key for name, key in keys.items() if key}
        started_at = datetime.now(UTC).isoformat()
        described = {
            **self.urls, **key, "webhooks_local": True, "metrics": self.metrics, "pids": self.pids,
            "started_at": started_at,
        }  # fmt: skip
        targets = [
            {"targets": [address], "labels": {"process": name.rstrip("0123456789")}}
            for name, address in self.metrics.items()
        ]
        self._write(TARGETS_FILE, json.dumps(targets, indent=2) + "\n", mode=0o644)
        if self.api_key:
            self._write(METRICS_KEY_FILE, self.api_key)
        self._write(STACK_FILE, json.dumps(described, indent=2) + "\n")

    def _write(self, name: str, text: str, mode: int = 0o600) -> None:
        """All of it at once; for nobody else's eyes unless ``mode`` says so, since there are keys in it."""
        written = self.folder / f"{name}.new"
        written.unlink(missing_ok=True)
        written.touch(mode=mode)
        written.write_text(text)
        written.replace(self.folder / name)

    # -- stopping ---------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Celery first, all together; then what it needs, in the reverse order of starting."""
        for name in (STACK_FILE, TARGETS_FILE, METRICS_KEY_FILE):
            (self.folder / name).unlink(missing_ok=True)
        celery = [child for child in self._children if child.name.startswith(("worker", "beat", "api", "flower"))]
        for child in celery:
            child.ask_to_stop()
        for child in [*celery, *(child for child in reversed(self._children) if child not in celery)]:
            child.stop()
        if self._lock:
            self._lock.close()


def _new_login() -> str:
    return f"vidpoll:{secrets.token_urlsafe(12)}"


def project_folder() -> Path:
    """The folder that holds ``tasks/`` and ``config/``: where we stand, or the checkout vidpoll was installed from.

    Raises:
        NotConfigured: neither is one.
    """
    for folder in (Path.cwd(), Path(__file__).parent.parent.parent):
        if (folder / "tasks" / "__init__.py").exists() and (folder / "config").is_dir():
            return folder
    raise NotConfigured("the embedded stack runs from a checkout of vidpoll: a folder with tasks/ and config/ in it")
