"""With the keyboard alone, and on a phone."""

import json
from collections.abc import Callable

from playwright.sync_api import Locator, expect

from tests.acceptance.stack import Stack
from tests.api.serving import Caller
from tests.browser.screen import Screen

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
LONG = "unbreakable" * 30


def tab_to(screen: Screen, element: Locator) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(40):
        screen.page.keyboard.press("Tab")
        if element.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"Tab does not lead to {element}")


def test_the_keyboard_is_enough(alice: Caller, visit: Callable[..., Screen]):
    screen = visit(alice.url)
    keyboard = screen.page.keyboard
    expect(screen.key).to_be_focused()
    keyboard.type(alice.key)
    keyboard.press("Enter")
    expect(screen.prompt).to_be_visible()
    tab_to(screen, screen.provider)
    keyboard.press("ArrowDown")
    tab_to(screen, screen.prompt)
    keyboard.type("a lion at dawn")
    tab_to(screen, screen.generate)
    keyboard.press("Enter")
    expect(screen.status("a lion at dawn")).to_have_text("Completed")
    expect(screen.toasts).to_have_count(1)

    tab_to(screen, screen.toasts.get_by_role("button", name="Dismiss"))
    keyboard.press("Enter")

    expect(screen.toasts).to_have_count(0)
    assert screen.page.evaluate("document.activeElement !== document.body")
    assert alice.get("/v1/generations").json()["items"][0]["provider"] == "replicate"


def test_the_form_is_sent_from_the_prompt_with_ctrl_and_enter(screen: Screen):
    screen.prompt.fill("a lion at dawn")

    screen.prompt.press("Control+Enter")

    expect(screen.status("a lion at dawn")).to_have_text("Completed")


def test_what_is_wrong_is_told_and_the_focus_is_there(screen: Screen):
    screen.generate.click()
    expect(screen.prompt).to_be_focused()
    expect(screen.prompt).to_have_attribute("aria-invalid", "true")

    screen.page.get_by_text("Advanced").click()
    parameters = screen.page.get_by_label("Parameters")
    screen.prompt.fill("a lion at dawn")
    parameters.fill("[1")
    screen.generate.click()

    expect(parameters).to_be_focused()
    expect(screen.page.get_by_role("alert").filter(has_text="not valid JSON")).to_be_visible()
    expect(screen.rows).to_have_count(0)


def test_a_phone_shows_everything_and_toasts_go_by_themselves(
    stack: Stack, alice: Caller, visit: Callable[..., Screen]
):
    screen = visit(alice.url, **PHONE)
    assert fits(screen)
    screen.open(alice.key)
    screen.page.get_by_text("Advanced").tap()
    screen.page.get_by_label("Parameters").fill(json.dumps({"seed": 7, "note": LONG}))
    screen.page.get_by_label("Project", exact=True).fill("p" * 60)
    stack.simulate("faults", job_failed=1)
    screen.ask_for("a failure")
    expect(screen.status("a failure")).to_have_text("Failed")
    stack.simulate("faults", job_failed=0)
    screen.ask_for(LONG)
    expect(screen.rows.first.get_by_role("progressbar")).to_be_visible()
    assert fits(screen)
    expect(screen.rows.first.locator("video")).to_be_visible()
    expect(screen.toasts.first).to_be_visible()
    assert fits(screen)

    for details in screen.rows.get_by_text("Details").all():
        details.tap()

    expect(screen.toasts).to_have_count(0)
    assert fits(screen)
    expect(screen.rows.get_by_role("button", name="Try again")).to_have_count(1)
    for button in screen.page.get_by_role("button").filter(visible=True).all():
        button.tap(trial=True)
        box = button.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert 24 <= box["height"] <= 44, "too small for a finger, or its label is broken"


def fits(screen: Screen) -> bool:
    """Whether nothing is wider than the screen."""
    return bool(screen.page.evaluate("innerWidth === 360 && document.documentElement.scrollWidth <= 360"))
