"""How long it has taken and will take, as the page says it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.acceptance.stack import Stack
from tests.api.serving import Caller
from tests.browser.conftest import takes
from tests.browser.screen import Screen
from tests.browser.test_use import PHONE

RANGE = re.compile(r"^0:\d\d so far · about \d+\s(s|min) left, at most \d+\s(s|min) for 9 of 10$")
ESTIMATE = re.compile(r"^≈ [1-9]\d? %, estimated$")


def test_one_at_the_provider_says_how_long_it_takes_and_will_take_and_then_how_long_it_took(
    stack: Stack, screen: Screen
):
    takes(stack, 6)
    screen.ask_for("a lion at dawn")
    time = screen.row("a lion at dawn").locator(".time")

    expect(time).to_have_text(RANGE)
    expect(screen.status("a lion at dawn")).to_have_text("Completed")
    expect(time).to_have_text(re.compile(r"^took 0:\d\d$"))


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_where_the_provider_tells_no_progress_it_is_estimated_and_says_so(
    stack: Stack, alice: Caller, visit: Callable[..., Screen], options: dict[str, object]
):
    takes(stack, 20)
    screen = visit(alice.url, alice.key, **options)
    alice.post("/v1/generations", json={"provider": "veo", "model": "veo-fast", "prompt": "a lion at dawn"})
    row = screen.row("a lion at dawn")

    expect(row.locator(".percent")).to_have_text(ESTIMATE)

    assert screen.progress("a lion at dawn").get_attribute("value") is None, "the provider told none"
    assert row.locator(".bar.estimated").count() == 1
    assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(screen.status("a lion at dawn")).to_have_text("Completed", timeout=60_000)
    expect(row.locator(".percent")).to_be_hidden()
