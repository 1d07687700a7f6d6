"""What is Runway's own: its endpoints, its version, its words, and a cancel that deletes."""

import socket
import uuid

import pytest
import requests

from tests.providers.subject import followed, said
from vidpoll.accounts import Account
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import (
    Ambiguous,
    Cancelled,
    CannotCancel,
    CheckOutcome,
    Failed,
    FailureClass,
    NotFound,
    NotSent,
    Operation,
    Pending,
    RateLimited,
    Ready,
    Refused,
    SubmitOutcome,
    Submitted,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers.http import Answer, Http
from vidpoll.providers.vendors.runway import ADAPTER, Runway, _cancelled, _left_alone, _outcome, _submitted
from vidpoll.simulator import Simulator, World

MODEL = "veo3.1_fast"
URL = "https://r/1.mp4"
NO_VIDEO = Pending(stage="succeeded at the provider, the video is not there yet")


def adapter(url: str, key: str = "key-runway") -> Runway:
    account = Account.model_validate(
        {"name": "runway", "provider": "runway", "base_url": f"{url}/runway/v1", "api_key": key, "models": {MODEL: {}}}
    )
    return ADAPTER(account, Http(account.base_url))


@pytest.fixture
def runway(simulator: Simulator) -> Runway:
    return adapter(simulator.url)


def asked(model: str = MODEL, prompt: str = "a lion", **params: object) -> GenerationRequest:
    sizes = {} if "upscale" in model else {"ratio": "1280:720", "duration": 8}
    return GenerationRequest(provider="runway", model=model, prompt=prompt, params={**sizes, **params}, id=uuid.uuid4())


def submit(runway: Runway, request: GenerationRequest) -> SubmitOutcome:
    return runway.submit(request, request.id, replay=False)


def submitted(runway: Runway, **changes: object) -> Operation:
    outcome = submit(runway, asked(**changes))
    assert isinstance(outcome, Submitted), outcome
    return Operation(outcome.operation_name)


def check(runway: Runway, operation: Operation) -> CheckOutcome:
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
        (task("SUCCEEDED", output=[URL], cost={"credits": 60}), Ready((URL,), cost=0.6)),
        (task("SUCCEEDED", output=[URL, "https://r/2.mp4"]), Ready((URL, "https://r/2.mp4"))),
        (task("SUCCEEDED", output=[URL], cost={"credits": float("inf")}), Ready((URL,))),
        (task("SUCCEEDED", output=[URL], cost=7), Ready((URL,))),
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
def test_what_cannot_be_sent_is_told_before(runway: Runway, request_: GenerationRequest, problems: list):
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
    world: World, runway: Runway, request_: GenerationRequest, endpoint: str
):
    assert isinstance(submit(runway, request_), Submitted)

    (job,) = world.jobs()
    prompt = {} if endpoint == "/video_upscale" else {"promptText": "a lion"}
    sent = {**request_.params, **prompt, "model": request_.model}
    assert job["request"] == {"endpoint": endpoint, "body": sent}
    assert (world.report()["charged"], world.report()["submit_calls"]) == (1, 1)


def test_a_task_is_throttled_then_runs_with_progress_then_is_ready(world: World, runway: Runway):
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


def test_several_operations_are_told_apart(runway: Runway):
    operations = [submitted(runway, prompt=f"lion {number}") for number in range(5)]

    outcomes = {name: followed(one) for name, one in runway.check(operations).items()}

    assert len({outcome.videos for outcome in outcomes.values()}) == 5


def test_a_task_is_looked_at_every_five_seconds_at_most(runway: Runway):
    assert runway.capabilities.min_interval_s == 5


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (
            "job_failed",
            Failed("INTERNAL.BAD_OUTPUT.CODE01", "The generation was of poor quality.", retryable=True),
        ),
        (
            "job_filtered",
            Failed("content_filtered", "SAFETY.INPUT.TEXT: The prompt was rejected by content moderation."),
        ),
        ("status_no_url", NO_VIDEO),
        ("status_not_found", NotFound("Task not found.")),
        ("status_unknown_word", Unreachable("unknown status 'DAYDREAMING'", FailureClass.UNKNOWN_STATUS)),
        ("status_unauthorized", Unauthorized("Unauthorized.")),
        ("status_500", Unreachable("HTTP 503: Shedding load.", FailureClass.SERVER_ERROR)),
        ("status_429", RateLimited(1.0)),
    ],
)
def test_what_goes_wrong_is_told_for_what_it_is(world: World, runway: Runway, fault: str, outcome: object):
    setattr(world.faults, fault, 1)

    assert check(runway, submitted(runway)) == outcome


@pytest.mark.parametrize("fault", ["status_cut", "status_html", "status_html_200", "status_empty", "status_truncated"])
def test_a_broken_answer_says_nothing_of_the_task(world: World, runway: Runway, fault: str):
    operation = submitted(runway)
    setattr(world.faults, fault, 1)

    assert isinstance(check(runway, operation), Unreachable)
    assert isinstance(followed(runway.cancel(operation)), Unreachable)


@pytest.mark.parametrize(
    ("fault", "charged"),
    [
        ("submit_cut_before", 0),
        ("submit_500", 0),
        ("submit_cut_after", 1),
        ("submit_500_after", 1),
        ("submit_reset_mid_body", 1),
    ],
)
def test_a_submit_without_an_answer_is_ambiguous_and_not_tried_again(
    world: World, runway: Runway, fault: str, charged: int
):
    setattr(world.faults, fault, 1)

    assert isinstance(submit(runway, asked()), Ambiguous)
    assert (world.report()["submit_calls"], world.report()["charged"]) == (1, charged)


def test_a_submit_that_finds_nobody_was_not_sent():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = submit(adapter(f"http://127.0.0.1:{unused.getsockname()[1]}"), asked())

    assert isinstance(outcome, NotSent)


def test_a_submit_over_the_limit_is_told_when_to_come_again(world: World, runway: Runway):
    world.faults.submit_429, world.faults.retry_after = 1, "7"

    assert submit(runway, asked()) == RateLimited(7.0)
    assert world.report()["charged"] == 0


def test_what_runway_refuses_is_refused_with_its_words(runway: Runway):
    request = asked().model_copy(update={"params": {}})

    assert submit(runway, request) == Refused("invalid_request", "Validation of body failed: ratio is required.")


def test_calls_name_the_version_of_the_api(runway: Runway, simulator: Simulator):
    headers = {"Authorization": "Bearer key-runway"}
    assert requests.get(f"{simulator.url}/runway/v1/tasks/t", headers=headers, timeout=5).status_code == 400

    assert runway.headers() == {**headers, "X-Runway-Version": "2024-11-06"}


def test_the_task_of_another_key_is_not_found(runway: Runway, simulator: Simulator):
    operation = submitted(runway)

    assert check(adapter(simulator.url, "another"), operation) == NotFound("Task not found.")


@pytest.mark.parametrize("name", ["nobodys", "a/b", "../text_to_video", "%2e%2e", "x?y#z"])
def test_a_name_nobody_gave_is_not_found(runway: Runway, name: str):
    assert isinstance(check(runway, Operation(name)), NotFound)


def test_a_name_is_never_read_as_more_than_a_name(runway: Runway):
    operation = submitted(runway)

    assert isinstance(check(runway, Operation(operation.name + "?x=1")), NotFound)


# -- cancelling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue_s", [0, 300])
def test_a_task_under_way_is_cancelled_stays_charged_and_is_not_known_afterwards(
    world: World, runway: Runway, queue_s: float
):
    world.durations.median_s, world.durations.queue_s = 1000, queue_s
    operation = submitted(runway)

    assert followed(runway.cancel(operation)) == Cancelled()
    assert check(runway, operation) == NotFound("Task not found.")
    assert followed(runway.cancel(operation)) == CannotCancel("Task not found.")
    assert (world.report()["cancelled"], world.report()["charged"]) == (1, 1)


def test_a_cancel_that_comes_too_late_does_not_delete_the_video(runway: Runway):
    operation = submitted(runway)

    assert followed(runway.cancel(operation)) == CannotCancel("it has ended already: SUCCEEDED")
    assert isinstance(check(runway, operation), Ready)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("cancel_refused", CannotCancel("The task cannot be cancelled.")),
        ("cancel_500", Unreachable("HTTP 500: Internal server error.", FailureClass.SERVER_ERROR)),
        ("cancel_ignored", Cancelled()),
    ],
)
def test_a_cancel_that_is_not_followed_leaves_the_task_running(
    world: World, runway: Runway, fault: str, outcome: object
):
    world.durations.median_s = 1000
    operation = submitted(runway)
    setattr(world.faults, fault, 1)

    assert followed(runway.cancel(operation)) == outcome
    assert isinstance(check(runway, operation), Pending)
