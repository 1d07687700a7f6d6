"""Real servers for the tests, started once; a database of its own for every test that wants one."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from tests import brokers, providers_file
from tests.spreading import Spreading
from vidpoll.devstack.servers import postgres_server, redis_server
from vidpoll.generation import GenerationRequest
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services, build
from vidpoll.settings import Settings
from vidpoll.simulator import Durations, Simulator, World
from vidpoll.store import Store, connect
from vidpoll.store.migrating import upgrade

#: What tells the tests themselves how much to do, and with what.
OURS = ("VIDPOLL_FAULTS", "VIDPOLL_SIM", "VIDPOLL_CHROMIUM", "VIDPOLL_TEST_BROKER")
for name in [name for name in os.environ if name.startswith(("VIDPOLL_", "OTEL_")) and not name.startswith(OURS)]:
    del os.environ[name]

#: Extras of their own: `make test-browser` installs Playwright, `make test-sdks` the vendors' clients.
EXTRAS = {"browser": "playwright", "sdks": "fal_client"}
collect_ignore = [folder for folder, module in EXTRAS.items() if not find_spec(module)]


@pytest.hookimpl(optionalhook=True)  # xdist's
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Spreading | None:
    return Spreading(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run that was broken off is not mended by `make test-failed`, which would pass over what never ran."""
    cache = getattr(session.config, "cache", None)  # there is none with -p no:cacheprovider
    if cache and exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        cache.set("cache/lastfailed", {})


def pytest_unconfigure() -> None:
    brokers.end()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with _server_folder() as folder:
        child, url = redis_server(folder)
        yield url
        child.stop()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A Postgres whose database `vidpoll` has the tables; tests copy it."""
    with _server_folder() as folder:
        child, url = postgres_server(folder, durable=False)
        engine = connect(url)
        upgrade(engine)
        engine.dispose()
        yield url
        child.stop()


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    server, name = postgres_url.rpartition("/")[0], f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE vidpoll")
        yield f"{server}/{name}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    engine = connect(database_url)
    yield Store(engine)
    engine.dispose()


@pytest.fixture
def redis_client(redis_url: str) -> Iterator["redis.Redis"]:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def world() -> World:
    """Simulated vendors whose jobs are done at once."""
    return World(Durations(median_s=1e-6, sigma=0, fixed_s=0), seed=7)


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    with Simulator(world) as running:
        yield running


@pytest.fixture
def services(
    database_url: str, redis_url: str, redis_client: "redis.Redis", simulator: Simulator, tmp_path: Path
) -> Iterator[Services]:
    """Everything connected: real Redis, real Postgres, the simulator over HTTP."""
    settings = Settings(
        redis_url=redis_url, database_url=database_url, providers_file=providers_file.write(tmp_path, simulator.url)
    )
    built = build(settings)
    yield built
    built.store._engine.dispose()


@pytest.fixture
def lifecycle(services: Services) -> Lifecycle:
    return Lifecycle(services)


@pytest.fixture
def make_request() -> Callable[..., GenerationRequest]:
    def make(**changes: Any) -> GenerationRequest:
        fields = {
            "provider": "veo",
            "model": "veo-fast",
            "prompt": "a lion at dawn",
            "owner": "alice",
            "id": uuid.uuid4(),
        }
        return GenerationRequest.checked({**fields, **changes})

    return make


@contextmanager
def _server_folder() -> Iterator[Path]:
    """Outside of pytest's own folder: a second pytest of the same user would shut the servers' user out of that."""
    with tempfile.TemporaryDirectory(prefix="vidpoll-tests-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "logs").mkdir()
        yield folder
