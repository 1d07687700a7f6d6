"""What is Replicate's own: its words, and its cancel."""

import pytest
import requests

from tests.providers.subject import Subject, said, subject_of
from vidpoll.providers.http import RETRY_AFTER_CAP_S, Answer
from vidpoll.providers.outcomes import (
    Ambiguous,
    CancelAccepted,
    Cancelled,
    CannotCancel,
    Failed,
    FailureClass,
    NotFound,
    Pending,
    RateLimited,
    Ready,
    Refused,
    Submitted,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers.vendors.replicate import _cancelled, _outcome, _submitted
from vidpoll.simulator import Simulator, World

DATE = {"date": "Sat, 21 Nov 2026 12:00:00 GMT"}
THROTTLED = {"detail": "Request was throttled. Your rate limit resets in ~30s."}
NOT_YET = Pending(stage="done at the provider, the result is not there yet")
GONE = Failed("output_gone", "Replicate made it and has removed it, as it does an hour after the end")


@pytest.fixture
def subject(world: World, simulator: Simulator) -> Subject:
    return subject_of("replicate", world)


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
        (said(200, {"status": "starting"}), Pending(stage="starting", queued=True)),
        (said(200, {"status": "queued"}), Pending(stage="queued", queued=True)),
        (said(200, {"status": "processing", "logs": " 40%|####      | 4/10"}), Pending(40)),
        (said(200, {"status": "processing", "logs": "10%\n 25%\nat 70 percent"}), Pending(25)),
        (said(200, {"status": "processing", "logs": "999%"}), Pending(100)),
        (said(200, {"status": "processing", "logs": None}), Pending()),
        (said(200, {"status": "processing", "logs": "loading"}), Pending()),
        (done("https://r/1.mp4"), Ready(("https://r/1.mp4",), content_type="video/mp4")),
        (
            done(["https://r/1.mp4", "https://r/2.mp4"]),
            Ready(("https://r/1.mp4", "https://r/2.mp4"), content_type="video/mp4"),
        ),
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
    wrong = subject.request(model="../veo", params={"prompt": "x", "duration": 8})

    assert subject.provider.problems(wrong) == [
        "model: '../veo' is not of the form owner/name",
        "params.prompt: is set by vidpoll",
    ]
    assert subject.provider.problems(subject.request(params={"duration": 8})) == []


def processing(**more: object) -> Answer:
    return said(200, {"id": "p1", "status": "processing", **more}, DATE)


@pytest.mark.parametrize(
    ("started_at", "running_s"),
    [
        ("2026-11-21T11:59:00Z", 60.0),
        ("2026-11-21T11:59:59.75Z", 0.25),
        ("2026-11-21T12:59:00+01:00", 60.0),
        ("2026-11-21T11:59:00", 60.0),  # without a timezone it is UTC
        ("2026-11-21T12:00:00.9Z", 0.0),  # Date is cut to the second
        ("2026-11-21T12:00:01Z", None),
        ("2026-11-14T12:00:00Z", 7 * 86400.0),
        ("2026-11-14T11:59:59Z", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("2026-02-30T00:00:00Z", None),
        ("a minute ago", None),
        ("", None),
        (None, None),
        (float("nan"), None),
        (1_795_000_000, None),
        ([], None),
    ],
)
def test_how_long_a_prediction_runs_is_told_by_replicates_clock(started_at: object, running_s: float | None):
    assert _outcome(processing(started_at=started_at)) == Pending(running_s=running_s)


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}, {"date": ""}])
def test_without_replicates_clock_nobody_knows_how_long_a_prediction_runs(headers: dict):
    answer = said(200, {"status": "processing", "started_at": "2026-11-21T11:59:00Z"}, headers)

    assert _outcome(answer) == Pending()


@pytest.mark.parametrize(
    ("moments", "queued_s", "run_s"),
    [
        (("2026-11-21T10:00:00Z", "2026-11-21T10:00:04.5Z", "2026-11-21T10:01:05.5Z"), 4.5, 61.0),
        (("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"), 0.0, 0.0),
        (("2026-11-21T10:00:00", "2026-11-21T10:00:04Z", "2026-11-21T12:00:05+02:00"), 4.0, 1.0),
        (("2026-11-21T10:00:05Z", "2026-11-21T10:00:04Z", "2026-11-21T10:00:03Z"), None, None),
        (("2026-11-01T10:00:00Z", "2026-11-21T10:00:00Z", "9999-12-31T23:59:59Z"), None, None),
        (("2026-11-21T10:00:00Z", None, "2026-11-21T10:00:05Z"), None, None),
        (("soon", "2026-11-21T10:00:00Z", "2026-11-21T10:00:05Z"), None, 5.0),
        ((1_795_000_000, float("nan"), {}), None, None),
    ],
)
def test_how_long_a_prediction_waited_and_ran_is_told_if_it_can_be(
    moments: tuple, queued_s: float | None, run_s: float | None
):
    created, started, completed = moments

    ready = _outcome(done("https://r/1.mp4", created_at=created, started_at=started, completed_at=completed))

    assert ready == Ready(("https://r/1.mp4",), queued_s=queued_s, run_s=run_s, content_type="video/mp4")


def test_a_prediction_waits_then_runs_and_tells_its_times(world: World, subject: Subject):
    world.durations.median_s, world.durations.queue_s = 1000, 300
    now = 1_800_000_000.0
    world.clock = lambda: now
    operation = subject.submitted()
    (job,) = world.jobs()
    assert job["starts_at"] > now + 1
    assert subject.check(operation) == Pending(stage="starting", queued=True)

    now = job["starts_at"] + 500.5
    seen = subject.check(operation)
    assert isinstance(seen, Pending)
    assert (seen.progress, seen.stage, seen.queued) == (50, "processing", False)
    assert seen.running_s == pytest.approx(500, abs=1)  # Date is cut to the second

    now = job["ready_at"]
    ready = subject.check(operation)
    assert isinstance(ready, Ready)
    assert ready.queued_s == pytest.approx(job["starts_at"] - job["accepted_at"], abs=0.001)
    assert ready.run_s == pytest.approx(1000, abs=0.001)


def test_a_prediction_cancelled_while_it_waits_never_began(world: World, subject: Subject):
    world.durations.median_s, world.durations.queue_s = 1000, 300
    world.clock = lambda: 1_800_000_000.0
    operation = subject.submitted()

    assert subject.provider.cancel(operation) == Cancelled()

    headers = {"Authorization": "Bearer key-replicate"}
    url = f"{world.address}/replicate/v1/predictions/{operation.name}"
    prediction = requests.get(url, headers=headers, timeout=5).json()
    assert (prediction["status"], prediction["started_at"], prediction["metrics"]) == ("canceled", None, {})
    assert prediction["completed_at"] is not None


def test_a_prediction_that_does_not_wait_runs_at_once(world: World, subject: Subject):
    world.durations.median_s = 1000
    world.clock = lambda: 1_800_000_000.0
    operation = subject.submitted()

    assert subject.check(operation) == Pending(0, running_s=0.0)


def test_a_video_that_was_not_fetched_within_the_hour_is_gone(world: World, subject: Subject):
    world.clock = lambda: 1_800_000_000.0
    operation = subject.submitted()

    world.clock = lambda: 1_800_003_599.0
    assert isinstance(subject.check(operation), Ready)
    world.clock = lambda: 1_800_003_700.0
    assert subject.check(operation) == GONE


# -- cancelling --------------------------------------------------------------------------------------------------------
