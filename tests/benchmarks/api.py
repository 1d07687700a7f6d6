"""An API process, and a bare one beside it, on a database of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import requests

from tests.api.serving import key_of, until
from vidpoll.devstack.servers import free_port
from vidpoll.store import Store, connect

PROJECT = Path(__file__).parent.parent.parent
#: Rows as they are after some history: all but the first final.
FILL = """
INSERT INTO generations (id, owner, request_hash, provider, account, model, prompt, status, operation_name, progress,
    video_url, result, submitted_at, completed_at, created_at)
SELECT gen_random_uuid(), 'o' || n %% 1000, md5(n::text), 'veo', 'vertex', 'veo-fast', 'prompt ' || n, 'completed',
    'operation ' || %(mark)s || n, 100, 'https://example.com/videos/' || n || '.mp4', '{"seed": 7, "late": false}', now(), now(),
    now() - n * interval '1 second'
FROM generate_series(1, %(rows)s) AS n
"""


@dataclass(frozen=True)
class Load:
    """What wrk saw."""

    per_s: float
    p99_ms: float


@contextmanager
def running(*command: str, **environ: str) -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=PROJECT, env={**os.environ, **environ})
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def serving_api(
    database_url: str, redis_url: str, port: int | None = None, **environ: str
) -> Iterator[tuple[str, psutil.Process]]:
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {"VIDPOLL_DATABASE_URL": database_url, "VIDPOLL_REDIS_URL": redis_url, **environ}
    with running("vidpoll", "api", "--port", str(port), **environ) as process:
        until(lambda: _answers(f"{url}/readyz"))
        yield url, process


@contextmanager
def serving_bare(database_url: str) -> Iterator[str]:
    port = free_port()
    with running("tests.benchmarks.bare", database_url, str(port)):
        until(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}"


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def _listens(port: int) -> bool:
    return any(one.laddr and one.laddr.port == port and one.status == "LISTEN" for one in psutil.net_connections("tcp"))


def new_key(database_url: str, owner: str) -> str:
    engine = connect(database_url)
    try:
        return key_of(Store(engine), owner)
    finally:
        engine.dispose()


def fill(database_url: str, rows: int, mark: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(FILL, {"rows": rows, "mark": mark})
        connection.execute("VACUUM ANALYZE generations")


def wrk(url: str, *, seconds: int, connections: int = 16, key: str | None = None) -> Load:
    """Ask for one URL again and again; only answers of 2xx count."""
    headers = ["-H", f"Authorization: Bearer {key}"] if key else []
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *headers, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    per_s, p99 = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    assert per_s, said
    assert p99, said
    return Load(float(per_s[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]])
