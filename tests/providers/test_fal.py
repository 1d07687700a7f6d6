"""What is fal's own: paths without the subpath, a result that is fetched apart, and its words."""

import uuid

import pytest

from tests.providers.subject import followed, said, subject_of
from vidpoll.generation import GenerationRequest
from vidpoll.media import Image
from vidpoll.providers.base import Operation, Provider
from vidpoll.providers.http import Answer
from vidpoll.providers.outcomes import (
    Ambiguous,
    CancelAccepted,
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
from vidpoll.providers.vendors.fal import _cancelled, _result, _status, _submitted, _with_status
from vidpoll.simulator import Simulator, World

MODEL = "fal-ai/veo3.1/fast"
BASE = "https://queue.fal.run"
NO_VIDEO = Pending(stage="completed at the provider, the result is not there yet")
POLICY = {"detail": [{"loc": ["body", "prompt"], "msg": "flagged", "type": "content_policy_violation"}]}
BROKEN = {"detail": "gone", "error_type": "runner_disconnected"}


@pytest.fixture
def fal(world: World, simulator: Simulator) -> Provider:
    return subject_of("fal", world).provider


def asked(model: str = MODEL, prompt: str = "a lion", **params: object) -> GenerationRequest:
    return GenerationRequest(provider="fal", model=model, prompt=prompt, params=params, id=uuid.uuid4())


def submit(fal: Provider, request: GenerationRequest) -> SubmitOutcome:
    return fal.submit(request, request.id, replay=False)


def submitted(fal: Provider, **changes: str) -> Operation:
    outcome = submit(fal, asked(**changes))
    assert isinstance(outcome, Submitted), outcome
    return Operation(outcome.operation_name)


def check(fal: Provider, operation: Operation) -> CheckOutcome:
    return followed(fal.check([operation])[operation.name])


def urls(base: str, app: str = "fal-ai/veo3.1") -> dict[str, str]:
    return {"request_id": "R", "status_url": f"{base}/{app}/requests/R/status"}


# -- its words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(200, {"request_id": "R", "status": "IN_QUEUE"}), Submitted("fal-ai/veo3.1/requests/R")),
        (said(200, urls(BASE)), Submitted("fal-ai/veo3.1/requests/R")),
        (said(200, urls(BASE, "fal-ai/moved")), Submitted("fal-ai/moved/requests/R")),
        (said(200, urls("https://thief.example", "stolen/app")), Submitted("fal-ai/veo3.1/requests/R")),
        (said(200, urls(BASE + ".thief.example", "stolen/app")), Submitted("fal-ai/veo3.1/requests/R")),
        (said(200, urls(BASE, "../..")), Submitted("fal-ai/veo3.1/requests/R")),
        (said(200, {"request_id": "R", "status_url": 7}), Submitted("fal-ai/veo3.1/requests/R")),
        (said(200, {"status": "IN_QUEUE"}), Ambiguous("HTTP 200 without a request's id: HTTP 200 without a word")),
        (said(200, {"request_id": 7}), Ambiguous("HTTP 200 without a request's id: HTTP 200 without a word")),
        (said(500, {"detail": "oops"}), Ambiguous("HTTP 500 without a request's id: oops")),
        (said(504, {"detail": "late"}), Ambiguous("HTTP 504 without a request's id: late")),
        (said(408, {"detail": "slow"}), Ambiguous("HTTP 408 without a request's id: slow")),
        (said(499, {"detail": "who left?"}), Ambiguous("HTTP 499 without a request's id: who left?")),
        (said(302, {}), Ambiguous("HTTP 302 without a request's id: HTTP 302 without a word")),
        (said(422, POLICY), Refused("content_filtered", "prompt: flagged")),
        (
            said(422, {"detail": [{"loc": ["body", "duration"], "msg": "wrong", "type": "enum"}, {"msg": "and more"}]}),
            Refused("invalid_input", "duration: wrong; and more"),
        ),
        (said(404, {"detail": "Application not found"}), Refused("model_not_found", "Application not found")),
        (said(400, {"detail": "no"}), Refused("invalid_request", "no")),
        (said(405, {"detail": "no"}), Refused("refused", "no")),
        (said(401, {"detail": "who?"}), Unauthorized("who?")),
        (said(402, {"detail": "pay"}), Unauthorized("pay")),
        (said(403, {"detail": "Exhausted balance."}), Unauthorized("Exhausted balance.")),
        (said(429, {}), RateLimited(None)),
        (said(429, {}, {"retry-after": "7"}), RateLimited(7.0)),
    ],
)
def test_every_answer_to_a_submit_is_understood(answer: Answer, outcome: object):
    assert _submitted(answer, model=MODEL, base_url=BASE) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(202, {"status": "IN_QUEUE", "queue_position": 3}), Pending(stage="in queue, 3 ahead", queued=True)),
        (said(200, {"status": "IN_QUEUE"}), Pending(stage="in queue", queued=True)),
        (said(202, {"status": "IN_PROGRESS", "logs": None}), Pending(stage="in progress")),
        (said(202, {"status": "RESTING"}), Unreachable("unknown status 'RESTING'", FailureClass.UNKNOWN_STATUS)),
        (
            said(200, {"status": 7}),
            Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE),
        ),
        (said(404, {"detail": "Request not found"}), NotFound("Request not found")),
        (said(401, {"detail": "who?"}), Unauthorized("who?")),
        (said(429, {}, {"retry-after": "7"}), RateLimited(7.0)),
        (said(503, {"detail": "later"}), Unreachable("HTTP 503: later", FailureClass.SERVER_ERROR)),
    ],
)
def test_every_answer_to_a_status_call_is_understood(answer: Answer, outcome: object):
    assert _status(answer) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (
            said(200, {"video": {"url": "https://v/1.mp4"}, "seed": 7}),
            Ready(("https://v/1.mp4",), seed=7, content_type="video/mp4"),
        ),
        (
            said(200, {"response": {"video": {"url": "https://v/1.mp4"}}}),
            Ready(("https://v/1.mp4",), content_type="video/mp4"),
        ),
        (said(200, {"videos": [{"url": "https://v/1"}, "https://v/2"]}), Ready(("https://v/1", "https://v/2"))),
        (said(200, {"video": None}), NO_VIDEO),
        (said(200, {"video": {"url": ""}}), NO_VIDEO),
        (said(200, {"videos": []}), NO_VIDEO),
        (said(200, {"images": []}), NO_VIDEO),
        (
            said(200, {"images": [{"url": "https://v/1", "content_type": "image/jpeg"}, {"url": "https://v/2"}]}),
            Ready(images=(Image("https://v/1", "image/jpeg"), Image("https://v/2")), content_type="image/jpeg"),
        ),
        (
            said(200, {"image": {"url": "https://v/1.png"}}),
            Ready(images=(Image("https://v/1.png", "image/png"),), content_type="image/png"),
        ),
        (
            Answer(200, {}, b"<html>"),
            Unreachable("HTTP 200 with HTML in place of JSON", FailureClass.UNREADABLE),
        ),
        (said(422, POLICY), Failed("content_filtered", "prompt: flagged")),
        (
            said(422, {"detail": [{"loc": ["body", "image_url"], "msg": "too big", "type": "image_too_large"}]}),
            Failed("image_too_large", "image_url: too big"),
        ),
        (said(400, {"detail": "no"}), Failed("failed", "no")),
        (
            said(400, {"detail": "busy", "error_type": "downstream_service_error"}, {"x-fal-retryable": "true"}),
            Failed("downstream_service_error", "busy", retryable=True),
        ),
        (
            said(400, {"detail": "Request is still in progress"}),
            Pending(stage="completed at the provider, the result is not there yet"),
        ),
        (said(499, {"detail": "x", "error_type": "client_cancelled"}), Cancelled()),
        (said(503, BROKEN), Failed("runner_disconnected", "gone", retryable=True)),
        (said(503, BROKEN, {"x-fal-retryable": "false"}), Failed("runner_disconnected", "gone")),
        (
            said(500, {"detail": "x"}, {"x-fal-error-type": "internal_server_error"}),
            Failed("internal_server_error", "x", retryable=True),
        ),
        (said(500, {"detail": "x"}), Unreachable("HTTP 500: x", FailureClass.SERVER_ERROR)),
        (
            said(500, {"detail": "x", "error_type": "internal_error"}),
            Unreachable("HTTP 500: x", FailureClass.SERVER_ERROR),
        ),
        (said(408, {"detail": "x"}), Unreachable("HTTP 408: x", FailureClass.SERVER_ERROR)),
        (said(404, {"detail": "x"}), NotFound("x")),
        (said(403, {"detail": "x"}), Unauthorized("x")),
        (said(429, {"detail": "x"}), RateLimited(None)),
    ],
)
def test_every_answer_for_a_result_is_understood(answer: Answer, outcome: object):
    assert _result(answer) == outcome


@pytest.mark.parametrize(
    ("result", "status", "outcome"),
    [
        (Ready(("u",)), {"metrics": {"inference_time": 17.8}}, Ready(("u",), run_s=17.8)),
        (Ready(("u",)), {"metrics": {"inference_time": float("nan")}}, Ready(("u",))),
        (Ready(("u",)), {"metrics": {"inference_time": "long"}}, Ready(("u",))),
        (Ready(("u",)), {"metrics": 7}, Ready(("u",))),
        (Failed("content_filtered", "why"), {"error": "Invalid status code: 422"}, Failed("content_filtered", "why")),
        (NotFound(), {"error": "cancelled", "error_type": "client_cancelled"}, Cancelled()),
        (NotFound(), {"error": "no", "error_type": "bad_request"}, Failed("bad_request", "no")),
        (Unreachable("x"), {"error_type": "request_timeout"}, Failed("request_timeout", "request_timeout", True)),
        (RateLimited(7.0), {"error": "oops"}, Failed("failed", "oops")),
        (RateLimited(7.0), {}, RateLimited(7.0)),
        (Unreachable("x"), {"error": None}, Unreachable("x")),
        (NO_VIDEO, {}, NO_VIDEO),
    ],
)
def test_an_error_of_the_status_counts_where_the_result_tells_no_end(
    result: CheckOutcome, status: dict, outcome: object
):
    assert _with_status(result, status) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(202, {"status": "CANCELLATION_REQUESTED"}), CancelAccepted()),
        (said(200, {"status": "OK"}), Cancelled()),
        (said(400, {"status": "ALREADY_COMPLETED"}), CannotCancel("fal says ALREADY_COMPLETED")),
        (said(404, {"status": "NOT_FOUND"}), CannotCancel("fal says NOT_FOUND")),
        (said(404, {"detail": "no"}), CannotCancel("no")),
        (said(200, {"status": "MAYBE"}), Unreachable("unknown status 'MAYBE'", FailureClass.UNKNOWN_STATUS)),
        (said(403, {"detail": "no"}), Unauthorized("no")),
        (said(429, {}), RateLimited(None)),
        (said(408, {"detail": "x"}), Unreachable("HTTP 408: x", FailureClass.SERVER_ERROR)),
        (said(500, {"detail": "x"}), Unreachable("HTTP 500: x", FailureClass.SERVER_ERROR)),
    ],
)
def test_every_answer_to_a_cancel_is_understood(answer: Answer, outcome: object):
    assert _cancelled(answer) == outcome


@pytest.mark.parametrize(
    ("model", "fits"),
    [
        ("fal-ai/veo3.1", True),
        ("fal-ai/veo3.1/fast/image-to-video", True),
        ("workflows/alice/fox", True),
        ("workflows/alice", False),
        ("veo3.1", False),
        ("fal-ai/../secrets", False),
        ("/fal-ai/veo3.1", False),
        ("fal-ai/veo3.1?fal_webhook=x", False),
    ],
)
def test_what_cannot_be_sent_is_told_before(fal: Provider, model: str, fits: bool):
    wrong = [] if fits else [f"model: {model!r} is not of the form owner/app or owner/app/path"]
    assert fal.problems(asked(model)) == wrong
    assert fal.problems(asked(model, prompt="a lion", duration="8s")) == wrong


def test_the_prompt_is_no_parameter(fal: Provider):
    request = asked().model_copy(update={"params": {"prompt": "a lioness"}})
    assert fal.problems(request) == ["params.prompt: is set by vidpoll"]


# -- against the simulator ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "app"),
    [
        (MODEL, "fal-ai/veo3.1"),
        ("fal-ai/veo3.1", "fal-ai/veo3.1"),
        ("workflows/alice/fox/v2", "workflows/alice/fox"),
    ],
)
def test_a_submit_is_charged_once_and_named_by_its_path_without_the_subpath(
    world: World, fal: Provider, model: str, app: str
):
    operation = submitted(fal, model=model)

    (job,) = world.jobs()
    assert operation.name == f"{app}/requests/{job['name']}"
    assert job["model"] == model
    assert (world.report()["charged"], world.report()["submit_calls"]) == (1, 1)
    assert isinstance(check(fal, operation), Ready)


def test_a_request_waits_then_runs_then_its_result_is_fetched_within_the_check(world: World, fal: Provider):
    world.durations.median_s, world.durations.queue_s = 1000, 300
    now = 1_800_000_000.0
    world.clock = lambda: now
    operation = submitted(fal)
    (job,) = world.jobs()
    assert check(fal, operation) == Pending(stage="in queue, 0 ahead", queued=True)

    now = job["starts_at"] + 500
    assert check(fal, operation) == Pending(stage="in progress")
    assert world.report()["status_calls"] == 2

    now = job["ready_at"]
    ready = check(fal, operation)
    assert isinstance(ready, Ready)
    assert ready.videos[0].endswith(f"/files/{job['name']}.webm")
    assert (ready.seed, ready.run_s) == (job["seed"], pytest.approx(1000))
    assert world.report()["status_calls"] == 4, "the last check made two calls"


def test_a_request_is_not_found_below_its_subpath(fal: Provider):
    operation = submitted(fal)
    below = Operation(operation.name.replace("/requests/", "/fast/requests/"))

    assert isinstance(check(fal, below), NotFound)


# -- cancelling --------------------------------------------------------------------------------------------------------


def test_a_running_request_is_told_to_stop_and_is_cancelled_later(world: World, fal: Provider):
    world.durations.median_s = 1000
    operation = submitted(fal)

    assert fal.cancel(operation) == CancelAccepted()
    assert check(fal, operation) == Cancelled()
    assert (world.report()["cancelled"], world.report()["charged"]) == (1, 1)


def test_a_request_that_waits_is_removed_at_once(world: World, fal: Provider):
    world.durations.median_s, world.durations.queue_s = 1000, 300
    world.clock = lambda: 1_800_000_000.0
    operation = submitted(fal)

    assert fal.cancel(operation) == Cancelled()
    assert isinstance(check(fal, operation), NotFound)
