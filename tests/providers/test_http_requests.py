"""What a described provider is sent, as it arrives: method, path, headers and body."""

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.providers.described import described
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import Operation
from vidpoll.providers.http import Http
from vidpoll.providers.outcomes import Cancelled, Pending, Submitted
from vidpoll.providers.vendors.http import Described

OUR_ID = uuid.UUID(int=7)
ARRIVED = list[tuple[str, str, dict[str, str], Any]]


@pytest.fixture
def vendor() -> Iterator[tuple[str, ARRIVED]]:
    """A vendor that notes what arrives, and answers all of it as a job that runs; its URL, and its notes."""
    arrived: ARRIVED = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            arrived.append(
                (self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
            answer = b'{"id": 12, "state": "runs"}'
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_DELETE = do_PATCH = do_POST

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", arrived
    server.shutdown()
    server.server_close()


def adapter(url: str, submit: dict[str, Any], status: dict[str, Any], **more: Any) -> Described:
    http = {
        "submit": {"path": "/jobs", "id": "id", "body": {"text": "{prompt}"}, **submit},
        "status": {"path": "/jobs/{id}", "word": "state", "running": ["runs"], "done": ["ok"], "failed": ["bad"],
                   "urls": "url", **status},
        **more,
    }  # fmt: skip
    account = described(http, base_url=f"{url}/v1", api_key="the key")
    return Described(account, Http(account.base_url))


def asked(**params: Any) -> GenerationRequest:
    return GenerationRequest(provider="http", model="m/1", prompt="a fox", params=params, id=OUR_ID)


def test_a_submit_arrives_as_described(vendor: tuple[str, ARRIVED]):
    url, arrived = vendor
    provider = adapter(
        url,
        {
            "method": "PUT",
            "path": "/{model}/jobs/{our_id}?kind={params.kind}",
            "body": {"key": "{key}", "in": {"text": "{prompt}", "fps": 24, "*": "{params}"}},
            "idempotency_header": "Idempotency-Key",
        },
        {},
        headers={"X-Key": "Token {key}", "X-Client": "vidpoll"},
    )

    outcome = provider.submit(asked(kind="a b", fps=30), OUR_ID, replay=False)

    assert outcome == Submitted("12")
    [(method, path, headers, body)] = arrived
    assert (method, path) == ("PUT", f"/v1/m%2F1/jobs/{OUR_ID}?kind=a%20b")
    assert body == {"key": "the key", "in": {"text": "a fox", "fps": 30}}
    assert headers["x-key"] == "Token the key"
    assert headers["x-client"] == "vidpoll"
    assert headers["idempotency-key"] == str(OUR_ID)
    assert headers["content-type"] == "application/json"
    assert "authorization" not in headers


def test_a_look_without_a_body_is_a_plain_get_with_the_key_as_a_bearer(vendor: tuple[str, ARRIVED]):
    url, arrived = vendor

    outcomes = adapter(url, {}, {}).check([Operation("a/b?c")])

    assert outcomes == {"a/b?c": Pending(stage="runs")}
    [(method, path, headers, body)] = arrived
    assert (method, path, body) == ("GET", "/v1/jobs/a%2Fb%3Fc", None)
    assert headers["authorization"] == "Bearer the key"


@pytest.mark.parametrize(("id_is", "sent"), [("text", "12"), ("number", 12)])
def test_a_look_with_a_body_carries_the_id_as_the_vendor_wants_it(
    vendor: tuple[str, ARRIVED], id_is: str, sent: object
):
    url, arrived = vendor
    status = {"method": "POST", "path": "/query", "body": {"job": "{id}", "key": "{key}"}}

    adapter(url, {"id_is": id_is}, status).check([Operation("12")])

    [(method, path, _, body)] = arrived
    assert (method, path, body) == ("POST", "/v1/query", {"job": sent, "key": "the key"})


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_cancel_arrives_as_described(vendor: tuple[str, ARRIVED], method: str):
    url, arrived = vendor
    cancel = {"method": method, "path": "/jobs/{id}/stop", "body": {"why": "{{no}} need of {id}"}, "at_once": True}

    assert adapter(url, {}, {}, cancel=cancel).cancel(Operation("12")) == Cancelled()
    [(arrived_method, path, _, body)] = arrived
    assert (arrived_method, path, body) == (method, "/v1/jobs/12/stop", {"why": "{no} need of 12"})
