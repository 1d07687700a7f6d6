"""The fleet the fault tests share, fleets of their own, and the table at the end."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.faults import report, scale
from tests.acceptance.faults.fleet import Fleet, Postgres

_CASES = pytest.StashKey[list[report.Case]]()
_OF_TEST = pytest.StashKey[list[report.Case]]()
_BROKEN = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def fault_postgres() -> Iterator[Postgres]:
    """In a folder outside of pytest's: a second pytest of the same user would shut the server's user out of that."""
    with tempfile.TemporaryDirectory(prefix="vidpoll-faults-") as folder:
        server = Postgres(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def shared_fleet(tmp_path_factory: pytest.TempPathFactory, fault_postgres: Postgres) -> Iterator[Fleet]:
    running = Fleet(tmp_path_factory.mktemp("fleet"), fault_postgres)
    yield running
    running.stop()


@pytest.fixture
def fleet(shared_fleet: Fleet, request: pytest.FixtureRequest) -> Fleet:
    """The session's fleet (one worker, one beat), as new."""
    stash = request.config.stash
    shared_fleet.reset(anew=stash.get(_BROKEN, False))
    stash[_BROKEN] = True  # until this test has passed
    return shared_fleet


@pytest.fixture
def special_fleet(tmp_path: Path, fault_postgres: Postgres) -> Iterator[Callable[..., Fleet]]:
    """Makes fleets of a test's own; takes what ``Fleet`` takes."""
    made: list[Fleet] = []

    def make(**options: Any) -> Fleet:
        made.append(Fleet(tmp_path / f"fleet{len(made)}", fault_postgres, **options))
        made[-1].reset()
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Callable[[int, str], report.Case]:
    """``case(9, "worker SIGKILL")``: a line of the table, to be filled."""

    def begin(number: int, injected: str) -> report.Case:
        made = report.Case(number, injected, request.node.name)
        request.config.stash.setdefault(_CASES, []).append(made)
        request.node.stash.setdefault(_OF_TEST, []).append(made)
        return made

    return begin


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    made = yield
    if call.when == "call":
        result = "xfailed" if hasattr(made, "wasxfail") and made.skipped else made.outcome
        for one in item.stash.get(_OF_TEST, []):
            one.result = result
        if "fleet" in item.fixturenames:
            item.config.stash[_BROKEN] = result != "passed"
    return made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the full form everything may take long; in the short one, what is marked ``full`` is left out."""
    if not scale.FULL:
        items[:] = [item for item in items if not item.get_closest_marker("full")]
    for item in items:
        if scale.FULL and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(3600))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    cases = config.stash.get(_CASES, [])
    if not cases:
        return
    terminalreporter.section(f"faults, {'full' if scale.FULL else 'short'} form")
    terminalreporter.write_line(report.table(cases))
    if file := os.environ.get("VIDPOLL_FAULTS_REPORT"):
        report.write(cases, Path(file))
