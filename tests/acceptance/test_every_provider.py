"""Every provider as shipped: by the command people type first, and in what Prometheus and the dashboard show of it."""

import json
import shutil
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.prometheus import Prometheus, scraped
from tests.acceptance.stack import PROJECT, Stack, celery_message
from tests.monitoring.files import filled_in, panels, queries
from tests.monitoring.promql import not_there
from tests.receiver import receiving
from tests.waiting import until
from vidpoll import Client
from vidpoll.catalogue import catalogue
from vidpoll.cli.jsonl import read_requests
from vidpoll.messages import GENERATE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkout")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    copies = str(folder / "copies")
    stack = Stack(folder / ".vidpoll", "--time-scale", "0.01", as_shipped=True, VIDPOLL_ARCHIVE_URL=copies)
    yield stack
    assert stack.stop() == 0
    assert not (stack.folder / "prometheus-targets.json").exists()


@pytest.mark.timeout(400)
def test_a_prompt_and_a_provider_are_enough_for_a_video(stack: Stack):
    charged_before = stack.report()["charged"]
    names = [entry.provider for entry in catalogue().values() if entry.name == entry.provider]
    told = {name: stack.vidpoll("submit", "a lion", "--provider", name, "--json") for name in names}
    told["gemini"] = stack.vidpoll("submit", "a lion", "--provider", "veo", "--account", "gemini", "--json")

    assert all(ran.returncode == 0 for ran in told.values()), {name: ran.stdout for name, ran in told.items()}
    ids = {name: json.loads(ran.stdout)["id"] for name, ran in told.items()}
    rows = {str(row["id"]): row for row in stack.finished(list(ids.values()))}

    ended = {name: (rows[id]["account"], rows[id]["status"], rows[id]["error"]) for name, id in ids.items()}
    assert ended == {name: (name, "completed", None) for name in ids}
    assert all(rows[id]["video_url"] for id in ids.values())
    assert (stack.report()["charged"] - charged_before, stack.report()["duplicate_charges"]) == (len(ids), 0)
    assert len(ids) == 11


def _client(stack: Stack) -> Client:
    return Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])


def make_videos(stack: Stack) -> None:
    """Two of every account's; beside them a video that fails, and a message that is refused."""
    requests_, _ = read_requests(PROJECT / "config" / "demo-requests.jsonl", {"owner": "demo"})
    client = _client(stack)
    stack.push(celery_message(GENERATE, {"owner": "demo", "wrong": True}))
    wanted = [request.model_copy(update={"id": uuid.uuid4()}) for _, request in requests_[:23]]
    stack.finished(client.submit_many(wanted[:22]))
    stack.simulate("faults", job_failed=1)
    stack.finished([client.submit(wanted[22])])
    stack.simulate("faults", job_failed=0)


def test_every_metric_and_label_a_query_names_is_there(stack: Stack):
    make_videos(stack)
    series = until(lambda: (found := scraped(stack.folder)).get("vidpoll_completion_seconds_count") and found)

    dead = [f"{where}: {what}" for where, query in queries() for what in not_there(query, series)]
    assert not dead
    assert len(list(queries())) > 60


def test_prometheus_scrapes_and_no_panel_is_dead(stack: Stack, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Two waves, as in `make demo`: a counter must be seen to grow, so what is there at the first look does not count."""
    program = shutil.which("prometheus")
    if not program:
        pytest.skip("prometheus is not on PATH")
    with Prometheus(program, folder) as prometheus, receiving() as receiver:
        monkeypatch.setenv("VIDPOLL_WEBHOOKS_LOCAL", "true")
        _client(stack).add_webhook("demo", receiver.url)
        until(lambda: prometheus.ask('sum(up{job=~"vidpoll-worker|vidpoll-api"})') == [2])
        make_videos(stack)
        until(lambda: prometheus.ask("count(count by (provider) (vidpoll_completion_seconds_count))") == [10])
        make_videos(stack)

        for panel in panels():
            for target in panel["targets"]:
                until(
                    partial(prometheus.ask, filled_in(target["expr"], "2m")), what=f"an answer for {panel['title']!r}"
                )
        wrong = {rule["name"]: rule["lastError"] for rule in prometheus.rules() if rule["health"] == "err"}
        assert not wrong
        assert not prometheus.ask("up == 0")
