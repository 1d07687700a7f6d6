"""What a key allows, and that what comes from elsewhere stays text."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.acceptance.stack import Stack
from tests.api.serving import Caller
from tests.browser.conftest import key_for
from tests.browser.screen import Screen

EVIL = "<img src=x onerror=alert(1)>"
SCRIPT = "javascript:alert(1)"


def test_a_key_that_may_only_read_sees_everything_and_changes_nothing(
    stack: Stack, screen: Screen, alice: Caller, visit: Callable[..., Screen]
):
    stack.simulate("faults", job_failed=1)
    screen.ask_for("a failure")
    expect(screen.status("a failure")).to_have_text("Failed")
    stack.simulate("faults", job_failed=0)
    owner = alice.get("/v1/key").json()["owner"]

    reader = visit(alice.url, key_for(stack, owner, "read"))

    expect(reader.page.get_by_text("This key may only read.")).to_be_visible()
    expect(reader.prompt).to_be_disabled()
    expect(reader.generate).to_be_disabled()
    expect(reader.connection).to_have_text("live")
    expect(reader.row("a failure").locator(".error")).to_be_visible()
    expect(reader.row("a failure").get_by_role("button")).to_have_count(0)
    screen.ask_for("a video")
    expect(reader.status("a video")).to_have_text("Completed")
    expect(reader.row("a video").locator("video")).to_be_visible()
    assert {"processing", "completed"} <= set(reader.seen("statuses")["a video"])


def test_without_a_key_the_page_asks_for_one(alice: Caller, visit: Callable[..., Screen]):
    screen = visit(alice.url)

    expect(screen.key).to_be_focused()
    expect(screen.prompt).to_be_hidden()
    screen.key.fill(alice.key)
    screen.page.get_by_role("button", name="Continue").click()

    expect(screen.prompt).to_be_visible()
    expect(screen.connection).to_have_text("live")


def test_a_key_in_the_address_is_used_and_taken_out_of_it(alice: Caller, visit: Callable[..., Screen]):
    screen = visit(alice.url)
    expect(screen.key).to_be_visible()

    screen.open(alice.key)

    expect(screen.prompt).to_be_visible()
    expect(screen.key).to_be_hidden()
    expect(screen.connection).to_have_text("live")
    assert alice.key not in screen.page.url
    screen.page.go_back()
    assert alice.key not in screen.page.url


@pytest.mark.parametrize("key", ["vp_000000000000_wrong", "no key at all", "\N{PILE OF POO}"])
def test_a_wrong_key_is_refused_and_another_asked_for(alice: Caller, visit: Callable[..., Screen], key: str):
    screen = visit(alice.url)
    screen.expect_complaints("401")

    screen.key.fill(key)
    screen.key.press("Enter")

    expect(screen.page.get_by_role("alert").filter(has_text="key")).to_be_visible()
    expect(screen.prompt).to_be_hidden()
    screen.key.fill(alice.key)
    screen.key.press("Enter")
    expect(screen.prompt).to_be_visible()
    expect(screen.key).to_be_hidden()


def test_markup_and_scripts_stay_text(stack: Stack, screen: Screen, alice: Caller):
    for prompt in (EVIL, SCRIPT):
        screen.ask_for(prompt)
        expect(screen.status(prompt)).to_have_text("Completed")
    ids = [one["id"] for one in alice.get("/v1/generations").json()["items"]]
    stack.sql("UPDATE generations SET video_url = %s WHERE id = ANY(%s::uuid[]) RETURNING id", SCRIPT, ids)
    screen.page.reload()

    for prompt in (EVIL, SCRIPT):
        row = screen.row(prompt)
        expect(row.locator(".address")).to_have_text(SCRIPT)
        row.get_by_text("Details").click()
        expect(row.locator("dd").last).to_have_text(prompt)
    for tag in ("img", "a", "video"):
        expect(screen.rows.locator(tag)).to_have_count(0)
