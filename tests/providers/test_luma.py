"""What is Luma's own: its states and its words."""

import pytest

from tests.providers.subject import Subject, said, subject_of
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
from vidpoll.providers.vendors.luma import _outcome, _submitted
from vidpoll.simulator import Simulator, World

NOT_YET = Pending(stage="done at the provider, the video is not there yet")


@pytest.fixture
def subject(world: World, simulator: Simulator) -> Subject:
    return subject_of("luma", world)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(201, {"id": "g", "state": "queued"}), Submitted("g")),
        (said(200, {"id": "g", "state": "dreaming"}), Submitted("g")),
        (said(201, {"state": "queued"}), Ambiguous("HTTP 201 without a generation's id: HTTP 201 without a word")),
        (said(201, {"id": 7}), Ambiguous("HTTP 201 without a generation's id: HTTP 201 without a word")),
        (said(502, {"detail": "oops"}), Ambiguous("HTTP 502 without a generation's id: oops")),
        (said(408, {}), Ambiguous("HTTP 408 without a generation's id: HTTP 408 without a word")),
        (said(404, {"detail": "no such model"}), Refused("model_not_found", "no such model")),
        (said(400, {"detail": "Duration is wrong"}), Refused("invalid_request", "Duration is wrong")),
        (said(400, {"detail": "Prompt failed moderation"}), Refused("content_filtered", "Prompt failed moderation")),
        (said(409, {"detail": "no"}), Ambiguous("HTTP 409 without a generation's id: no")),
        (
            said(422, {"detail": [{"loc": ["body", "model"], "msg": "Field required"}, "and more"]}),
            Refused("invalid_input", "Field required; and more"),
        ),
        (said(400, {"detail": "Insufficient credits"}), Unauthorized("Insufficient credits")),
        (said(401, {"detail": "who?"}), Unauthorized("who?")),
        (said(402, {"detail": "pay"}), Unauthorized("pay")),
        (said(403, {"detail": "no"}), Unauthorized("no")),
        (said(429, {"detail": "slow"}, {"retry-after": "7"}), RateLimited(7.0)),
        (said(429, {"detail": "slow"}), RateLimited(None)),
        (
            said(500, {"detail": "Insufficient credits"}),
            Ambiguous("HTTP 500 without a generation's id: Insufficient credits"),
        ),
    ],
)
def test_every_answer_to_a_submit_is_understood(answer: Answer, outcome: object):
    assert _submitted(answer) == outcome


def completed(assets: object) -> Answer:
    return said(200, {"id": "g", "state": "completed", "assets": assets, "failure_reason": None})


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(200, {"state": "queued", "assets": None}), Pending(stage="queued", queued=True)),
        (said(200, {"state": "dreaming", "assets": {"progress_video": "https://p"}}), Pending(stage="dreaming")),
        (completed({"video": "https://v.mp4", "image": "https://i"}), Ready(("https://v.mp4",))),
        (completed({"video": None, "image": "https://i", "progress_video": "https://p"}), NOT_YET),
        (completed({"video": ""}), NOT_YET),
        (completed(["https://v.mp4"]), NOT_YET),
        (completed(None), NOT_YET),
        (
            said(200, {"state": "failed", "failure_reason": "Content moderation failed"}),
            Failed("content_filtered", "Content moderation failed"),
        ),
        (said(200, {"state": "failed", "failure_reason": "Broken"}), Failed("failed", "Broken")),
        (said(200, {"state": "failed"}), Failed("failed", "Luma says no more than failed")),
        (said(200, {"state": "processing"}), Unreachable("unknown status 'processing'", FailureClass.UNKNOWN_STATUS)),
        (
            said(200, {"id": "g"}),
            Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE),
        ),
        (said(404, {"detail": "Generation not found"}), NotFound("Generation not found")),
        (said(401, {"detail": "who?"}), Unauthorized("who?")),
        (said(429, {}, {"retry-after-ms": "1500"}), RateLimited(1.5)),
        (said(503, {"detail": "later"}), Unreachable("HTTP 503: later", FailureClass.SERVER_ERROR)),
    ],
)
def test_every_answer_to_a_check_is_understood(answer: Answer, outcome: object):
    assert _outcome(answer) == outcome


def test_parameters_go_beside_the_prompt(subject: Subject, world: World):
    subject.submitted(params={"duration": "9s", "loop": True})

    (job,) = world.jobs()
    assert job["request"] == {"model": "ray-2", "prompt": "a lion", "duration": "9s", "loop": True}


def test_parameters_that_are_vidpolls_are_refused(subject: Subject):
    wrong = subject.request(params={"callback_url": "https://x", "prompt": "x", "loop": True})

    assert subject.provider.problems(wrong) == [
        "params.callback_url: is set by vidpoll",
        "params.prompt: is set by vidpoll",
    ]
