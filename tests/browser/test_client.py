"""`vidpoll.js` in a browser, against the real API."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.stack import Stack
from tests.api.serving import Caller
from tests.browser.conftest import takes
from tests.browser.screen import Screen
from tests.waiting import until

#: Submits and watches; `told` is what the watch told.
WATCH = """async (apiKey) => {
  const { Vidpoll } = await import("/vidpoll.js");
  const client = new Vidpoll({ apiKey });
  const request = { provider: "runware", model: "google:3@3", prompt: "a lion at dawn" };
  const { id } = await client.submit(request);
  window.told = { updates: [], completed: [], errors: [] };
  window.watch = client.watch(id, {
    onUpdate: (one) => told.updates.push({ ...one, mode: watch.mode }),
    onComplete: (one) => told.completed.push(one),
    onError: (error) => told.errors.push(error.code),
  });
  window.again = () => new Promise((onComplete) => client.watch(id, { onComplete }));
}"""


@pytest.fixture
def screen(visit: Callable[..., Screen], alice: Caller) -> Screen:
    """The page without a key: it asks the API for nothing itself."""
    return visit(alice.url)


def completed(screen: Screen) -> list[dict[str, Any]]:
    """The updates of a watch that was completed once, and was told nothing after it."""
    until(lambda: screen.page.evaluate("told.completed.length"))
    after = screen.page.evaluate("again()")
    told = screen.page.evaluate("told")
    assert [one["id"] for one in told["completed"]] == [after["id"]]
    assert told["completed"][0]["status"] == after["status"] == "completed"
    assert told["completed"][0]["video_url"] == after["video_url"]
    assert told["updates"][-1]["status"] == "completed"
    versions = [one["version"] for one in told["updates"]]
    assert versions == sorted(set(versions))
    assert screen.page.evaluate("watch.mode") == "ended"
    return list(told["updates"])


def test_a_watch_tells_every_change_and_the_end_once(stack: Stack, screen: Screen, alice: Caller):
    screen.page.evaluate(WATCH, alice.key)

    updates = completed(screen)

    assert len({one["progress"] for one in updates}) > 3
    assert {one["mode"] for one in updates[:-1]} == {"events"}
    assert screen.page.evaluate("told.errors") == []


def test_without_event_streams_a_watch_polls(stack: Stack, screen: Screen, alice: Caller):
    takes(stack, 4)
    screen.expect_complaints("net::ERR_FAILED")
    screen.page.route("**/v1/generations/*/events", lambda route: route.abort())

    screen.page.evaluate(WATCH, alice.key)

    updates = completed(screen)
    assert {one["mode"] for one in updates[:-1]} == {"polling"}
    assert screen.page.evaluate("told.errors") == ["network"]


def test_a_watch_goes_back_to_events_when_they_work_again(stack: Stack, screen: Screen, alice: Caller):
    takes(stack, 10)
    screen.expect_complaints("net::ERR_FAILED")
    screen.page.route("**/v1/generations/*/events", lambda route: route.abort(), times=1)

    screen.page.evaluate(WATCH, alice.key)

    modes = list(dict.fromkeys(one["mode"] for one in completed(screen)[:-1]))
    assert modes == ["polling", "events"]
