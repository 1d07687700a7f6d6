import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.providers.subject import subject_of
from vidpoll.accounts import Accounts
from vidpoll.catalogue import catalogue
from vidpoll.cli import app
from vidpoll.dry_run import preview
from vidpoll.errors import InvalidRequest, VidpollError
from vidpoll.generation import GenerationRequest
from vidpoll.providers_file import load_accounts
from vidpoll.simulator import World

CANARY = "r8_canary-of-a-dry-run"
LIVE = """
[accounts.replicate]
provider = "replicate"
api_key_env = "DRY_RUN_TOKEN"
[accounts.vertex]
provider = "veo"
base_url = "https://aiplatform.example/v1/projects/p/locations/l"
api_key_file = "/nowhere/token"
options = { dialect = "vertex", storage_uri = "gs://b/" }
[accounts.vertex.models.veo-fast]
"""
REPLICATE = {"provider": "replicate", "model": "google/veo-3-fast"}


@pytest.fixture
def wire() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A vendor that notes what it is told."""
    told: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.append({"path": self.path, "headers": dict(self.headers), "body": body})
            self.send_response(500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", told
    server.shutdown()
    server.server_close()


@pytest.fixture
def live(tmp_path: Path, monkeypatch) -> Path:
    path = tmp_path / "live.toml"
    path.write_text(LIVE)
    monkeypatch.setenv("VIDPOLL_PROVIDERS_FILE", str(path))
    monkeypatch.delenv("DRY_RUN_TOKEN", raising=False)
    return path


def dry_run(*more: str) -> Result:
    target = ["--provider", "replicate", "--model", "google/veo-3-fast"]
    return CliRunner().invoke(app, ["submit", "a lion", *target, "--dry-run", *more])


@pytest.mark.parametrize("name", catalogue())
def test_what_is_shown_is_what_is_sent_but_for_the_key(name: str, wire):
    url, told = wire
    subject = subject_of(name, World(), url=url)
    account, request = subject.provider._account, subject.request(account=name)

    shown = preview(Accounts(accounts={name: account}), request)
    assert told == []
    subject.submit(request)

    (sent,) = told
    on_the_wire = {name: value for name, value in sent["headers"].items() if name not in ("Host", "Connection")}
    (key,) = (name for name, value in shown.headers.items() if "[redacted]" in value)
    assert (shown.method, shown.url, shown.body) == ("POST", url + sent["path"], sent["body"])
    assert account.key() not in json.dumps(shown.headers)
    assert {**shown.headers, key: ""}.items() >= {**on_the_wire, key: ""}.items()


def test_a_key_that_is_not_set_is_said_and_the_request_is_shown_all_the_same(live: Path):
    people, machines = dry_run(), dry_run("--json")

    assert people.exit_code == machines.exit_code == 0
    assert "POST https://api.replicate.com/v1/models/google/veo-3-fast/predictions\n" in people.stdout
    assert "Authorization: Bearer <DRY_RUN_TOKEN is not set>\n" in people.stdout
    assert json.loads(people.stdout.partition("\n\n")[2]) == {"input": {"prompt": "a lion"}}
    shown = json.loads(machines.stdout)
    assert shown["missing"] == "account replicate: set DRY_RUN_TOKEN to its API key"
    assert (shown["account"], shown["body"]) == ("replicate", {"input": {"prompt": "a lion"}})


def test_a_key_that_is_set_is_not_shown(live: Path, monkeypatch):
    monkeypatch.setenv("DRY_RUN_TOKEN", CANARY)

    people, machines = dry_run("--param", f"note={CANARY}"), dry_run("--json", "--param", f"note={CANARY}")

    for said in (people, machines):
        assert said.exit_code == 0
        assert CANARY not in said.output
        assert "Bearer [redacted]" in said.stdout


def test_a_key_file_that_cannot_be_read_is_said(live: Path):
    request = GenerationRequest(provider="veo", model="veo-fast", prompt="a lion")

    shown = preview(load_accounts(live), request)

    assert shown.headers["Authorization"] == "Bearer </nowhere/token cannot be read>"
    assert "cannot read its key" in shown.missing


@pytest.mark.parametrize(
    "params", [{"aspect_ratio": "1:1"}, {"prompt": "another"}, {"image": "http://10.0.0.1/x.png"}], ids=lambda one: next(iter(one))
)  # fmt: skip
def test_parameters_are_checked_as_for_a_real_one(live: Path, params: dict[str, str]):
    with pytest.raises(InvalidRequest, match=f"params.{next(iter(params))}: "):
        preview(load_accounts(live), GenerationRequest(**REPLICATE, prompt="a lion", params=params))


def test_one_that_nobody_can_make_is_refused_and_so_is_a_file(live: Path):
    unknown = CliRunner().invoke(app, ["submit", "x", "--provider", "veo", "--model", "nobody-makes-it", "--dry-run"])
    file = CliRunner().invoke(app, ["submit", "--file", "x.jsonl", "--dry-run"])

    assert isinstance(unknown.exception, VidpollError)
    assert "--dry-run: are for one video" in str(file.exception)
