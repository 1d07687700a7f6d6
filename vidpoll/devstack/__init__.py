"""The whole of vidpoll on one machine, for development, the demo and the tests.

Real Redis and Postgres from pip wheels, the simulator, workers and beat as processes, data under one folder. While it
runs, ``stack.json`` in that folder says where everything is; a lock keeps a second stack out of the folder.
"""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

import requests

from vidpoll import messages, providers
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port, ping, postgres_server, redis_server, wait_until
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

    Attributes:
        urls: where everything is.
        api_key: a key of the HTTP side with every scope, of the owner ``default``; None if it is not served.

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
    ) -> None:
        self.folder = folder.absolute()
        self.urls: dict[str, str] = {}
        self.api_key: str | None = None
        self._api_port = api_port
        self._project = project_folder()
        self._simulator = ["--time-scale", str(time_scale), *simulator]
        self._workers = workers
        self._environ = {"VIDPOLL_TIME_SCALE": str(time_scale), **(environ or {})}
        self._named = {} if own_servers else {name: os.environ[name] for name in _SERVERS if name in os.environ}
        self._children: list[Child] = []
        self._restarts: list[float] = []
        self._lock: TextIO | None = None

    def __enter__(self) -> Self:
        load_settings()
        self._hold()
        try:
            self._start_servers()
            self._start_simulator()
            self._check_accounts()
            self._start_celery()
            if self._api_port is not None:
                self._start_api(self._api_port or free_port())
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
        celery = [sys.executable, "-m", "celery", "-A", "tasks"]
        for number in range(1, self._workers + 1):
            name = "worker" if number == 1 else f"worker{number}"
            queues = ",".join(messages.QUEUES)
            options = ["-Q", queues, "-n", f"{name}@%h", "--without-gossip", "--without-mingle"]
            self._start(name, [*celery, "worker", "--loglevel", "WARNING", *options], stop_timeout_s=WORKER_GRACE_S)
        schedule = str(self.folder / "beat-schedule")
        self._start("beat", [*celery, "beat", "--loglevel", "WARNING", "--schedule", schedule, "--pidfile", ""])

    def _start_api(self, port: int) -> None:
        store = Store(connect(self.urls["database_url"]))
        store.revoke_keys_named(_KEY_NAME)
        id, self.api_key, secret_hash = new_key()
        store.add_key(id, "default", SCOPES, secret_hash, _KEY_NAME)
        self.urls["api_url"] = f"http://127.0.0.1:{port}"
        child = self._start("api", [sys.executable, "-m", "vidpoll", "api", "--port", str(port)])
        ready = f"{self.urls['api_url']}/readyz"
        wait_until(lambda: requests.get(ready, timeout=5).raise_for_status(), child, (requests.RequestException,))

    def _start(self, name: str, command: Sequence[str], stop_timeout_s: float = 10) -> Child:
        environ = {**self._urls_as_environ(), "VIDPOLL_PROVIDERS_FILE": str(self.providers_file)}
        child = Child(
            name, command, self.folder / "logs" / f"{name}.log", {**environ, **self._environ}, self._project,
            stop_timeout_s=stop_timeout_s,
        )  # fmt: skip
        child.start()
        self._children.append(child)
        return child

    def _describe(self) -> None:
        key = {"api_key": self.api_key} if self.api_key else {}
        described: dict[str, Any] = {**self.urls, **key, "pids": self.pids, "started_at": datetime.now(UTC).isoformat()}
        written = self.folder / f"{STACK_FILE}.new"
        written.touch(mode=0o600)  # there is a key in it
        written.write_text(json.dumps(described, indent=2) + "\n")
        written.replace(self.folder / STACK_FILE)

    # -- stopping ---------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Celery first, all together; then what it needs, in the reverse order of starting."""
        (self.folder / STACK_FILE).unlink(missing_ok=True)
        celery = [child for child in self._children if child.name.startswith(("worker", "beat", "api"))]
        for child in celery:
            child.ask_to_stop()
        for child in [*celery, *(child for child in reversed(self._children) if child not in celery)]:
            child.stop()
        if self._lock:
            self._lock.close()


def project_folder() -> Path:
    """The folder that holds ``tasks/`` and ``config/``: where we stand, or the checkout vidpoll was installed from.

    Raises:
        NotConfigured: neither is one.
    """
    for folder in (Path.cwd(), Path(__file__).parent.parent.parent):
        if (folder / "tasks" / "__init__.py").exists() and (folder / "config").is_dir():
            return folder
    raise NotConfigured("the embedded stack runs from a checkout of vidpoll: a folder with tasks/ and config/ in it")
