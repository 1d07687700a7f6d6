import pytest

from tests.integration.driver import Driver
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services


@pytest.fixture
def driver(services: Services, lifecycle: Lifecycle, database_url: str) -> Driver:
    return Driver(services, lifecycle, database_url)
