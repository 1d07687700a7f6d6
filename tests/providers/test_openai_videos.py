"""What is the Videos API's own: results without a URL, that need the key and are kept for an hour."""

import pytest
import requests

from tests.providers.subject import Subject, said, subject_of
from vidpoll.providers.base import Operation
from vidpoll.providers.http import Answer
from vidpoll.providers.outcomes import (
    Ambiguous,
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
from vidpoll.providers.vendors.openai_videos import NEEDS_KEY, _outcome, _submitted
from vidpoll.simulator import Simulator, World

DATE = {"date": "Sat, 21 Nov 2026 12:00:00 GMT"}
NOW = 1_795_262_400
CONTENT = "https://gateway/v1/videos/v/content"
READY = Ready((CONTENT,), notes=(NEEDS_KEY,))
GONE = Failed("output_gone", "the video was made and has been removed, as it is an hour after the end")


def error(code: str | None, message: str = "no") -> dict:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


@pytest.fixture
def subject(world: World, simulator: Simulator) -> Subject:
    return subject_of("openai_videos", world)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(200, {"id": "video_1", "status": "queued"}), Submitted("video_1")),
        (said(201, {"id": "video_1"}), Submitted("video_1")),
        (said(200, {"object": "video"}), Ambiguous("HTTP 200 without a video's id: HTTP 200 without a word")),
        (said(200, error("server_error", "oops")), Ambiguous("HTTP 200 without a video's id: oops")),
        (said(503, error("server_error", "oops")), Ambiguous("HTTP 503 without a video's id: oops")),
        (said(408, {}), Ambiguous("HTTP 408 without a video's id: HTTP 408 without a word")),
        (said(400, error("invalid_type")), Refused("invalid_type", "no")),
        (said(400, error("moderation_blocked")), Refused("content_filtered", "no")),
        (said(400, error(None)), Refused("invalid_request", "no")),
        (said(404, error(None, "gone")), Refused("model_not_found", "gone")),
        (said(404, error("model_not_found", "gone")), Refused("model_not_found", "gone")),
        (said(405, {"error": "no"}), Refused("refused", "HTTP 405 without a word")),
        (said(401, error("invalid_api_key")), Unauthorized("no")),
        (said(402, {}), Unauthorized("HTTP 402 without a word")),
        (said(403, error("unverified")), Unauthorized("no")),
        (said(429, error("rate_limit_exceeded"), {"retry-after-ms": "1500"}), RateLimited(1.5)),
        (said(429, {}), RateLimited(None)),
        (said(429, error("insufficient_quota"), {"retry-after": "1"}), Unauthorized("no")),
        (said(400, error("billing_hard_limit_reached")), Unauthorized("no")),
    ],
)
def test_every_answer_to_a_submit_is_understood(answer: Answer, outcome: object):
    assert _submitted(answer) == outcome


def completed(**more: object) -> Answer:
    return said(200, {"id": "v", "status": "completed", "progress": 100, "created_at": NOW - 5000, **more}, DATE)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(200, {"status": "queued", "progress": 0}), Pending(stage="queued", queued=True)),
        (said(200, {"status": "in_progress", "progress": 33}), Pending(33, "in_progress")),
        (said(200, {"status": "in_progress", "progress": 33.9}), Pending(33, "in_progress")),
        (said(200, {"status": "in_progress", "progress": 101}), Pending(None, "in_progress")),
        (said(200, {"status": "in_progress", "progress": float("nan")}), Pending(None, "in_progress")),
        (said(200, {"status": "in_progress", "progress": "33"}), Pending(None, "in_progress")),
        (said(200, {"status": "in_progress"}), Pending(None, "in_progress")),
        (completed(), READY),
        (completed(expires_at=NOW), READY),
        (completed(expires_at=NOW - 1), GONE),
        (completed(expires_at=3600), READY),  # no moment after the request: a gateway's invention
        (completed(expires_at=0), READY),
        (completed(expires_at=None), READY),
        (completed(expires_at="soon"), READY),
        (completed(expires_at=NOW - 1, created_at=None), READY),
        (
            said(200, {"status": "completed", "created_at": 1, "expires_at": 2}),
            READY,
        ),  # without a clock of the vendor's
        (
            said(200, {"status": "failed", **error("moderation_blocked", "blocked")}),
            Failed("content_filtered", "blocked"),
        ),
        (said(200, {"status": "failed", **error("video_generation_failed")}), Failed("video_generation_failed", "no")),
        (said(200, {"status": "failed", "error": None}), Failed("failed", "failed")),
        (said(200, {"status": "cancelled"}), Unreachable("unknown status 'cancelled'", FailureClass.UNKNOWN_STATUS)),
        (
            said(200, {"id": "v"}),
            Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE),
        ),
        (said(404, error("not_found")), NotFound("no")),
        (said(401, error("invalid_api_key")), Unauthorized("no")),
        (said(429, error("insufficient_quota")), Unauthorized("no")),
        (said(429, {}, {"retry-after": "7"}), RateLimited(7.0)),
        (said(500, error("server_error", "oops")), Unreachable("HTTP 500: oops", FailureClass.SERVER_ERROR)),
    ],
)
def test_every_answer_to_a_check_is_understood(answer: Answer, outcome: object):
    assert _outcome(answer, CONTENT) == outcome


def test_a_video_is_downloaded_with_the_accounts_key_only(subject: Subject, world: World):
    ready = subject.check(subject.submitted())

    assert isinstance(ready, Ready)
    [url] = ready.videos
    assert (url.rpartition("/")[2], ready.notes) == ("content", (NEEDS_KEY,))
    assert _download(url, "key-openai_videos").headers["Content-Type"] == "video/webm"
    assert _download(url, "other").status_code == 404
    assert requests.get(url, timeout=5).status_code == 401
    assert world.report()["status_calls"] == 1, "a download is no look"


def test_a_video_that_was_not_fetched_within_the_hour_is_gone(subject: Subject, world: World):
    world.clock = lambda: 1_800_000_000.0
    operation = subject.submitted()
    world.clock = lambda: 1_800_003_599.0
    ready = subject.check(operation)
    assert isinstance(ready, Ready)

    world.clock = lambda: 1_800_003_700.0

    assert _download(ready.videos[0], "key-openai_videos").status_code == 404
    assert subject.check(operation) == GONE


def test_the_simulator_says_when_to_look_again(subject: Subject, world: World):
    world.durations.median_s, world.durations.scale = 1e9, 2.0

    pending = subject.check(subject.submitted())

    assert isinstance(pending, Pending)
    assert pending.poll_after_s == 2.0


def test_seconds_that_are_no_string_are_told_before(subject: Subject):
    wrong = subject.request(params={"seconds": 8, "prompt": "x"})

    assert subject.provider.problems(wrong) == [
        "params.prompt: is set by vidpoll",
        'params.seconds: must be a string, as "8"',
    ]
    assert subject.provider.problems(subject.request(params={"seconds": "8", "size": "1280x720"})) == []
    refused = subject.provider.submit(wrong, wrong.id, replay=False)
    assert refused == Refused("invalid_type", "Invalid type for 'seconds': expected a string.")


def test_an_id_is_quoted_in_the_path_and_in_the_url(subject: Subject):
    outcome = subject.check(Operation("../models?x"))

    assert isinstance(outcome, NotFound)
    assert "'..%2Fmodels%3Fx'" in outcome.reason


def _download(url: str, key: str) -> requests.Response:
    return requests.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=5)
