"""What is the Interactions API's own: its states, its echo of the input, its cancel."""

import json

import pytest

from tests.providers.gateway import Gateway
from tests.providers.subject import Subject, said, subject_of
from vidpoll.providers.base import Operation
from vidpoll.providers.http import BODY_LIMIT, Answer
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
from vidpoll.providers.vendors.gemini_omni import NEEDS_KEY, _cancelled, _outcome, _submitted
from vidpoll.simulator import Simulator, World

NOT_YET = Pending(stage="done at the provider, the video is not there yet")
INPUT = {"type": "user_input", "content": [{"type": "text", "text": "x"}, {"type": "video", "uri": "https://input"}]}
VIDEO = {"type": "video", "mime_type": "video/mp4", "uri": "https://v/F"}


def error(code: object, message: str = "no", **more: object) -> dict:
    return {"error": {"code": code, "message": message, **more}}


@pytest.fixture
def subject(world: World, simulator: Simulator) -> Subject:
    return subject_of("gemini_omni", world)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(200, {"id": "int_1", "status": "queued"}), Submitted("int_1")),
        (said(200, {"id": "int_1", "status": "in_progress"}), Submitted("int_1")),
        (
            said(200, {"id": "", "status": "queued"}),
            Ambiguous("HTTP 200 without an interaction's id: HTTP 200 without a word"),
        ),
        (said(200, []), Ambiguous("HTTP 200 without an interaction's id: HTTP 200 without a word")),
        (said(500, error("internal")), Ambiguous("HTTP 500 without an interaction's id: no")),
        (said(408, error("timeout")), Ambiguous("HTTP 408 without an interaction's id: no")),
        (said(400, error("https://errors/invalid_argument")), Refused("invalid_argument", "no")),
        (said(400, error(400, status="INVALID_ARGUMENT")), Refused("invalid_argument", "no")),
        (said(400, error(["?"])), Refused("['?']", "no")),
        (said(400, error("invalid_argument", "Blocked for safety")), Refused("content_filtered", "Blocked for safety")),
        (said(404, error("not_found", "is no longer available")), Refused("model_not_found", "is no longer available")),
        (said(405, {}), Refused("refused", "HTTP 405 without a word")),
        (said(401, error("unauthenticated")), Unauthorized("no")),
        (said(402, error("billing")), Unauthorized("no")),
        (said(403, error("permission_denied")), Unauthorized("no", whole_account=False)),
        (said(429, error("resource_exhausted"), {"retry-after": "7"}), RateLimited(7.0)),
        (said(429, {}), RateLimited(None)),
    ],
)
def test_every_answer_to_a_submit_is_understood(answer: Answer, outcome: object):
    assert _submitted(answer) == outcome


def interaction(status: str, *parts: dict, **more: object) -> Answer:
    output = [{"type": "model_output", "content": list(parts)}] if parts else []
    return said(200, {"id": "int_1", "status": status, "steps": [INPUT, *output], **more})


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (interaction("queued"), Pending(stage="queued", queued=True)),
        (interaction("in_progress"), Pending(stage="in_progress")),
        (interaction("requires_action"), Pending(stage="requires_action")),
        (interaction("requires_continuation"), Pending(stage="requires_continuation")),
        (interaction("completed", VIDEO), Ready(("https://v/F",), notes=(NEEDS_KEY,))),
        (
            interaction("completed", {"type": "text", "text": "Here:"}, VIDEO, {**VIDEO, "uri": "https://v/G"}),
            Ready(("https://v/F", "https://v/G"), notes=(NEEDS_KEY,)),
        ),
        (interaction("completed"), NOT_YET),
        (interaction("completed", {"type": "text", "text": "Soon."}), NOT_YET),
        (interaction("completed", {"type": "video", "data": "AAAA"}), NOT_YET),
        (interaction("completed", steps=None), NOT_YET),
        (interaction("completed", steps=[7, {"type": "model_output", "content": 7}]), NOT_YET),
        (
            interaction("completed", steps=[{"type": "model_output", "error": {"code": 3, "message": "no"}}]),
            Failed("invalid_argument", "no"),
        ),
        (
            interaction("completed", steps=[{"type": "model_output", "error": {"code": 13, "message": "oops"}}]),
            Failed("internal", "oops", retryable=True),
        ),
        (
            interaction("incomplete", VIDEO),
            Ready(("https://v/F",), notes=("the interaction ended as incomplete", NEEDS_KEY)),
        ),
        (interaction("incomplete"), Failed("incomplete", "incomplete")),
        (interaction("budget_exceeded"), Failed("budget_exceeded", "budget_exceeded")),
        (
            interaction("failed", errors=[{"code": "unavailable", "message": "later"}, {"message": "or never"}]),
            Failed("unavailable", "later; or never", retryable=True),
        ),
        (
            interaction("failed", errors=[{"code": "internal", "message": "Blocked for safety"}]),
            Failed("content_filtered", "Blocked for safety"),
        ),
        (interaction("failed", errors=[{}]), Failed("failed", "failed")),
        (interaction("failed", VIDEO), Failed("failed", "Google says no more than failed")),
        (interaction("cancelled"), Cancelled()),
        (interaction("paused"), Unreachable("unknown status 'paused'", FailureClass.UNKNOWN_STATUS)),
        (
            said(200, {"id": "int_1"}),
            Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE),
        ),
        (said(404, error("not_found")), NotFound("no")),
        (said(403, error("permission_denied")), Unauthorized("no", whole_account=False)),
        (said(429, {}, {"retry-after": "7"}), RateLimited(7.0)),
        (said(503, error("unavailable")), Unreachable("HTTP 503: no", FailureClass.SERVER_ERROR)),
    ],
)
def test_every_answer_to_a_check_is_understood(answer: Answer, outcome: object):
    assert _outcome(answer) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (interaction("cancelled"), Cancelled()),
        (interaction("queued"), CancelAccepted()),
        (interaction("in_progress"), CancelAccepted()),
        (interaction("requires_action"), CancelAccepted()),
        (interaction("completed", VIDEO), CannotCancel("it has ended already: completed")),
        (interaction("incomplete"), CannotCancel("it has ended already: incomplete")),
        (interaction("paused"), Unreachable("unknown status 'paused'", FailureClass.UNKNOWN_STATUS)),
        (said(400, error("failed_precondition")), CannotCancel("no")),
        (said(404, error("not_found")), CannotCancel("no")),
        (said(401, error("unauthenticated")), Unauthorized("no")),
        (said(429, {}), RateLimited(None)),
        (said(408, error("timeout")), Unreachable("HTTP 408: no", FailureClass.SERVER_ERROR)),
        (said(500, error("internal")), Unreachable("HTTP 500: no", FailureClass.SERVER_ERROR)),
    ],
)
def test_every_answer_to_a_cancel_is_understood(answer: Answer, outcome: object):
    assert _cancelled(answer) == outcome


@pytest.mark.parametrize(
    ("echoed", "outcome"),
    [
        (BODY_LIMIT - 10_000, Ready(("https://v/F",), notes=(NEEDS_KEY,))),
        (BODY_LIMIT + 1, Unreachable(f"the answer is larger than {BODY_LIMIT} bytes", FailureClass.TOO_LARGE)),
    ],
)
def test_an_echoed_input_is_read_over_and_too_long_a_one_is_no_failure(
    subject: Subject, gateway: Gateway, echoed: int, outcome: object
):
    image = {"type": "image", "data": "x" * echoed}
    steps = [{"type": "user_input", "content": [image]}, {"type": "model_output", "content": [VIDEO]}]
    gateway.says(json.dumps({"id": "int_1", "status": "completed", "steps": steps}))

    assert subject.again(url=gateway.url).check(Operation("int_1")) == outcome


def test_parameters_go_where_google_reads_them(subject: Subject, world: World):
    image = {"type": "image", "uri": "https://i"}
    task = {"video_config": {"task": "image_to_video"}}
    params = {"duration": "8s", "resolution": "720p", "input": [image], "generation_config": task}

    subject.submitted(params=params)

    (job,) = world.jobs()
    assert job["request"] == {
        "model": subject.model,
        "input": [{"type": "text", "text": "a lion"}, image],
        "background": True,
        "store": True,
        "response_format": {"type": "video", "delivery": "uri", "duration": "8s", "resolution": "720p"},
        "generation_config": task,
    }


def test_what_cannot_be_sent_is_told_before(subject: Subject):
    wrong = subject.request(params={"store": False, "input": "a lion", "duration": "8s"})

    assert subject.provider.problems(wrong) == [
        "params.store: is set by vidpoll",
        "params.input: must be a list of parts beside the prompt",
    ]
    assert subject.provider.problems(subject.request(params={"input": [], "duration": "8s"})) == []
