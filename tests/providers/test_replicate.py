"""What is Replicate's own: its words, its cancel, and finding a submit of unknown outcome in its list."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.providers.subject import Subject, adapter, sent
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import (
    Ambiguous,
    CancelAccepted,
    Cancelled,
    CannotCancel,
    Failed,
    FailureClass,
    Listed,
    NotFound,
    Operation,
    Pending,
    RateLimited,
    Ready,
    Refused,
    Submitted,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers.http import RETRY_AFTER_CAP_S, Answer
from vidpoll.providers.replicate import _cancelled, _listed, _outcome, _submitted
from vidpoll.simulator import Simulator, World, replicate

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
DATE = {"date": "Sat, 21 Nov 2026 12:00:00 GMT"}
THROTTLED = {"detail": "Request was throttled. Your rate limit resets in ~30s."}
NOT_YET = Pending(stage="done at the provider, the video is not there yet")
GONE = Failed("output_gone", "Replicate made the video and has removed it, as it does an hour after the end")
ASKED = GenerationRequest(
    provider="replicate", model="google/veo-3", prompt="a lion", params={"duration": 8}, id=uuid.uuid4()
)
SENT = sent(ASKED, around=NOW)


def said(status: int, body: object, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, json.dumps(body).encode())


@pytest.fixture
def subject(world: World, simulator: Simulator, tmp_path: Path) -> Subject:
    return Subject("replicate", adapter("replicate", tmp_path, simulator.url), world)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(201, {"id": "p1", "status": "starting"}), Submitted("p1")),
        (said(202, {"id": "p1", "status": "starting"}), Submitted("p1")),
        (said(201, {"status": "starting"}), Ambiguous("HTTP 201 without a prediction's id: HTTP 201 without a word")),
        (said(500, {"detail": "oops"}), Ambiguous("HTTP 500 without a prediction's id: oops")),
        (said(408, {}), Ambiguous("HTTP 408 without a prediction's id: HTTP 408 without a word")),
        (said(302, {}), Ambiguous("HTTP 302 without a prediction's id: HTTP 302 without a word")),
        (said(422, {"detail": "duration is wrong"}), Refused("invalid_input", "duration is wrong")),
        (said(404, {"title": "Not found"}), Refused("model_not_found", "Not found")),
        (said(400, {"detail": "no"}), Refused("invalid_request", "no")),
        (said(405, {"detail": "no"}), Refused("refused", "no")),
        (said(401, {"detail": "who?"}), Unauthorized("who?")),
        (said(402, {"detail": "pay"}), Unauthorized("pay")),
        (said(403, {"detail": "no"}), Unauthorized("no")),
        (said(429, THROTTLED), RateLimited(30.0)),
        (said(429, THROTTLED, {"retry-after": "7"}), RateLimited(7.0)),
        (said(429, {"detail": "Your rate limit resets in ~99999s."}), RateLimited(RETRY_AFTER_CAP_S)),
        (said(429, {"detail": "Your rate limit resets in ~1.2.3s."}), RateLimited(None)),
        (said(429, {}), RateLimited(None)),
    ],
)
def test_every_answer_to_a_submit_is_understood(answer: Answer, outcome: object):
    assert _submitted(answer) == outcome


def done(output: object, **more: object) -> Answer:
    return said(200, {"id": "p1", "status": "succeeded", "output": output, **more}, DATE)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(200, {"status": "starting"}), Pending(stage="starting")),
        (said(200, {"status": "queued"}), Pending(stage="queued")),
        (said(200, {"status": "processing", "logs": " 40%|####      | 4/10"}), Pending(40)),
        (said(200, {"status": "processing", "logs": "10%\n 25%\nat 70 percent"}), Pending(25)),
        (said(200, {"status": "processing", "logs": "999%"}), Pending(100)),
        (said(200, {"status": "processing", "logs": None}), Pending()),
        (said(200, {"status": "processing", "logs": "loading"}), Pending()),
        (done("https://r/1.mp4"), Ready(("https://r/1.mp4",))),
        (done(["https://r/1.mp4", "https://r/2.mp4"]), Ready(("https://r/1.mp4", "https://r/2.mp4"))),
        (done(None, completed_at="2026-11-21T11:00:01Z"), NOT_YET),
        (done([], completed_at="2026-11-21T11:00:01Z"), NOT_YET),
        (done(None, completed_at="rubbish"), NOT_YET),
        (done(None), NOT_YET),
        (done(None, completed_at="2026-11-21T10:59:59.5Z"), GONE),
        (done(None, completed_at="2026-11-21T11:59:59Z", data_removed=True), GONE),
        (
            said(200, {"status": "failed", "error": "The input or output was flagged as sensitive."}),
            Failed("content_filtered", "The input or output was flagged as sensitive."),
        ),
        (said(200, {"status": "failed", "error": "NSFW content"}), Failed("content_filtered", "NSFW content")),
        (said(200, {"status": "failed", "error": "CUDA out of memory"}), Failed("failed", "CUDA out of memory")),
        (said(200, {"status": "failed", "error": None}), Failed("failed", "Replicate says no more than failed")),
        (said(200, {"status": "canceled"}), Cancelled()),
        (
            said(200, {"status": "aborted"}),
            Failed("aborted", "Replicate gave it up before it began", retryable=True),
        ),
        (
            said(200, {"status": "paused"}),
            Unreachable("unknown status 'paused'", FailureClass.UNKNOWN_STATUS),
        ),
        (
            said(200, {"status": 7}),
            Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE),
        ),
        (said(404, {"detail": "Not here."}), NotFound("Not here.")),
        (said(402, {"detail": "pay"}), Unauthorized("pay")),
        (said(429, THROTTLED), RateLimited(30.0)),
        (said(503, {"detail": "later"}), Unreachable("HTTP 503: later", FailureClass.SERVER_ERROR)),
    ],
)
def test_every_answer_to_a_check_is_understood(answer: Answer, outcome: object):
    assert _outcome(answer) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(200, {"status": "canceled"}), Cancelled()),
        (said(200, {"status": "starting"}), CancelAccepted()),
        (said(200, {"status": "processing"}), CancelAccepted()),
        (said(200, {"status": "succeeded"}), CannotCancel("it has ended already: succeeded")),
        (said(200, {"status": "failed"}), CannotCancel("it has ended already: failed")),
        (said(200, {"status": "paused"}), Unreachable("unknown status 'paused'", FailureClass.UNKNOWN_STATUS)),
        (said(404, {"detail": "Not here."}), CannotCancel("Not here.")),
        (said(409, {"detail": "Too late."}), CannotCancel("Too late.")),
        (said(422, {"detail": "No."}), CannotCancel("No.")),
        (said(403, {"detail": "no"}), Unauthorized("no")),
        (said(429, THROTTLED), RateLimited(30.0)),
        (said(408, {}), Unreachable("HTTP 408: HTTP 408 without a word", FailureClass.SERVER_ERROR)),
        (said(500, {"detail": "oops"}), Unreachable("HTTP 500: oops", FailureClass.SERVER_ERROR)),
    ],
)
def test_every_answer_to_a_cancel_is_understood(answer: Answer, outcome: object):
    assert _cancelled(answer) == outcome


def test_what_cannot_be_sent_is_told_before(subject: Subject):
    wrong = ASKED.model_copy(update={"model": "../veo", "params": {"prompt": "x", "duration": 8}})

    assert subject.provider.problems(wrong) == [
        "model: '../veo' is not of the form owner/name",
        "params.prompt: is set by vidpoll",
    ]
    assert subject.provider.problems(ASKED) == []


def test_a_running_prediction_tells_its_progress(world: World, subject: Subject):
    world.durations.median_s = 1000
    world.clock = lambda: 1_800_000_000.0
    operation = subject.submitted()
    assert subject.check(operation) == Pending(stage="starting")

    world.clock = lambda: 1_800_000_500.0
    assert subject.check(operation) == Pending(50)


def test_a_video_that_was_not_fetched_within_the_hour_is_gone(world: World, subject: Subject):
    world.clock = lambda: 1_800_000_000.0
    operation = subject.submitted()

    world.clock = lambda: 1_800_003_599.0
    assert isinstance(subject.check(operation), Ready)
    world.clock = lambda: 1_800_003_700.0
    assert subject.check(operation) == GONE


# -- cancelling --------------------------------------------------------------------------------------------------------


def test_a_running_prediction_is_cancelled_and_stays_charged(world: World, subject: Subject):
    world.durations.median_s = 1000
    operation = subject.submitted()

    assert subject.provider.cancel(operation) == Cancelled()
    assert subject.check(operation) == Cancelled()
    assert (world.report()["cancelled"], world.report()["charged"]) == (1, 1)


def test_a_cancel_that_comes_too_late_changes_nothing(world: World, subject: Subject):
    operation = subject.submitted()

    assert isinstance(subject.provider.cancel(operation), CannotCancel)
    assert isinstance(subject.check(operation), Ready)
    assert world.report()["cancelled"] == 0


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("cancel_refused", CannotCancel("The prediction cannot be canceled.")),
        ("cancel_500", Unreachable("HTTP 500: Something went wrong.", FailureClass.SERVER_ERROR)),
        ("cancel_ignored", CancelAccepted()),
    ],
)
def test_a_cancel_the_vendor_does_not_follow_leaves_the_prediction_running(
    world: World, subject: Subject, fault: str, outcome: object
):
    world.durations.median_s = 1000
    operation = subject.submitted()
    setattr(world.faults, fault, 1)

    assert subject.provider.cancel(operation) == outcome
    assert isinstance(subject.check(operation), Pending)


def test_an_unknown_prediction_cannot_be_cancelled(subject: Subject):
    assert isinstance(subject.provider.cancel(Operation("nobody's")), CannotCancel)


# -- finding a submit of unknown outcome -------------------------------------------------------------------------------


def listed(*changes: dict[str, Any], following: object = None) -> Answer:
    like_it = {"id": "p1", "model": ASKED.model, "input": {"duration": 8, "prompt": "a lion"}, "created_at": NOW}
    return said(200, {"next": following, "results": [json_ready({**like_it, **one}) for one in changes]})


def json_ready(prediction: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, datetime) else value for name, value in prediction.items()}


@pytest.mark.parametrize(
    ("prediction", "fits"),
    [
        ({}, True),
        ({"status": "canceled"}, True),
        ({"model": "google/veo-3-fast"}, False),
        ({"input": {"duration": 8, "prompt": "a lioness"}}, False),
        ({"input": {"duration": 6, "prompt": "a lion"}}, False),
        ({"input": {"duration": 8, "prompt": "a lion", "seed": 7}}, False),
        ({"input": {"prompt": "a lion"}}, False),
        ({"input": None}, False),
        ({"created_at": SENT.after}, True),
        ({"created_at": SENT.before}, True),
        ({"created_at": SENT.before + timedelta(microseconds=1)}, False),
        ({"created_at": SENT.after - timedelta(microseconds=1)}, False),
        ({"created_at": "2026-11-21T12:00:00.123456Z"}, True),
        ({"created_at": "some day"}, True),
        ({"created_at": None}, True),
        ({"id": None}, False),
    ],
)
def test_a_prediction_fits_by_model_input_and_time(prediction: dict, fits: bool):
    assert _listed(listed(prediction), SENT) == Listed(("p1",) if fits else ())


def test_all_that_fit_are_told():
    assert _listed(listed({}, {"id": "p2"}, {"id": "p3", "model": "x/y"}), SENT) == Listed(("p1", "p2"))


@pytest.mark.parametrize(
    ("following", "cursor"),
    [
        ("https://api.replicate.com/v1/predictions?cursor=cD0y%3D", "cD0y="),
        ("https://thief.example/v1/predictions?cursor=cD0y", "cD0y"),
        ("//[thief/predictions?cursor=cD0y", None),
        ("https://api.replicate.com/v1/predictions", None),
        (7, None),
        (None, None),
    ],
)
def test_of_the_next_page_only_the_cursor_is_taken(following: object, cursor: str | None):
    assert _listed(listed({}, following=following), SENT).cursor == cursor


def test_the_list_ends_where_it_is_older_than_the_submit():
    following = "https://api.replicate.com/v1/predictions?cursor=x"
    before_it = {"id": "old", "created_at": SENT.after - timedelta(seconds=1)}

    assert _listed(listed({}, before_it, following=following), SENT) == Listed(("p1",))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(401, {"detail": "who?"}), Unauthorized("who?")),
        (said(429, THROTTLED), RateLimited(30.0)),
        (said(500, {}), Unreachable("HTTP 500: HTTP 500 without a word", FailureClass.SERVER_ERROR)),
        (said(404, {"detail": "no"}), Unreachable("HTTP 404: no", FailureClass.SERVER_ERROR)),
        (
            said(200, {"results": None}),
            Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE),
        ),
    ],
)
def test_an_answer_without_a_list_says_nothing_of_the_submit(answer: Answer, outcome: object):
    assert _listed(answer, SENT) == outcome


def test_a_lost_submit_is_found_among_others(world: World, subject: Subject):
    world.faults.submit_cut_after = 1
    request = subject.request(params={"duration": 8, "image": None, "seed": 7})
    assert isinstance(subject.provider.submit(request, request.id, replay=False), Ambiguous)
    world.faults.submit_cut_after = 0
    subject.submitted(prompt="another lion")

    found = subject.provider.look_up(sent(request), None)

    [lost] = [job["name"] for job in world.jobs() if job["request"]["prompt"] == request.prompt]
    assert found == Listed((lost,))
    assert subject.provider.look_up(sent(subject.request(prompt="never sent")), None) == Listed(())


def test_the_list_is_read_page_by_page_as_far_back_as_the_submit(world: World, subject: Subject):
    began = datetime.now(UTC)
    names = [_taken(world, began + timedelta(seconds=second)) for second in range(5 * replicate.PAGE)]
    looked_for = sent(subject.request(), around=began + timedelta(seconds=350))

    pages, cursor = [], None
    while not pages or cursor:
        page = subject.provider.look_up(looked_for, cursor)
        assert isinstance(page, Listed)
        cursor = page.cursor
        pages.append(page.fitting)

    assert [len(page) for page in pages] == [11, 100, 10]
    assert [name for page in pages for name in page] == names[410:289:-1]


def test_a_look_up_of_another_account_finds_nothing(world: World, subject: Subject):
    _taken(world, datetime.now(UTC), key="key-of-others")

    assert subject.provider.look_up(sent(subject.request()), None) == Listed(())


def _taken(world: World, moment: datetime, key: str = "key-replicate") -> str:
    world.clock = moment.timestamp
    asked = {"prompt": "a lion"}
    return world.accept(key, "google/veo-3-fast", samples=1, reference="r", name=lambda id: id.hex, request=asked).name
