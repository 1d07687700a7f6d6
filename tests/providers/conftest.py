from collections.abc import Callable, Iterator

import pytest

from tests.providers.gateway import Gateway
from tests.providers.subject import Subject, subject_of
from vidpoll.catalogue import catalogue
from vidpoll.simulator import Simulator, World


@pytest.fixture(scope="session")
def server() -> Iterator[Simulator]:
    with Simulator(World()) as running:
        yield running


@pytest.fixture
def simulator(server: Simulator, world: World) -> Simulator:
    """One server for all tests in here, with a world of its own for each."""
    server.world = world
    return server


@pytest.fixture(params=catalogue())
def subject(request: pytest.FixtureRequest, world: World, simulator: Simulator) -> Subject:
    """An account of every entry of the catalogue in turn."""
    return subject_of(request.param, world)


@pytest.fixture(scope="session")
def _gateways() -> Iterator[tuple[Gateway, Gateway]]:
    with Gateway() as one, Gateway() as other:
        yield one, other


@pytest.fixture
def gateway(_gateways: tuple[Gateway, Gateway]) -> Gateway:
    """A server between an account and its vendor."""
    _gateways[0].says("")
    return _gateways[0]


@pytest.fixture
def stranger(_gateways: tuple[Gateway, Gateway]) -> Gateway:
    """A server that nobody has a reason to call."""
    _gateways[1].says("")
    return _gateways[1]


@pytest.fixture
def clock(world: World) -> Callable[[float], None]:
    """Sets the world's clock, which stands still from now on."""

    def stands_at(moment: float) -> None:
        world.clock = lambda: moment

    stands_at(1_800_000_000.0)
    return stands_at
