"""A Chromium, and one `vidpoll up` for all tests in here; every test has an owner and windows of its own."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright

from tests.acceptance.conftest import OPTIONS
from tests.acceptance.stack import Stack
from tests.api.serving import Caller, key_of
from tests.browser.screen import Screen
from vidpoll.store import Store, connect

#: Milliseconds in which the page shows what it should: several times what that takes.
expect.set_options(timeout=20_000)

#: Seconds a simulated video takes, if a test does not say otherwise.
TAKES_S = 2.0
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP = {"width": 1280, "height": 900}
HAS_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep whether a test failed: its windows are photographed before they are closed."""
    report = yield
    item.stash[HAS_FAILED] = item.stash.get(HAS_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("VIDPOLL_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "there is no Chromium; install one, or name one in VIDPOLL_CHROMIUM"
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *as_root])
        yield launched
        launched.close()


@contextmanager
def stack_of_its_own() -> Iterator[Stack]:
    """A `vidpoll up` that leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="vidpoll-browser-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres runs as another user
        stack = Stack(folder / "stack", *OPTIONS)
        takes(stack, TAKES_S)
        try:
            yield stack
        finally:
            code = stack.stop()
        assert code == 0


def takes(stack: Stack, seconds: float) -> None:
    """Have every video asked for from now on take this long."""
    stack.simulate("durations", median_s=seconds, sigma=0, fixed_s=0, scale=1)


@pytest.fixture(scope="session")
def shared() -> Iterator[Stack]:
    with stack_of_its_own() as stack:
        yield stack


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The stack of all tests, its simulator fresh."""
    shared.simulate("reset")
    takes(shared, TAKES_S)
    return shared


@pytest.fixture
def alice(stack: Stack) -> Iterator[Caller]:
    """An owner who has nothing yet, with a key that may read and write."""
    with Caller(stack.described["api_url"], key_for(stack, f"alice-{uuid.uuid4()}")) as caller:
        yield caller


def key_for(stack: Stack, owner: str, *scopes: str) -> str:
    engine = connect(stack.described["database_url"])
    try:
        return key_of(Store(engine), owner, *scopes)
    finally:
        engine.dispose()


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Screen]]:
    """``visit(url, key)``: a window with the page in it, opened with that key or without one.

    The browser may complain of nothing in it but of what the test expects.
    """
    screens: list[Screen] = []

    def make(url: str, key: str | None = None, **options: Any) -> Screen:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        screens.append(Screen(context.new_page(), url))
        screens[-1].open(key)
        return screens[-1]

    yield make
    complaints = [complaint for screen in screens for complaint in screen.unexpected_complaints]
    for number, screen in enumerate(screens):
        if complaints or request.node.stash.get(HAS_FAILED, False):
            _photograph(screen, tmp_path / f"screen-{number}.png")
        screen.page.context.close()
    assert not complaints


@pytest.fixture
def screen(visit: Callable[..., Screen], alice: Caller) -> Screen:
    """The page as Alice has it."""
    return visit(alice.url, alice.key)


def _photograph(screen: Screen, path: Path) -> None:
    with suppress(Error):
        screen.page.screenshot(path=path, full_page=True)
        print(f"screenshot: {path}")
