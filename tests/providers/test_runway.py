"""What is Runway's own: its endpoints, its version, its words, and a cancel that deletes."""

import uuid

import pytest
import requests

from tests.providers.subject import followed, pass_by, said, subject_of
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import Operation, Provider
from vidpoll.providers.http import Answer
from vidpoll.providers.outcomes import (
    Ambiguous,
    Cancelled,
    CannotCancel,
    CheckOutcome,
    Failed,
    FailureClass,
    NotFound,
    Pending,
    RateLimited,
    Ready,
    Refused,
    SubmitOutcome,
    Submitted,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers.vendors.runway import _cancelled, _left_alone, _outcome, _submitted
from vidpoll.simulator import Simulator, World

MODEL = "veo3.1_fast"
URL = "https://r/1.mp4"
NO_VIDEO = Pending(stage="succeeded at the provider, the result is not there yet")


@pytest.fixture
def runway(world: World, simulator: Simulator) -> Provider:
    return subject_of("runway", world).provider


def asked(model: str = MODEL, prompt: str = "a lion", **params: object) -> GenerationRequest:
    sizes = {} if "upscale" in model else {"ratio": "1280:720", "duration": 8}
    return GenerationRequest(provider="runway", model=model, prompt=prompt, params={**sizes, **params}, id=uuid.uuid4())


def submit(runway: Provider, request: GenerationRequest) -> SubmitOutcome:
    return runway.submit(request, request.id, replay=False)


def submitted(runway: Provider, **changes: object) -> Operation:
    outcome = submit(runway, asked(**changes))
    assert isinstance(outcome, Submitted), outcome
    return Operation(outcome.operation_name)


def check(runway: Provider, operation: Operation) -> CheckOutcome:
    return followed(runway.check([operation])[operation.name])


def task(status: object, **more: object) -> Answer:
    return said(200, {"id": "t", "status": status, "createdAt": "2026-11-21T12:00:00Z", **more})


# -- its words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(200, {"id": "t", "estimatedCost": {"credits": 60}}), Submitted("t")),
        (said(201, {"id": "t"}), Submitted("t")),
        (said(200, {}), Ambiguous("HTTP 200 without a task's id: HTTP 200 without a word")),
        (said(200, {"id": 7}), Ambiguous("HTTP 200 without a task's id: HTTP 200 without a word")),
        (said(502, {"error": "shedding load"}), Ambiguous("HTTP 502 without a task's id: shedding load")),
        (said(408, {"error": "slow"}), Ambiguous("HTTP 408 without a task's id: slow")),
        (said(302, {}), Ambiguous("HTTP 302 without a task's id: HTTP 302 without a word")),
        (said(400, {"error": "ratio is required"}), Refused("invalid_request", "ratio is required")),
        (said(404, {"error": "Not found."}), Refused("model_not_found", "Not found.")),
        (said(405, {}), Refused("refused", "HTTP 405 without a word")),
        (said(401, {"error": "who?"}), Unauthorized("who?")),
        (said(403, {"error": "no"}), Unauthorized("no")),
        (
            said(400, {"error": "You do not have enough credits to run this task."}),
            Unauthorized("You do not have enough credits to run this task."),
        ),
        (said(429, {"error": "daily"}), RateLimited(None)),
        (said(429, {}, {"retry-after": "7"}), RateLimited(7.0)),
    ],
)
def test_every_answer_to_a_submit_is_understood(answer: Answer, outcome: object):
    assert _submitted(answer) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (task("PENDING"), Pending(stage="pending", queued=True)),
        (task("THROTTLED"), Pending(stage="throttled", queued=True)),
        (task("RUNNING", progress=0.42), Pending(42, stage="running")),
        (task("RUNNING", progress=0), Pending(0, stage="running")),
        (task("RUNNING", progress=1), Pending(100, stage="running")),
        (task("RUNNING", progress=42.7), Pending(42, stage="running")),
        (task("RUNNING", progress=1e9), Pending(100, stage="running")),
        (task("RUNNING", progress=-1), Pending(None, stage="running")),
        (task("RUNNING", progress=float("nan")), Pending(None, stage="running")),
        (task("RUNNING", progress=float("inf")), Pending(100, stage="running")),
        (task("RUNNING", progress="0.4"), Pending(None, stage="running")),
        (task("RUNNING", progress=True), Pending(None, stage="running")),
        (task("RUNNING"), Pending(None, stage="running")),
        (task("SUCCEEDED", output=[URL], cost={"credits": 60}), Ready((URL,), cost=0.6, content_type="video/mp4")),
        (task("SUCCEEDED", output=[URL, "https://r/2.mp4"]), Ready((URL, "https://r/2.mp4"), content_type="video/mp4")),
        (task("SUCCEEDED", output=[URL], cost={"credits": float("inf")}), Ready((URL,), content_type="video/mp4")),
        (task("SUCCEEDED", output=[URL], cost=7), Ready((URL,), content_type="video/mp4")),
        (task("SUCCEEDED", output=[]), NO_VIDEO),
        (task("SUCCEEDED", output=None), NO_VIDEO),
        (task("SUCCEEDED", output=[""]), NO_VIDEO),
        (
            task("FAILED", failure="no", failureCode="SAFETY.INPUT.TEXT"),
            Failed("content_filtered", "SAFETY.INPUT.TEXT: no"),
        ),
        (task("FAILED", failureCode="SAFETY.OUTPUT.VIDEO"), Failed("content_filtered", "SAFETY.OUTPUT.VIDEO")),
        (
            task("FAILED", failure="no", failureCode="INPUT_PREPROCESSING.SAFETY.TEXT"),
            Failed("content_filtered", "INPUT_PREPROCESSING.SAFETY.TEXT: no"),
        ),
        (
            task("FAILED", failure="poor", failureCode="INTERNAL.BAD_OUTPUT.CODE01"),
            Failed("INTERNAL.BAD_OUTPUT.CODE01", "poor", retryable=True),
        ),
        (task("FAILED", failure="bad", failureCode="ASSET.INVALID"), Failed("ASSET.INVALID", "bad")),
        (task("FAILED", failure="An unexpected error"), Failed("failed", "An unexpected error")),
        (task("FAILED"), Failed("failed", "Runway says no more than failed")),
        (task("CANCELLED", cost={"credits": 0}), Cancelled()),
        (task("RESTING"), Unreachable("unknown status 'RESTING'", FailureClass.UNKNOWN_STATUS)),
        (
            task(7),
            Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE),
        ),
        (said(404, {"error": "Task not found."}), NotFound("Task not found.")),
        (said(401, {"error": "who?"}), Unauthorized("who?")),
        (said(429, {}, {"retry-after": "7"}), RateLimited(7.0)),
        (said(503, {"error": "later"}), Unreachable("HTTP 503: later", FailureClass.SERVER_ERROR)),
        (said(400, {"error": "no id"}), Unreachable("HTTP 400: no id", FailureClass.SERVER_ERROR)),
    ],
)
def test_every_answer_to_a_check_is_understood(answer: Answer, outcome: object):
    assert _outcome(answer) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(204, {}, b""), Cancelled()),
        (Answer(200, {}, b"<html>"), Unreachable("HTTP 200 with HTML in place of JSON", FailureClass.UNREADABLE)),
        (said(404, {"error": "Task not found."}), CannotCancel("Task not found.")),
        (said(403, {"error": "no"}), Unauthorized("no")),
        (said(429, {}), RateLimited(None)),
        (said(408, {"error": "slow"}), Unreachable("HTTP 408: slow", FailureClass.SERVER_ERROR)),
        (said(500, {"error": "oops"}), Unreachable("HTTP 500: oops", FailureClass.SERVER_ERROR)),
    ],
)
def test_every_answer_to_a_delete_is_understood(answer: Answer, outcome: object):
    assert _cancelled(answer) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (task("SUCCEEDED", output=[URL]), CannotCancel("it has ended already: SUCCEEDED")),
        (task("SUCCEEDED", output=[]), CannotCancel("it has ended already: SUCCEEDED")),
        (task("FAILED"), CannotCancel("it has ended already: FAILED")),
        (task("CANCELLED"), Cancelled()),
        (task("RESTING"), Unreachable("unknown status 'RESTING'", FailureClass.UNKNOWN_STATUS)),
        (said(404, {"error": "Task not found."}), CannotCancel("Task not found.")),
        (said(429, {}), RateLimited(None)),
        (said(401, {"error": "who?"}), Unauthorized("who?")),
        (said(500, {"error": "oops"}), Unreachable("HTTP 500: oops", FailureClass.SERVER_ERROR)),
    ],
)
def test_what_is_seen_before_a_cancel_may_be_its_answer(answer: Answer, outcome: object):
    assert _left_alone(answer) == outcome


@pytest.mark.parametrize(
    ("request_", "problems"),
    [
        (asked(), []),
        (asked(promptText="x", seed=7), ["params.promptText: is set by vidpoll"]),
        (asked("gen4_turbo"), ["params.promptImage: gen4_turbo needs it for image_to_video"]),
        (asked("gen4_turbo", promptImage="https://x/1.png"), []),
        (
            asked("magnific_video_upscaler_creative"),
            ["params.videoUri: magnific_video_upscaler_creative needs it for video_upscale"],
        ),
    ],
)
def test_what_cannot_be_sent_is_told_before(runway: Provider, request_: GenerationRequest, problems: list):
    assert runway.problems(request_) == problems


# -- against the simulator ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "endpoint"),
    [
        (asked(), "/text_to_video"),
        (asked(promptImage="https://x/1.png"), "/image_to_video"),
        (asked("gen4_turbo", promptImage="https://x/1.png"), "/image_to_video"),
        (asked("seedance2", promptVideo="https://x/1.mp4"), "/video_to_video"),
        (asked("kling_4", videoUri="https://x/1.mp4"), "/video_to_video"),
        (asked("aleph2", videoUri="https://x/1.mp4"), "/video_to_video"),
        (asked("magnific_video_upscaler_creative", videoUri="https://x/1.mp4", resolution="4k"), "/video_upscale"),
        (asked("enhance_frame_rate", videoUri="https://x/1.mp4", targetFramerate="60"), "/video_upscale"),
    ],
)
def test_a_submit_goes_to_the_endpoint_of_its_input_and_is_charged_once(
    world: World, runway: Provider, request_: GenerationRequest, endpoint: str
):
    assert isinstance(submit(runway, request_), Submitted)

    (job,) = world.jobs()
    prompt = {} if endpoint == "/video_upscale" else {"promptText": "a lion"}
    sent = {**request_.params, **prompt, "model": request_.model}
    assert job["request"] == {"endpoint": endpoint, "body": sent}
    assert (world.report()["charged"], world.report()["submit_calls"]) == (1, 1)


def test_a_task_is_throttled_then_runs_with_progress_then_is_ready(world: World, runway: Provider):
    world.durations.median_s, world.durations.queue_s = 1000, 300
    now = 1_800_000_000.0
    world.clock = lambda: now
    operation = submitted(runway)
    (job,) = world.jobs()
    assert check(runway, operation) == Pending(stage="throttled", queued=True)

    now = job["starts_at"] + 500
    assert check(runway, operation) == Pending(pytest.approx(50, abs=1), stage="running")

    now = job["ready_at"]
    ready = check(runway, operation)
    assert isinstance(ready, Ready)
    assert ready.cost == 0.6
    assert requests.get(ready.videos[0], timeout=5).status_code == 200
    assert world.report()["status_calls"] == 3


def test_a_look_after_the_end_has_a_fresh_url(world: World, runway: Provider):
    operation = submitted(runway)
    expired = check(runway, operation)

    pass_by(world, 48 * 3600)
    fresh = check(runway, operation)

    assert isinstance(expired, Ready)
    assert isinstance(fresh, Ready)
    assert fresh.videos != expired.videos
    assert requests.get(fresh.videos[0], timeout=5).status_code == 200


def test_a_task_is_looked_at_every_five_seconds_at_most(runway: Provider):
    assert runway.capabilities.min_interval_s == 5


def test_calls_name_the_version_of_the_api(runway: Provider, simulator: Simulator):
    headers = {"Authorization": "Bearer key-runway"}
    assert requests.get(f"{simulator.url}/runway/v1/tasks/t", headers=headers, timeout=5).status_code == 400

    assert runway.headers() == {**headers, "X-Runway-Version": "2024-11-06"}


# -- cancelling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue_s", [0, 300])
def test_a_task_under_way_is_cancelled_stays_charged_and_is_not_known_afterwards(
    world: World, runway: Provider, queue_s: float
):
    world.durations.median_s, world.durations.queue_s = 1000, queue_s
    operation = submitted(runway)

    assert followed(runway.cancel(operation)) == Cancelled()
    assert check(runway, operation) == NotFound("Task not found.")
    assert followed(runway.cancel(operation)) == CannotCancel("Task not found.")
    assert (world.report()["cancelled"], world.report()["charged"]) == (1, 1)
