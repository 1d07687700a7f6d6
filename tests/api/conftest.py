from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.api.serving import Caller, key_of, served
from tests.integration.driver import Driver
from vidpoll.api import create_app
from vidpoll.api.settings import ApiSettings
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services
from vidpoll.settings import Settings


@pytest.fixture
def settings(services: Services, database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=redis_url, broker_url=redis_url, database_url=database_url, providers_file=tmp_path / "providers.toml"
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[FastAPI]:
    made = create_app(settings, ApiSettings())
    yield made
    made.state.parts.store._engine.dispose()
    made.state.parts.client._store._engine.dispose()


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    with served(app) as address:
        yield address


@pytest.fixture
def caller(url: str, services: Services) -> Iterator[Callable[..., Caller]]:
    """``caller("alice", "read")``: somebody with a key of these scopes; read and write if none are given."""
    made: list[Caller] = []

    def make(owner: str, *scopes: str) -> Caller:
        made.append(Caller(url, key_of(services.store, owner, *scopes)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def alice(caller: Callable[..., Caller]) -> Caller:
    return caller("alice")


@pytest.fixture
def bob(caller: Callable[..., Caller]) -> Caller:
    return caller("bob")


@pytest.fixture
def driver(services: Services, lifecycle: Lifecycle, database_url: str) -> Driver:
    return Driver(services, lifecycle, database_url)
