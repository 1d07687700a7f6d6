"""Videos are asked for on the page, and followed until they end, whatever comes in between."""

import os
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.acceptance.stack import Stack
from tests.api.serving import Caller
from tests.browser.conftest import stack_of_its_own, takes
from tests.browser.screen import Screen

SOME = re.compile(r"^\d+$")


def listed(caller: Caller) -> list[dict[str, Any]]:
    return list(caller.get("/v1/generations").json()["items"])


def plays(video: Locator) -> bool:
    """Whether the space bar has it played to its end. (A click does so for large videos only.)"""
    video.press("Space")
    expect(video).to_have_js_property("ended", True)
    return bool(video.evaluate("video => video.currentTime > 2"))


@pytest.mark.parametrize("provider", ["runware", "replicate"])
def test_a_prompt_becomes_a_video_that_plays_and_its_progress_is_seen(
    stack: Stack, screen: Screen, alice: Caller, provider: str
):
    takes(stack, 4)
    expect(screen.connection).to_have_text("live")

    screen.ask_for("a lion at dawn", provider)

    expect(screen.form_status).to_have_text("Submitted: a lion at dawn")
    expect(screen.prompt).to_have_value("")
    expect(screen.status("a lion at dawn")).to_have_text("Completed")
    assert plays(screen.row("a lion at dawn").locator("video"))
    progress = screen.seen("progress")["a lion at dawn"]
    assert len(progress) > 3
    assert progress == sorted(progress)
    assert screen.seen("statuses")["a lion at dawn"][-2:] == ["processing", "completed"]
    assert screen.seen("toasts") == ["A video is ready: a lion at dawn"]
    assert [one["status"] for one in listed(alice)] == ["completed"]


def test_a_reload_in_the_middle_changes_nothing(stack: Stack, screen: Screen):
    takes(stack, 6)
    screen.ask_for("a lion at dawn")
    expect(screen.progress("a lion at dawn")).to_have_attribute("value", SOME)
    screen.prompt.fill("not sent yet")

    screen.page.reload()

    expect(screen.progress("a lion at dawn")).to_have_attribute("value", SOME)
    expect(screen.prompt).to_have_value("not sent yet")
    expect(screen.status("a lion at dawn")).to_have_text("Completed")
    expect(screen.row("a lion at dawn").locator("video")).to_be_visible()
    expect(screen.rows).to_have_count(1)
    assert screen.seen("statuses")["a lion at dawn"] == ["processing", "completed"]
    assert screen.seen("toasts") == ["A video is ready: a lion at dawn"]


def test_the_api_is_killed_in_the_middle_and_the_page_tells_each_end_once(visit: Callable[..., Screen]):
    with stack_of_its_own() as stack:
        takes(stack, 10)
        screen = visit(stack.described["api_url"], stack.described["api_key"])
        screen.expect_complaints("net::ERR_")
        screen.ask_for("one that works")
        expect(screen.progress("one that works")).to_have_attribute("value", SOME)
        stack.simulate("faults", job_failed=1)
        screen.ask_for("one that fails")
        expect(screen.progress("one that works")).to_have_attribute("value", re.compile("^[5-9].$"))
        expect(screen.progress("one that fails")).to_have_attribute("value", SOME)

        killed = stack.pids["api"]
        os.kill(killed, signal.SIGKILL)

        expect(screen.status("one that works")).to_have_text("Completed", timeout=40_000)
        expect(screen.status("one that fails")).to_have_text("Failed")
        expect(screen.connection).to_have_text("live")
        expect(screen.rows).to_have_count(2)
        assert screen.seen("modes").count("live") > 1, "it must have said that it was not live in between"
        assert screen.seen("statuses")["one that works"].count("completed") == 1
        assert screen.seen("statuses")["one that fails"].count("failed") == 1
        assert sorted(screen.seen("toasts")) == [
            "A video is ready: one that works",
            "It failed: one that fails",
        ]
        assert stack.pids["api"] != killed
        assert stack.report()["charged"] == 2


def test_a_double_click_pays_once(stack: Stack, screen: Screen, alice: Caller):
    screen.prompt.fill("a lion at dawn")

    screen.generate.dblclick()

    expect(screen.status("a lion at dawn")).to_have_text("Completed")
    assert len(listed(alice)) == 1
    assert stack.report()["charged"] == 1


def test_a_submit_whose_answer_is_lost_is_sent_again_and_pays_once(stack: Stack, screen: Screen, alice: Caller):
    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    screen.expect_complaints("net::ERR_FAILED")
    screen.page.route("**/v1/generations", lose_the_answer, times=1)

    screen.ask_for("a lion at dawn")

    expect(screen.form_status).to_have_text("Was submitted before: a lion at dawn")
    expect(screen.status("a lion at dawn")).to_have_text("Completed")
    assert len(listed(alice)) == 1
    assert stack.report()["charged"] == 1


def test_one_that_failed_says_why_and_is_asked_for_anew(stack: Stack, screen: Screen, alice: Caller):
    stack.simulate("faults", job_failed=1)
    screen.ask_for("a lion at dawn")
    failed = screen.page.locator(".row[data-status=failed]")
    expect(failed.locator(".error")).to_have_text("timeoutProvider: The provider did not answer in time.")
    stack.simulate("faults", job_failed=0)

    failed.get_by_role("button", name="Try again").click()

    expect(screen.page.locator(".row[data-status=completed] video")).to_be_visible()
    expect(failed.get_by_role("button", name="Tried again")).to_be_disabled()
    newer, older = listed(alice)
    assert (newer["status"], older["status"]) == ("completed", "failed")
    assert newer["retry_of"] == older["id"]
    assert stack.report()["charged"] == 2
