"""What answers mean by a description: tables of bodies, and rubbish that must mean nothing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.providers.described import described, table
from tests.providers.subject import said
from vidpoll.description import HttpDescription
from vidpoll.providers.described import cancel_seen, seen, submitted
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

BASE = "https://v.example/v1"
URL = "https://v.example/1.mp4"
SHAPE = Unreachable("HTTP 200 with JSON that is cut short or of another shape", FailureClass.UNREADABLE)
NOT_THERE = Pending(stage="done at the provider, the result is not there yet")
#: One status word, and the rest as most APIs have it.
PLAIN = {
    "submit": {"path": "/jobs", "body": {"prompt": "{prompt}"}, "id": "job.id"},
    "status": {
        "path": "/jobs/{id}", "word": "state", "urls": "out", "progress": "progress", "queued": ["waiting"],
        "running": ["working", True], "done": ["ok", 2], "failed": ["broken"], "filtered": ["blocked"],
        "cancelled": ["stopped"], "error_code": "why.code", "error_message": "why.text", "seed": "seed",
        "started_at": "began", "created_at": "made", "ended_at": "ended",
    },
    "cancel": {"path": "/jobs/{id}/stop"},
    "errors": {
        "code": "code", "message": "message", "retry_after": "wait",
        "codes": {
            "refused": ["BAD"], "rate_limited": [1302, "SLOW"], "unauthorized": ["KEY"], "not_found": ["NONE"],
            "filtered": ["RULES"], "failed": ["GONE"],
        },
    },
}  # fmt: skip


def plain(**status: Any) -> HttpDescription:
    http = described({**PLAIN, "status": {**PLAIN["status"], **status}}).http
    assert http is not None
    return http


def of_docs(account: str) -> HttpDescription:
    http = described(table(account)).http
    assert http is not None
    return http


def look(body: object, description: HttpDescription | None = None, status: int = 200) -> CheckOutcome:
    return seen(description or plain(), BASE, said(status, body))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(200, {"job": {"id": "j1"}}), Submitted("j1")),
        (said(202, {"job": {"id": 77}}), Submitted("77")),
        (said(200, {"job": {"id": "j1"}, "code": 0}), Submitted("j1")),
        (said(200, {"job": {"id": True}}), Ambiguous("HTTP 200 without an id: HTTP 200 without a word")),
        (said(200, {"job": {"id": ".."}}), Ambiguous("HTTP 200 without an id: HTTP 200 without a word")),
        (said(200, {"job": {"id": ""}, "message": "hm"}), Ambiguous("HTTP 200 without an id: hm")),
        (said(200, {"code": 9, "message": "hm"}), Ambiguous("HTTP 200 without an id: hm")),
        (said(302, {"job": {"id": "j1"}}), Ambiguous("HTTP 302 without an id: HTTP 302 without a word")),
        (said(500, {"job": {"id": "j1"}}), Ambiguous("HTTP 500 without an id: HTTP 500 without a word")),
        (said(408, {}), Ambiguous("HTTP 408 without an id: HTTP 408 without a word")),
        (said(409, {"message": "twice"}), Ambiguous("HTTP 409 without an id: twice")),
        (said(200, {"job": {"id": "j1"}, "code": "SLOW"}), Ambiguous("HTTP 200 with an id, and: code SLOW")),
        (said(400, {"message": "bad"}), Refused("invalid_request", "bad")),
        (said(404, {"message": "no model"}), Refused("model_not_found", "no model")),
        (said(422, {"message": [{"msg": "no"}]}), Refused("invalid_input", '[{"msg": "no"}]')),
        (said(418, {}), Refused("refused", "HTTP 418 without a word")),
        (said(200, {"code": "BAD", "message": "no"}), Refused("BAD", "no")),
        (said(500, {"code": "RULES", "message": "no"}), Refused("content_filtered", "no")),
        (said(400, {"code": "KEY"}), Unauthorized("code KEY")),
        (said(402, {"message": "pay"}), Unauthorized("pay")),
        (said(200, {"code": "1302", "wait": 3}), RateLimited(3.0)),
        (said(200, {"code": 1302, "wait": "soon"}), RateLimited(None)),
        (said(429, {"wait": 3}, {"retry-after": "7"}), RateLimited(7.0)),
    ],
)
def test_every_answer_to_a_submit_is_understood(answer: Answer, outcome: SubmitOutcome):
    assert submitted(plain(), answer) == outcome


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"state": "waiting"}, Pending(stage="waiting", queued=True)),
        ({"state": "working", "progress": 40.9}, Pending(40, "working")),
        ({"state": "working", "progress": "45 %"}, Pending(45, "working")),
        ({"state": "working", "progress": 1e400}, Pending(None, "working")),
        ({"state": "working", "progress": 250}, Pending(100, "working")),
        ({"state": "working", "progress": True}, Pending(None, "working")),
        ({"state": True}, Pending(None, "true")),
        ({"state": "ok", "out": URL}, Ready((URL,), content_type="video/mp4")),
        (
            {"state": 2, "out": [URL, None, 7, "/2.mp4"]},
            Ready((URL, "https://v.example/2.mp4"), content_type="video/mp4"),
        ),
        ({"state": 2.0, "out": URL, "seed": "9"}, Ready((URL,), seed=9, content_type="video/mp4")),
        ({"state": "ok", "out": URL, "seed": 1.5}, Ready((URL,), content_type="video/mp4")),
        ({"state": "ok", "out": "soon"}, NOT_THERE),
        ({"state": "ok", "out": "javascript:alert(1)"}, NOT_THERE),
        ({"state": "ok", "out": []}, NOT_THERE),
        ({"state": "ok"}, NOT_THERE),
        ({"state": "working", "out": URL}, Pending(None, "working")),
        ({"state": "broken", "why": {"code": 5, "text": "oom"}}, Failed("5", "oom")),
        ({"state": "broken", "code": "SLOW", "message": "m"}, Failed("failed", "m")),
        (
            {"state": "broken", "why": {"code": "RULES"}},
            Failed("content_filtered", "the provider says no more than 'broken'"),
        ),
        ({"state": "broken", "out": URL}, Failed("failed", "the provider says no more than 'broken'")),
        ({"state": "blocked", "why": {"text": "rude"}}, Failed("content_filtered", "rude")),
        ({"state": "stopped"}, Cancelled()),
        ({"state": "paused"}, Unreachable("unknown status 'paused'", FailureClass.UNKNOWN_STATUS)),
        ({"state": "OK", "out": URL}, Unreachable("unknown status 'OK'", FailureClass.UNKNOWN_STATUS)),
        ({"state": {"ok": 1}}, SHAPE),
        ({"state": None}, SHAPE),
        ({}, SHAPE),
        ([], SHAPE),
        ("ok", Unreachable("HTTP 200 with a body that is no JSON", FailureClass.UNREADABLE)),
        ({"code": "SLOW", "wait": 4}, RateLimited(4.0)),
        ({"state": "working", "code": "KEY"}, Unauthorized("code KEY")),
        ({"code": "NONE", "message": "who?"}, NotFound("who?")),
        ({"code": "GONE", "message": "lost"}, Failed("failed", "lost")),
        ({"code": "BAD"}, SHAPE),
    ],
)
def test_every_answer_to_a_look_is_understood(body: object, outcome: CheckOutcome):
    assert look(body) == outcome


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (404, {"message": "who?"}, NotFound("who?")),
        (410, {}, NotFound("HTTP 410 without a word")),
        (401, {}, Unauthorized("HTTP 401 without a word")),
        (429, {}, RateLimited(None)),
        (500, {"state": "broken"}, Unreachable("HTTP 500: HTTP 500 without a word")),
        (400, {"state": "broken", "message": "no"}, Unreachable("HTTP 400: no")),
        (400, {"code": "RULES", "message": "rude"}, Failed("content_filtered", "rude")),
        (302, {"state": "ok", "out": URL}, Unreachable("HTTP 302: HTTP 302 without a word")),
    ],
)
def test_words_count_under_a_2xx_only_and_codes_under_any_status(status: int, body: object, outcome: CheckOutcome):
    assert look(body, status=status) == outcome


@pytest.mark.parametrize("body", [{"state": "working", "out": URL}, {"state": "working", "why": {"text": "oom"}}])
def test_a_url_or_an_error_counts_under_a_2xx_only(body: dict):
    description = plain(done_when_url=True, failed_when_found="why")

    assert isinstance(look(body, description), Ready | Failed)
    assert look(body, description, status=500) == Unreachable("HTTP 500: HTTP 500 without a word")


TIMES = {"made": "2026-11-21T12:00:00Z", "began": 1795262405, "ended": 1795262435500}


def test_times_are_read_in_every_usual_form():
    ready = look({"state": "ok", "out": URL, **TIMES})

    assert isinstance(ready, Ready)
    assert (ready.queued_s, ready.run_s) == (5.0, 30.5)


def test_times_told_in_seconds_count_first():
    ready = look({"state": "ok", "out": URL, **TIMES, "q": 0, "r": "x"}, plain(queued_s="q", run_s="r"))

    assert isinstance(ready, Ready)
    assert (ready.queued_s, ready.run_s) == (0.0, 30.5)


def test_how_long_it_runs_is_told_by_the_vendors_clock():
    answer = said(200, {"state": "working", **TIMES}, {"date": "Sat, 21 Nov 2026 12:00:25 GMT"})

    assert seen(plain(), BASE, answer) == Pending(None, "working", running_s=20.0)


@pytest.mark.parametrize(
    ("types", "kept", "images"),
    [
        (["image/png", "video/mp4"], ["b"], 0),
        (["image/png", "image/webp"], ["a", "b"], 2),
        (["application/zip", "Image/PNG"], ["b"], 1),
        (["application/zip", None], ["a", "b"], 0),
        (["video/mp4"], ["a", "b"], 0),
        (None, ["a", "b"], 0),
    ],
)
def test_videos_are_kept_else_images_else_whatever_there_is(types: list | None, kept: list[str], images: int):
    body = {"state": "ok", "out": ["https://v/a", "https://v/b"], "types": types}

    told = look(body, plain(content_types="types"))

    assert isinstance(told, Ready)
    assert (told.urls, len(told.images)) == (tuple(f"https://v/{one}" for one in kept), images)


def tasks(*words: str, **more: object) -> dict[str, Any]:
    return {"id": "f", "tasks": [{"status": word} for word in words], **more}


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (tasks("pending", "pending"), Pending(stage="pending", queued=True)),
        (tasks("completed", "pending"), Pending(stage="pending")),
        (tasks("in_progress", "pending"), Pending(stage="in_progress")),
        (tasks("completed", "completed"), NOT_THERE),
        (tasks("completed", "completed", url=URL), Ready((URL,), content_type="video/mp4")),
        (tasks("in_progress", url=URL), Ready((URL,), content_type="video/mp4")),
        (tasks("daydreaming", url=URL), Ready((URL,), content_type="video/mp4")),
        (tasks("error", url=URL), Ready((URL,), content_type="video/mp4")),
        (tasks("completed", "error"), Failed("failed", "the provider says no more than 'error'")),
        (tasks("error", "in_progress"), Pending(stage="in_progress")),
        (tasks("error", "completed"), Pending(stage="completed")),
        (tasks("daydreaming", "error"), Failed("failed", "the provider says no more than 'error'")),
        (tasks("daydreaming", "completed"), Unreachable("unknown status 'daydreaming'", FailureClass.UNKNOWN_STATUS)),
        (tasks(), Pending(stage="queued", queued=True)),
        ({"id": "f"}, Pending(stage="queued", queued=True)),
        ({"id": "f", "tasks": None, "url": None}, Pending(stage="queued", queued=True)),
        ({"id": "f", "tasks": "completed"}, Pending(stage="queued", queued=True)),
        ({"id": "f", "tasks": [{"status": ["completed"]}]}, SHAPE),
        ({}, SHAPE),
    ],
)
def test_the_file_api_is_read_as_its_clients_read_it(body: object, outcome: CheckOutcome):
    assert look(body, of_docs("files")) == outcome


@pytest.mark.parametrize(
    ("rules", "words", "kind"),
    [
        ({"done_when": "latest"}, ["working", "ok"], NOT_THERE),
        ({"done_when": "every"}, ["working", "ok"], Pending(stage="working")),
        ({"failed_when": "any"}, ["broken", "ok"], Failed("failed", "the provider says no more than 'broken'")),
        ({"failed_when": "latest"}, ["broken", "ok"], Pending(stage="ok")),
        ({"failed_when": "any"}, ["ok", "stopped", "working"], Cancelled()),
        ({}, "ok", SHAPE),
    ],
)
def test_a_list_of_words_is_read_by_its_rules(rules: dict, words: object, kind: CheckOutcome):
    status = {name: value for name, value in PLAIN["status"].items() if name != "word"}
    http = described({**PLAIN, "status": {**status, "words": "states", **rules}}).http
    assert http is not None

    assert look({"states": words}, http) == kind


def test_an_error_that_is_there_is_a_failure_whatever_the_word_is():
    description = plain(failed_when_found="error", error_code="error.no", error_message="error.text")

    assert look({"state": "ok", "out": URL, "error": {"no": 3, "text": "oom"}}, description) == Failed("3", "oom")
    for nothing in (None, False, 0, "", [], {}):
        assert look({"state": "ok", "out": URL, "error": nothing}, description) == Ready(
            (URL,), content_type="video/mp4"
        )


def test_a_fraction_is_told_in_percent():
    assert look({"state": "working", "progress": 0.25}, plain(progress_is="fraction")) == Pending(25, "working")


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (409, {"message": "late"}, CannotCancel("late")),
        (404, {}, CannotCancel("HTTP 404 without a word")),
        (200, {"state": "ok"}, CannotCancel("it has ended already: ok")),
        (200, {"state": "stopped"}, Cancelled()),
        (429, {}, RateLimited(None)),
        (403, {}, Unauthorized("HTTP 403 without a word")),
        (408, {}, Unreachable("HTTP 408: HTTP 408 without a word")),
    ],
)
def test_a_refused_cancel_is_refused(status: int, body: object, outcome: object):
    assert cancel_seen(plain(), said(status, body), at_once=False) == outcome


def test_a_cancel_that_works_at_once_needs_no_word():
    assert cancel_seen(plain(), Answer(204, {}, b""), at_once=True) == Cancelled()


# -- rubbish -----------------------------------------------------------------------------------------------------------

ODD = ["file:///etc/passwd", "https://", "//[x", URL, "ok", "error", "completed", 20, 30, 31, 40, "20", -1, 1e308, True]
KEYS = sorted({"state", "out", "progress", "why", "code", "began", "made", "ended", "seed", "id", "url", "contentType",
               "tasks", "status", "ret", "payload", "job", "phase", "meter", "ratio", "clock", "on", "in", "off", "reel",
               "pieces", "at", "mime", "withheld", "dice", "cause", "no", "text", "detail"})  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(ODD)
#: JSON of any shape, most of it with names and values that the descriptions look for.
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=30,
)
DESCRIPTIONS = [plain(), plain(failed_when_found="why", done_when_url=True), of_docs("files"), of_docs("reelworks")]
AS_WRITTEN = [
    lambda body: str(_at(body, "state")),
    lambda body: str(_at(body, "state")),
    lambda body: str(_at(_latest_task(body), "status")),
    lambda body: str(_at(body, "payload", "job", "phase")),
]


def _at(body: Any, *names: str) -> Any:
    for name in names:
        body = body.get(name) if isinstance(body, dict) else None
    return int(body) if isinstance(body, float) and body.is_integer() else body


def _latest_task(body: Any) -> Any:
    """The last one that has a status: what has none is left out by `tasks[].status`."""
    found = _at(body, "tasks")
    told = [one for one in found if _at(one, "status") is not None] if isinstance(found, list) else []
    return told[-1] if told else None


@settings(deadline=None)
@given(body=JSON, which=st.integers(0, 3), status=st.sampled_from([200, 200, 200, 202, 302, 400, 404, 429, 500]))
def test_no_body_raises_or_ends_a_generation_by_accident(body: Any, which: int, status: int):
    description, answer = DESCRIPTIONS[which], said(status, body)

    submitted(description, answer)
    cancel_seen(description, answer, at_once=False)
    outcome = seen(description, BASE, answer)

    word = AS_WRITTEN[which](body)
    if isinstance(outcome, Ready):
        assert all("://" in url for url in outcome.videos)
        assert word in ("ok", "2", "20") or description.status.done_when_url
        assert status // 100 == 2
    if isinstance(outcome, Failed):
        found = _at(body, "why") if which == 1 else None
        assert word in ("broken", "blocked", "error", "30", "31") or found
        assert status // 100 == 2
    if isinstance(outcome, Cancelled):
        assert word in ("stopped", "40")


@settings(deadline=None)
@given(body=st.binary(max_size=200), which=st.integers(0, 3), status=st.integers(100, 599))
def test_bytes_that_are_no_json_end_nothing(body: bytes, which: int, status: int):
    answer = Answer(status, {}, b"<" + body)

    outcome = seen(DESCRIPTIONS[which], BASE, answer)

    assert isinstance(outcome, Unreachable | NotFound | RateLimited | Unauthorized)
    assert not isinstance(submitted(DESCRIPTIONS[which], answer), Submitted)


@pytest.mark.parametrize("depth", [10, 900, 100_000])
def test_json_nested_without_end_is_unreadable(depth: int):
    body = b'{"state":' * depth + b"1" + b"}" * depth

    assert seen(plain(), BASE, Answer(200, {}, body)) == SHAPE
