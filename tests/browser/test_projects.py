"""Projects on the page: clips as they come, the overall bar, what failed tried again, files submitted."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.acceptance.stack import PROJECT, Stack
from tests.api.serving import Caller
from tests.browser.conftest import key_for, takes
from tests.browser.screen import Screen
from tests.browser.test_access import EVIL, SCRIPT
from tests.browser.test_use import LONG, PHONE, fits, tab_to

SUMMARY = {"key": "summary", "local": "collect", "params": {"clips": [{"from": "dawn", "path": "url"}]}}


def clip(key: str, *after: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "provider": "runware", "model": "google:3@3", "prompt": key, "after": list(after), **more}


def asked(caller: Caller, *steps: dict[str, Any], **more: Any) -> str:
    """The id of a project of these steps."""
    answer = caller.post("/v1/projects", json={"name": "lions", "steps": list(steps), **more})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["project_id"])


def status(element: Locator) -> Locator:
    return element.locator(".status")


def percent(screen: Screen) -> int:
    return int(screen.project.locator(".percent").inner_text().rstrip(" %"))


def test_a_story_fills_in_clip_by_clip_and_a_reload_changes_nothing(stack: Stack, screen: Screen, alice: Caller):
    takes(stack, 2)
    story = json.loads((PROJECT / "config" / "story.json").read_text())
    del story["owner"]
    paid = [step["key"] for step in story["steps"] if not step.get("local")]
    id = asked(alice, *story.pop("steps"), **story)

    screen.page.get_by_role("link", name="Projects").click()
    expect(screen.projects).to_have_count(1)
    expect(screen.projects.get_by_role("progressbar")).to_be_visible()
    screen.projects.get_by_role("link", name=story["name"]).click()

    expect(screen.steps).to_have_count(len(paid) + 1)
    expect(status(screen.project)).to_have_text("Running")
    expect(screen.step("scene-5")).to_contain_text("Waits for image-5")
    expect(screen.step("summary")).to_contain_text(re.compile(r"Waits for .+ and \d more"))
    expect(screen.step("image-1").locator("img")).to_be_visible()
    before = percent(screen)
    assert 0 < before < 100
    screen.page.reload()
    expect(screen.step("image-1").locator("img")).to_have_js_property("naturalWidth", 64)
    assert percent(screen) >= before
    expect(status(screen.project)).to_have_text("Completed", timeout=90_000)
    expect(screen.project).to_contain_text(f"{len(paid) + 1} of {len(paid) + 1} steps")
    expect(screen.project.get_by_role("progressbar")).to_have_js_property("value", 100)
    expect(screen.steps.locator("video")).to_have_count(10)
    expect(screen.steps.locator("img")).to_have_count(5)
    expect(screen.step("summary").get_by_role("link")).to_have_count(6)
    assert f"The project is complete: {story['name']}" in screen.seen("toasts")
    assert screen.page.url.endswith(f"#project={id}")
    assert [step["key"] for step in alice.get(f"/v1/projects/{id}").json()["steps"]][: len(paid)] == paid
    assert len(stack.jobs()) == len(paid)


def test_what_failed_is_told_and_tried_again_and_only_that_is_paid_again(stack: Stack, screen: Screen, alice: Caller):
    stack.simulate("faults", poison="poisoned")
    id = asked(alice, clip("dawn"), clip("dusk", prompt="poisoned"), clip("large", "dusk"), SUMMARY)
    screen.open_project(id)
    expect(status(screen.project)).to_have_text("Failed")
    expect(screen.step("dusk").locator(".error")).to_be_visible()
    expect(screen.step("large")).to_contain_text("Needs dusk, which is failed")
    expect(screen.project).to_contain_text("2 of 4 steps, 1 failed, 1 skipped")
    expect(screen.project.get_by_role("button", name="Cancel")).to_be_hidden()
    stack.simulate("faults", poison="")
    paid = len(stack.jobs())

    screen.project.get_by_role("button", name="Retry what failed (1)").click()

    expect(status(screen.project)).to_have_text("Completed")
    expect(screen.step("dusk")).to_contain_text("tried again once")
    expect(screen.step("dusk").locator(".error")).to_be_hidden()
    expect(screen.steps.locator("video")).to_have_count(3)
    expect(screen.project.get_by_role("button")).to_have_count(0)
    assert "Tried again: dusk." in screen.seen("toasts")
    assert len(stack.jobs()) == paid + 2


def test_a_project_is_cancelled_with_the_keyboard_alone(stack: Stack, screen: Screen, alice: Caller):
    takes(stack, 600)
    asked(alice, clip("dawn"), clip("dusk", "dawn"))
    keyboard = screen.page.keyboard
    expect(screen.connection).to_have_text("live")
    tab_to(screen, screen.page.get_by_role("link", name="Projects"))
    keyboard.press("Enter")
    expect(screen.projects).to_have_count(1)
    tab_to(screen, screen.projects.get_by_role("link", name="lions"))
    keyboard.press("Enter")
    expect(screen.page.get_by_role("heading", name="lions")).to_be_focused()
    expect(status(screen.step("dawn"))).to_have_text("Processing")

    tab_to(screen, screen.project.get_by_role("button", name="Cancel"))
    keyboard.press("Enter")

    expect(screen.project.get_by_role("button", name="Cancel")).to_be_hidden()
    assert screen.page.evaluate("document.activeElement !== document.body")
    expect(status(screen.step("dusk"))).to_have_text("Skipped")
    screen.page.go_back()
    expect(screen.projects.get_by_role("link", name="lions")).to_be_focused()


def test_a_key_that_may_only_read_sees_projects_and_no_buttons(
    stack: Stack, alice: Caller, visit: Callable[..., Screen]
):
    stack.simulate("faults", poison="poisoned")
    id = asked(alice, clip("dawn"), clip("dusk", prompt="poisoned"))
    owner = alice.get("/v1/key").json()["owner"]

    reader = visit(alice.url, f"{key_for(stack, owner, 'read')}&project={id}")

    expect(status(reader.project)).to_have_text("Failed")
    expect(reader.step("dawn").locator("video")).to_be_visible()
    expect(reader.project.get_by_role("button")).to_have_count(0)
    reader.page.get_by_role("link", name="All projects").click()
    expect(reader.projects).to_have_count(1)
    expect(reader.page.get_by_role("heading", name="New project")).to_be_hidden()


def test_a_phone_shows_projects_without_scrolling_sideways(alice: Caller, visit: Callable[..., Screen]):
    steps = [clip("k" * 60, title=LONG[:200]), clip("dawn"), SUMMARY]
    id = asked(alice, *steps, name=LONG[:200])
    screen = visit(alice.url, f"{alice.key}&project={id}", **PHONE)
    expect(screen.steps.first).to_be_visible()
    assert fits(screen)
    expect(status(screen.project)).to_have_text("Completed")
    screen.project.get_by_text("Details").tap()
    expect(screen.step("summary").get_by_role("link")).to_be_visible()
    assert fits(screen)
    screen.page.get_by_role("link", name="All projects").tap()
    expect(screen.projects).to_have_count(1)
    assert fits(screen)


def test_a_project_file_is_checked_whole_and_submitted_once(
    stack: Stack, screen: Screen, alice: Caller, tmp_path_factory: pytest.TempPathFactory
):
    file = tmp_path_factory.mktemp("files") / "lions.json"
    screen.expect_complaints("422")
    screen.page.get_by_role("link", name="Projects").click()
    field = screen.page.get_by_label("File, chosen or dropped here")
    problems = screen.page.locator("#project-problems li")
    submit = screen.page.get_by_role("button", name="Submit")

    def choose(text: str) -> None:
        file.write_text(text)
        field.set_input_files(file)

    choose("{")
    expect(problems).to_have_count(1)
    expect(submit).to_be_hidden()
    choose(json.dumps({"name": "lions", "max_parallel": 0, "steps": [clip("dawn", "none"), clip("dusk", model="")]}))
    submit.click()
    expect(problems).to_have_count(3)
    choose(json.dumps({"name": "lions", "steps": [clip("dawn"), SUMMARY]}))
    expect(screen.page.get_by_text("lions.json: lions, 2 steps, 1 of them paid.")).to_be_visible()
    submit.click()
    expect(status(screen.project)).to_have_text("Completed")
    screen.page.get_by_role("link", name="All projects").click()
    choose(json.dumps({"name": "lions", "steps": [clip("dawn"), SUMMARY]}))
    submit.click()

    expect(status(screen.project)).to_have_text("Completed")
    assert "It was there already: nothing is paid." in screen.seen("toasts")
    assert len(stack.jobs()) == 1
    assert len(alice.get("/v1/projects").json()["items"]) == 1


def test_images_are_shown_as_such_and_what_comes_from_elsewhere_stays_text(stack: Stack, screen: Screen, alice: Caller):
    id = asked(alice, clip("named", title=EVIL), clip("typed"), clip("evil"), name=EVIL)
    screen.open_project(id)
    expect(status(screen.project)).to_have_text("Completed")
    results = {"named": ("/favicon.svg", None), "typed": ("/favicon.svg?v=1", "image/svg+xml"), "evil": (SCRIPT, None)}
    for step in alice.get(f"/v1/projects/{id}").json()["steps"]:
        path, content_type = results[step["key"]]
        url = path if path == SCRIPT else alice.url + path
        result = json.dumps({"content_type": content_type} if content_type else {})
        change = "UPDATE generations SET video_url = %s, result = result - 'content_type' || %s::jsonb WHERE id = %s RETURNING id"
        stack.sql(change, url, result, step["generation_id"])

    screen.page.reload()

    for key in ("named", "typed"):
        image = screen.step(key).locator("img")
        expect(image).to_be_visible()
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 0
    expect(screen.step("evil").locator(".address")).to_have_text(SCRIPT)
    expect(screen.page.get_by_role("heading", name=EVIL)).to_have_count(2)


@pytest.mark.parametrize(
    ("url", "content_type", "tag"),
    [
        ("https://v/1.mp4", None, "VIDEO"), ("https://v/1", None, "VIDEO"), ("https://v/1.PNG?x=1.mp4", None, "IMG"),
        ("https://v/1.mp4", "image/png", "IMG"), ("https://v/1.png", "video/webm; codecs=vp9", "VIDEO"),
        ("https://v/1.png", "application/octet-stream", "IMG"),
    ],
)  # fmt: skip
def test_the_content_type_decides_before_the_address(screen: Screen, url: str, content_type: str | None, tag: str):
    made = "async ([url, type]) => (await import('/media.js')).mediaElement(url, type).tagName"

    assert screen.page.evaluate(made, [url, content_type]) == tag


def test_a_project_that_is_not_there_is_said_to_be_missing(screen: Screen, alice: Caller):
    screen.expect_complaints("404")

    screen.open_project("00000000-0000-4000-8000-000000000000")

    expect(screen.page.get_by_text("There is no such project here.")).to_be_visible()
    expect(screen.connection).to_have_text("live")


def test_a_clip_whose_copy_cannot_be_reached_is_shown_from_its_provider(screen: Screen, alice: Caller):
    """As where the archive has an address that workers can reach, and browsers cannot."""
    copy = "http://127.0.0.1:1/alice/2026/03/dawn.webm"

    def with_a_copy(route: Route) -> None:
        answer = route.fetch()
        if answer.status != 200:  # as before
            route.fulfill(response=answer)
            return
        document = answer.json()
        for step in document["steps"]:
            step["archived_url"] = step["video_url"] and copy
        route.fulfill(response=answer, json=document)

    screen.expect_complaints("net::ERR_")
    screen.page.route(re.compile(r"/v1/projects/[0-9a-f-]{36}$"), with_a_copy)
    id = asked(alice, clip("dawn"))
    screen.page.goto(f"{alice.url}/#project={id}")

    video = screen.step("dawn").locator("video")
    expect(video).to_have_js_property("videoWidth", 320)
    (step,) = alice.get(f"/v1/projects/{id}").json()["steps"]
    expect(video).to_have_attribute("src", step["video_url"])
