from collections.abc import Iterator

import pytest

from tests.acceptance.stack import Stack

#: Jobs done at once, limits out of the way: what is tested here is the machinery.
OPTIONS = ["--status-limit", "1000000", "--submit-limit", "1000000"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"), *OPTIONS, VIDPOLL_LEASE_S="4")
    yield stack
    assert stack.stop() == 0


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The module's stack, its simulator fresh."""
    shared.simulate("reset")
    shared.simulate("durations", median_s=0.2, sigma=0, fixed_s=0, scale=1)
    return shared
