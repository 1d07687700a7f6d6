"""The compose file and the image: what they say, and what becomes of it when its commands are run.

There may be no Docker where tests run. So the very commands, environments and health checks of the services are run as
processes, as the image's user, from a folder that is laid out like the image.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import requests
import yaml

from tests.acceptance.deployed import compose
from tests.acceptance.deployed.compose import Image
from tests.acceptance.stack import PROJECT
from tests.waiting import until
from vidpoll import messages
from vidpoll.devstack.servers import free_port, redis_binary

SECRETS = {
    "VIDPOLL_REDIS_PASSWORD": uuid.uuid4().hex,
    "VIDPOLL_POSTGRES_PASSWORD": uuid.uuid4().hex,
    "FLOWER_BASIC_AUTH": f"operator:{uuid.uuid4().hex}",
    "GRAFANA_PASSWORD": uuid.uuid4().hex,
}
ENVIRON = {**SECRETS, "VIDPOLL_TIME_SCALE": "0.01"}
#: Services that run vidpoll's image, and stay.
OURS = ("api", "worker", "beat", "flower", "simulator")


@pytest.fixture(scope="module")
def file() -> dict[str, Any]:
    return compose.load(ENVIRON)


def test_the_level_of_logs_reaches_every_process_and_not_the_libraries():
    services = compose.load({**ENVIRON, "VIDPOLL_LOG_LEVEL": "DEBUG"})["services"]

    assert {services[name]["environment"]["VIDPOLL_LOG_LEVEL"] for name in OURS} == {"DEBUG"}
    assert "DEBUG" not in str([services[name]["command"] for name in OURS])


def test_it_is_what_the_compose_specification_allows():
    ran = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_compose_implementation_reads_it_as_we_do(file: dict[str, Any], tmp_path: Path):
    command = _implementation()
    if command is None:
        pytest.skip("neither docker compose 2.24 nor podman-compose 1.5 with podman on PATH")
    ran = subprocess.run(
        [*command, "--profile", "simulator", "config"],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **ENVIRON},
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    read = yaml.safe_load(ran.stdout)["services"]
    assert read.keys() == file["services"].keys()
    for name, service in file["services"].items():
        if "command" in service:
            assert compose.arguments(read[name]["command"]) == compose.arguments(service["command"]), name
        assert {**(read[name].get("environment") or {})}.keys() >= (service.get("environment") or {}).keys(), name


def _implementation() -> list[str] | None:
    """One that knows `env_file` with `required`."""
    for command, since in (
        (["docker", "compose"], (2, 24)),
        (["docker-compose"], (2, 24)),
        (["podman-compose"], (1, 5)),
    ):
        with suppress(OSError, subprocess.SubprocessError):
            ran = subprocess.run([*command, "version"], capture_output=True, text=True, timeout=30, check=True)
            if (found := re.search(r"(\d+)\.(\d+)", ran.stdout)) and tuple(map(int, found.groups())) >= since:
                return command
    return None


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_not_set_is_asked_for(name: str):
    with pytest.raises(compose.Missing, match=f"{name}: set it in .env"):
        compose.load({other: value for other, value in SECRETS.items() if other != name})

    assert f"{name}=" in (PROJECT / "docs" / "operations.md").read_text()


def test_every_service_is_kept_small_and_inside(file: dict[str, Any]):
    for name, service in file["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name
        assert service["healthcheck"].get("disable") or service["healthcheck"]["test"], name
        assert service["restart"] == ("on-failure" if name in ("migrate", "metrics-key") else "unless-stopped"), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    published = {name for name, service in file["services"].items() if "ports" in service}
    assert published == {"api", "flower", "prometheus", "grafana"}
    assert file["networks"]["backend"] == {"internal": True}
    assert [name for name, service in file["services"].items() if "env_file" in service] == ["worker"]


def test_whatever_is_mounted_is_there(file: dict[str, Any]):
    mounts = [mount.split(":")[0] for service in file["services"].values() for mount in service.get("volumes", [])]

    for source in set(mounts):
        assert (PROJECT / source).exists() if source.startswith("./") else source in file["volumes"], source


def test_workers_read_all_queues_and_are_given_the_time_of_a_paid_call(file: dict[str, Any]):
    for command in (compose.arguments(file["services"]["worker"]["command"]), compose.exec_form("CMD")):
        assert command[command.index("-Q") + 1] == ",".join(messages.QUEUES)
        assert {"-E", "--without-gossip", "--without-mingle"} <= set(command)
    assert compose.seconds(file["services"]["worker"]["stop_grace_period"]) >= 90


def test_prometheus_asks_workers_where_they_answer(file: dict[str, Any]):
    asked = (PROJECT / "config" / "prometheus.yml").read_text()
    environ = file["services"]["worker"]["environment"]

    (port,) = re.findall(r"names: \[worker\], type: A, port: (\d+)", asked)
    assert port == environ["VIDPOLL_METRICS_PORT"]
    assert "credentials_file: /run/secrets/metrics-key" in asked


def test_the_image_has_what_it_copies_and_no_more(tmp_path: Path):
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    copied = {
        source
        for name, text in compose.dockerfile()
        if name == "COPY" and "--from" not in text
        for source in text.split()[:-1]
    }

    assert ignored[1] == "*"
    assert {f"!{source}" for source in copied} <= set(ignored)
    assert all((PROJECT / line[1:]).exists() for line in ignored if line.startswith("!"))


# -- run ------------------------------------------------------------------------------------------------------------


class Running:
    """Services as processes: hosts, ports and folders of the containers replaced by those of here."""

    def __init__(self, file: dict[str, Any], image: Image, postgres_url: str, database: str) -> None:
        self.file, self.image = file["services"], image
        self.ports = {number: free_port() for number in (6379, 8000, 5555, 9808, 9999)}
        self.started: dict[str, subprocess.Popen[str]] = {}
        root, server = image.root, postgres_url.rpartition("@")[2].partition("/")[0]
        self._here = {
            "redis:6379": f"127.0.0.1:{self.ports[6379]}",
            "postgres:5432/vidpoll": f"{server}/{database}",
            "simulator:9999": f"127.0.0.1:{self.ports[9999]}",
            "0.0.0.0": "127.0.0.1",
            "/etc/redis/redis.conf": f"{root}/redis.conf",
            **{path: f"{root}{path}" for path in ("/tmp", "/run/vidpoll")},
            **{str(number): str(port) for number, port in self.ports.items()},
        }
        self._there = re.compile("|".join(rf"(?<![\w]){re.escape(one)}(?![\w])" for one in self._here))

    def here(self, text: str) -> str:
        return self._there.sub(lambda found: self._here[found[0]], text)

    def environ(self, name: str) -> dict[str, str]:
        return {key: self.here(str(value)) for key, value in self.file[name].get("environment", {}).items()}

    def start(self, name: str, *more: str) -> None:
        argv = [self.here(part) for part in compose.arguments(self.file[name]["command"])]
        if argv[0] == "redis-server":
            argv[0] = redis_binary()
        with (self.image.root / f"{name}.log").open("w") as log:
            self.started[name] = self.image.start([*argv, *more], self.environ(name), stdout=log, stderr=log)

    def run(self, name: str, argv: list[str] | None = None) -> str:
        """To its end: a service that ends, or a command in the place of a service's."""
        argv = [self.here(part) for part in argv or compose.arguments(self.file[name]["command"])]
        process = self.image.start(argv, self.environ(name), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said, wrong = process.communicate(timeout=60)
        assert process.returncode == 0, (name, said, wrong)
        return said

    def is_healthy(self, name: str) -> bool:
        assert self.started[name].poll() is None, (name, self.log(name))
        argv = [self.here(part) for part in compose.probe(self.file[name]["healthcheck"]["test"])]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return self.image.start(argv, self.environ(name), **quiet).wait(60) == 0

    def log(self, name: str) -> str:
        return (self.image.root / f"{name}.log").read_text()

    def stop(self) -> dict[str, int]:
        """Ends all as `docker compose stop` does; exit codes."""
        for process in self.started.values():
            process.send_signal(signal.SIGTERM)
        until_s = time.monotonic()
        codes = {}
        for name, process in self.started.items():
            grace_s = compose.seconds(self.file[name].get("stop_grace_period", "10s"))
            try:
                codes[name] = process.wait(max(0.1, grace_s - (time.monotonic() - until_s)))
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        return codes


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Outside of pytest's own folder, which the image's user may not enter."""
    with tempfile.TemporaryDirectory(prefix="vidpoll-image-") as name:
        yield Path(name)
        subprocess.run(["chmod", "-R", "u+w", name], check=True)


@pytest.fixture(scope="module")
def image(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    if not find_spec("hatchling"):
        pytest.skip("hatchling is not installed, and nothing is fetched to build the wheel")
    built = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-build-isolation", "--no-index", "--wheel-dir", built, PROJECT],
        check=True,
    )  # fmt: skip
    (wheel,) = built.glob("vidpoll-*.whl")
    return Image.build(folder, wheel)


@pytest.fixture
def running(file: dict[str, Any], image: Image, postgres_url: str) -> Iterator[Running]:
    server, name = postgres_url.rpartition("/")[0], f"compose_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE ROLE vidpoll LOGIN PASSWORD '{SECRETS['VIDPOLL_POSTGRES_PASSWORD']}'")
        admin.execute(f"CREATE DATABASE {name} OWNER vidpoll")
        running = Running(file, image, postgres_url, name)
        yield running
        running.stop()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        admin.execute("DROP ROLE vidpoll")


def test_its_services_make_a_video_and_end_in_time(running: Running, image: Image):
    port = running.ports
    settings = (image.root / "app" / "config" / "redis.conf").read_text()
    (image.root / "redis.conf").write_text(settings.replace("dir /data", f"dir {image.root}/data"))
    running.start("redis", "--bind", "127.0.0.1", "--port", str(port[6379]))
    until(lambda: _listens(port[6379]))
    running.run("migrate")
    for name in OURS:
        running.start(name)
    running.run("metrics-key")
    running.run("metrics-key")  # again, as every `docker compose up` does: the key stays
    key = running.run("api", ["vidpoll", "keys", "create", "--owner", "alice"]).strip()
    for name in OURS:
        until(lambda name=name: running.is_healthy(name), within_s=60, what=f"{name} to be healthy")

    asked = requests.post(
        f"http://127.0.0.1:{port[8000]}/v1/generations",
        json={"provider": "runware", "model": "google:3@3", "prompt": "a lion at dawn"},
        headers={"Authorization": f"Bearer {key}", "Prefer": "wait=30"}, timeout=60,
    )  # fmt: skip
    assert (asked.status_code, asked.json()["status"]) == (200, "completed"), (asked.text, running.log("worker"))

    metrics_key = image.root / "run" / "vidpoll" / "metrics-key"
    assert metrics_key.stat().st_mode & 0o777 == 0o600
    scraped = {"Authorization": f"Bearer {metrics_key.read_text().strip()}"}
    assert requests.get(f"http://127.0.0.1:{port[8000]}/metrics", headers=scraped, timeout=10).ok
    assert "vidpoll_checks_total" in requests.get(f"http://127.0.0.1:{port[9808]}/metrics", timeout=10).text
    login = tuple(SECRETS["FLOWER_BASIC_AUTH"].split(":"))
    assert requests.get(f"http://127.0.0.1:{port[5555]}/tasks", auth=login, timeout=10).ok
    with redis.Redis(port=port[6379], password=SECRETS["VIDPOLL_REDIS_PASSWORD"], decode_responses=True) as client:
        said = client.config_get("*")
    assert (said["appendonly"], said["appendfsync"], said["maxmemory-policy"]) == ("yes", "everysec", "noeviction")
    if sys.platform == "linux":
        assert all("CapEff:\t0000000000000000" in _proc(one.pid, "status") for one in running.started.values())

    codes = running.stop()
    assert set(codes.values()) <= {0, -signal.SIGTERM}, codes
    assert "Traceback" not in "".join(map(running.log, OURS))


def test_the_image_imports_the_wheel_and_not_the_checkout(image: Image):
    process = image.start(
        ["python", "-c", "import vidpoll, tasks; print(vidpoll.__file__, tasks.__file__)"],
        {"VIDPOLL_REDIS_URL": "redis://127.0.0.1:1/0", "PYTHONPATH": str(image.root / "app")}, stdout=subprocess.PIPE,
    )  # fmt: skip

    said, _ = process.communicate(timeout=60)
    assert all(path.startswith(str(image.root)) for path in said.split()), said


def test_postgres_knows_its_settings(file: dict[str, Any], postgres_url: str):
    words = compose.arguments(file["services"]["postgres"]["command"])
    given = [word.split("=") for flag, word in pairwise(words) if flag == "-c"]
    assert len(given) > 5

    with psycopg.connect(postgres_url) as connection:
        for name, value in given:
            row = connection.execute(
                "SELECT vartype, enumvals, unit FROM pg_settings WHERE name = %s", [name]
            ).fetchone()
            assert row, name
            assert not row[1] or value in row[1], name
            assert row[0] not in ("integer", "real") or re.match(r"[\d.]", value), name


def _proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def _listens(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def test_no_build_tool_is_needed_at_the_start():
    """The last stage runs nothing that fetches or compiles."""
    assert not [
        text for name, text in compose.dockerfile() if name == "RUN" and re.search(r"\b(pip|apt|gcc|curl)", text)
    ]
