from pathlib import Path

import pytest

from tests import providers_file
from vidpoll import providers
from vidpoll.errors import NotConfigured
from vidpoll.generation import GenerationRequest
from vidpoll.providers.http import Answer
from vidpoll.providers.outcomes import (
    Failed,
    FailureClass,
    NotFound,
    Pending,
    RateLimited,
    Ready,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers.vendors.veo import _operation, _outcome
from vidpoll.providers_file import load_accounts

RAI = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["support code: 15236754"]}
GCS = {"videos": [{"gcsUri": "gs://b/0.mp4", "mimeType": "video/mp4"}]}
FILES = {"generatedSamples": [{"video": {"uri": "https://g/f:download"}}]}


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"name": "o"}, Pending()),
        ({"name": "o", "done": False}, Pending()),
        ({"done": True, "response": GCS}, Ready(("gs://b/0.mp4",))),
        ({"done": True, "response": {"generateVideoResponse": FILES}}, Ready(("https://g/f:download",))),
        ({"done": True, "response": {**GCS, **RAI}}, Ready(("gs://b/0.mp4",), notes=("support code: 15236754",))),
        ({"done": True, "response": RAI}, Failed("content_filtered", "support code: 15236754")),
        (
            {"done": True, "response": {"generateVideoResponse": {"generatedSamples": [], **RAI}}},
            Failed("content_filtered", "support code: 15236754"),
        ),
        ({"done": True, "error": {"code": 8, "message": "busy"}}, Failed("resource_exhausted", "busy", True)),
        ({"done": True, "error": {"code": 3, "message": "bad"}}, Failed("invalid_argument", "bad", False)),
        ({"done": True, "error": {"code": 99}}, Failed("failed", "failed", False)),
        ({"done": True, "response": {}}, Pending(stage="done at the provider, the video is not there yet")),
        ({"done": True}, Pending(stage="done at the provider, the video is not there yet")),
        (
            {"done": True, "response": {"videos": None}},
            Pending(stage="done at the provider, the video is not there yet"),
        ),
    ],
)
def test_every_operation_of_the_documents_is_understood(body: dict, outcome: object):
    assert _operation(body) == outcome


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (404, b'{"error": {"code": 404, "message": "gone", "status": "NOT_FOUND"}}', NotFound("gone")),
        (
            403,
            b'{"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}',
            Unauthorized("no", whole_account=False),
        ),
        (500, b"", Unreachable("HTTP 500", FailureClass.SERVER_ERROR)),
        (200, b"<html>", Unreachable("HTTP 200 with HTML in place of JSON", FailureClass.UNREADABLE)),
        (429, b'{"error": {"details": [{"retryDelay": "30s"}]}}', RateLimited(30.0)),
    ],
)
def test_http_errors_say_nothing_of_the_generation(status: int, body: bytes, outcome: object):
    assert _outcome(Answer(status, {}, body)) == outcome


def test_vertex_without_a_bucket_is_refused_at_start(tmp_path: Path):
    path = providers_file.write(tmp_path, "http://127.0.0.1:1")
    path.write_text(path.read_text().replace(', storage_uri = "gs://bucket/videos/"', ""))

    with pytest.raises(NotConfigured, match="storage_uri"):
        providers.build(load_accounts(path))


def test_the_gemini_api_refuses_parameters_only_vertex_has(tmp_path: Path):
    adapters = providers.build(load_accounts(providers_file.write(tmp_path, "http://127.0.0.1:1")))
    request = GenerationRequest(provider="veo", model="m", prompt="p", params={"seed": 7, "labels": {}})

    assert adapters["gemini"].problems(request) == [
        "params.labels: is set by vidpoll",
        "params.seed: the Gemini API does not take it",
    ]
    assert adapters["vertex"].problems(request) == ["params.labels: is set by vidpoll"]
