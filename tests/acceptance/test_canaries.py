"""Secrets planted where they may get out, and looked for everywhere: rows, Redis, logs, events, HTTP, commands.

The vendor is one that echoes the key in whatever it says, as some do, and signs the URLs of its results.
"""

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import requests

from tests.acceptance.stack import PROJECT
from tests.api.serving import key_of
from tests.brokers import only_redis
from tests.waiting import until
from vidpoll import Client, GenerationRequest, messages
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port
from vidpoll.store import Store

FROM_ENVIRONMENT, FROM_FILE = "r8_canary-of-the-environment", "r8_canary-of-the-file"
SIGNATURE, INPUT_SIGNATURE = "canary-signature-of-the-result", "canary-signature-of-the-input"
INPUT = f"https://bucket.example/lion.png?X-Amz-Expires=60&X-Amz-Signature={INPUT_SIGNATURE}"
PROVIDERS = """
[accounts.environment]
provider = "replicate"
base_url = "{url}"
api_key_env = "CANARY_TOKEN"
refused_pause_s = 1
status_rate = 20
status_burst = 10
[accounts.environment.models."google/veo-3-fast"]
schedule = {{ tiers = [[1000, 0.2]], then_s = 1, jitter = 0 }}
[accounts.file]
provider = "replicate"
base_url = "{url}"
api_key_file = "{key_file}"
refused_pause_s = 1
status_rate = 20
status_burst = 10
[accounts.file.models."google/veo-3-fast"]
schedule = {{ tiers = [[1000, 0.2]], then_s = 1, jitter = 0 }}
"""


class Vendor(BaseHTTPRequestHandler):
    """Replicate's format. The prompt says what becomes of a prediction; the headers it got are in all it says."""

    jobs: dict[str, str]
    looks: dict[str, int]
    keys: set[str]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt, id = asked["input"]["prompt"], uuid.uuid4().hex
        if prompt == "refused":
            return self._say(422, {"detail": f"not with {self._echo}"})
        self.jobs[id] = prompt
        return self._say(201, {"id": id, "status": "starting"})

    def do_GET(self) -> None:
        id = self.path.rpartition("/")[2]
        self.looks[id] = self.looks.get(id, 0) + 1
        if self.looks[id] <= 2:
            return self._say((500, 401)[self.looks[id] - 1], {"detail": f"who is {self._echo}? {self._signed(id)}"})
        if self.jobs[id] == "failed":
            error = f"{self._echo} got {self._signed(id)}"
            return self._say(200, {"id": id, "status": "failed", "error": error, "logs": self._echo})
        return self._say(200, {"id": id, "status": "succeeded", "output": self._signed(id)})

    def _signed(self, id: str) -> str:
        return f"https://cdn.example/{id}.mp4?X-Amz-Date=20261121T100000Z&X-Amz-Signature={SIGNATURE}"

    @property
    def _echo(self) -> str:
        return json.dumps(self.headers["Authorization"])

    def _say(self, status: int, body: dict[str, Any]) -> None:
        self.keys.add(self.headers["Authorization"])
        said = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


class Monitor:
    """Everything Redis was ever told: messages, task events, lanes, rings."""

    def __init__(self, url: str) -> None:
        self.said: list[str] = []
        self._client = redis.Redis.from_url(url)
        self._thread = threading.Thread(target=self._listen, args=(url,), daemon=True)
        self._thread.start()
        until(lambda: self._client.ping() and self.said)

    def _listen(self, url: str) -> None:
        with suppress(redis.ConnectionError), redis.Redis.from_url(url).monitor() as monitor:
            for command in monitor.listen():
                self.said.append(command["command"])
                if "end of the monitor" in command["command"]:
                    return

    def stop(self) -> str:
        self._client.echo("end of the monitor")
        self._thread.join(10)
        return "\n".join(self.said)


@pytest.fixture
def vendor() -> Iterator[ThreadingHTTPServer]:
    handler = type("Handler", (Vendor,), {"jobs": {}, "looks": {}, "keys": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def environ(vendor, redis_url: str, redis_client, database_url: str, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "token").write_text(f"{FROM_FILE}\n")
    url = f"http://127.0.0.1:{vendor.server_port}"
    (tmp_path / "providers.toml").write_text(PROVIDERS.format(url=url, key_file=tmp_path / "token"))
    return {
        "VIDPOLL_REDIS_URL": redis_url,
        "VIDPOLL_DATABASE_URL": database_url,
        "VIDPOLL_PROVIDERS_FILE": str(tmp_path / "providers.toml"),
        "CANARY_TOKEN": FROM_ENVIRONMENT,
        "VIDPOLL_LOG_LEVEL": "DEBUG",
    }


@pytest.fixture
def run(environ: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """Starts commands; ends them all."""
    children = []

    def start(name: str, *command: str) -> Child:
        child = Child(name, [sys.executable, "-m", *command], tmp_path / f"{name}.log", environ, PROJECT)
        child.start()
        children.append(child)
        return child

    yield start
    for child in children:
        child.stop()


@only_redis("everything Redis was ever told is searched")
def test_planted_secrets_are_found_nowhere_but_where_they_belong(
    run, vendor, environ, redis_url: str, database_url: str, store: Store, tmp_path: Path
):
    monitor, port = Monitor(redis_url), free_port()
    worker = ["celery", "-A", "tasks", "worker", "--loglevel", "DEBUG", "-E", "-Q", ",".join(messages.QUEUES)]
    run("worker", *worker, "--without-gossip", "--without-mingle")
    run("api", "vidpoll", "api", "--port", str(port))
    client = Client(redis_url, database_url)

    ids = [
        client.submit(
            GenerationRequest(
                provider="replicate", model="google/veo-3-fast", prompt=prompt, account=account, owner="alice",
                params={"image": INPUT},
            )
        )
        for account in ("environment", "file")
        for prompt in ("made", "failed", "refused")
    ]  # fmt: skip
    # A message of somebody's who mistook where keys go: kept as a dead letter, since it says no owner.
    envelope = messages.envelope(messages.GENERATE, {"params": {"key": FROM_ENVIRONMENT}}, "accept")
    client.wait(ids, timeout_s=60)
    redis.Redis.from_url(redis_url).lpush("accept", json.dumps(envelope))
    until(lambda: store.buried(1))
    key = key_of(store, "alice", "read", "write", "operate")
    until(lambda: _answers(port))
    answered = _http(port, key, ids)
    commands = _commands(environ, ids)
    rows, told = _rows(database_url), monitor.stop()
    logs = {name: (tmp_path / f"{name}.log").read_text() for name in ("worker", "api")}
    client._store._engine.dispose()

    assert vendor.RequestHandlerClass.keys == {f"Bearer {FROM_ENVIRONMENT}", f"Bearer {FROM_FILE}"}
    made = store.find(ids)
    assert {one.status.value for one in made} == {"completed", "failed"}
    assert sum("[redacted]" in one.error["message"] for one in made if one.error) == 4
    assert '"level": "debug", "logger": "celery' in logs["worker"]
    assert '"event": "looked"' in logs["worker"]
    for key in (FROM_ENVIRONMENT, FROM_FILE):
        _assert_absent(key, {"rows": rows, "http": answered, "commands": commands, **logs})
    mistaken = json.dumps(envelope)
    _assert_absent(FROM_FILE, {"redis": told})
    assert told.replace(mistaken, "").count(FROM_ENVIRONMENT) == 0
    for signature in (SIGNATURE, INPUT_SIGNATURE):
        _assert_absent(signature, logs)
    _assert_absent(SIGNATURE, {"redis": told})
    assert all(SIGNATURE in found for found in (rows, answered, commands))  # whoever asked for the video needs it whole
    assert sum(SIGNATURE in one.error["message"] for one in made if one.error) == 0


def _assert_absent(secret: str, places: dict[str, str]) -> None:
    for place, text in places.items():
        at = text.find(secret)
        assert at < 0, f"in {place}: …{text[max(0, at - 300) : at + 60]}…"


def _rows(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        tables = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        return "\n".join(
            str(row[0])
            for (table,) in tables.fetchall()
            for row in connection.execute(f'SELECT to_jsonb(one)::text FROM "{table}" AS one').fetchall()
        )


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False


def _http(port: int, key: str, ids: list[uuid.UUID]) -> str:
    """Every read there is; of the events, the whole history."""
    paths = ["/v1/generations", "/v1/queue", "/v1/stats", "/metrics", "/v1/key"]
    paths += [f"/v1/generations/{id}{more}" for id in ids for more in ("", "/status", "/events")]
    said = []
    for path in paths:
        headers = {"Authorization": f"Bearer {key}", **({"Last-Event-ID": "0"} if path.endswith("events") else {})}
        answer = requests.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=30)
        assert answer.ok, (path, answer.text)
        said.append(answer.text)
    assert any("event: generation" in one for one in said)
    return "\n".join(said)


def _commands(environ: dict[str, str], ids: list[uuid.UUID]) -> str:
    names = [["status"], ["watch"], ["dead-letters"], ["lanes"], ["unknown", "list"]]
    names[1] += [str(id) for id in ids]
    said = []
    for name in names:
        for more in ([], ["--json"]):
            done = subprocess.run(
                [sys.executable, "-m", "vidpoll", *name, *more],
                env={**os.environ, **environ}, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, (name, done.stderr)
            said += [done.stdout, done.stderr]
    return "\n".join(said)
