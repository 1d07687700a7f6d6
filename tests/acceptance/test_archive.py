"""Results that stay, against a real stack: all copied whole before their URLs end, whatever is killed."""

import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.acceptance.conftest import OPTIONS
from tests.acceptance.stack import Stack
from tests.waiting import until
from vidpoll import Client, GenerationRequest

#: How many results, and seconds for which their URLs are good; `make test` has fewer and shorter ones.
RESULTS = int(os.environ.get("VIDPOLL_FAULTS_ARCHIVE_RESULTS", "100"))
LIVE_S = float(os.environ.get("VIDPOLL_FAULTS_ARCHIVE_LIVE_S", "4"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("archived")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Stack]:
    stack = Stack(
        tmp_path_factory.mktemp("archiving"), *OPTIONS, VIDPOLL_LEASE_S="2", VIDPOLL_ARCHIVE_URL=folder.as_uri()
    )
    yield stack
    assert stack.stop() == 0


def _served(stack: Stack, url: str) -> str:
    """The checksum of what the simulator serves under the path of a URL, whether that has ended or not."""
    answer = requests.get(f"{stack.described['simulator_url']}{urlsplit(url).path}", timeout=30)
    answer.raise_for_status()
    return hashlib.sha256(answer.content).hexdigest()


@pytest.mark.timeout(400)
def test_all_results_are_archived_whole_though_their_urls_end_and_workers_are_killed_in_the_middle(
    stack: Stack, folder: Path
):
    dice = random.Random(5)
    stack.simulate("faults", files_live_s=LIVE_S, files_bytes=200_000, files_bytes_per_s=250_000, file_cut=0.05)
    client = Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])
    wanted = [GenerationRequest(provider="runware", model="google:3@3", prompt=f"clip {n}") for n in range(RESULTS)]
    began = time.monotonic()
    ids = client.submit_many(wanted)
    for _ in range(3):
        before = stack.pids["worker"]
        until(lambda: list(folder.rglob(".*.part")), within_s=60, what="a copy being written")
        time.sleep(dice.uniform(0.1, 0.6))
        os.kill(before, signal.SIGKILL)
        until(lambda before=before: stack.pids["worker"] != before, what="another worker")
    stack.finished(ids, within_s=120)

    def stored() -> list[dict[str, object]] | None:
        rows = stack.sql("SELECT * FROM archived_files ORDER BY id")
        return rows if len(rows) == RESULTS and not any(row["status"] == "waiting" for row in rows) else None

    rows = until(stored, within_s=240, what=f"{RESULTS} copies")

    stack.simulate("faults", files_bytes_per_s=0, file_cut=0)
    assert {row["status"] for row in rows} == {"stored"}, [row["error"] for row in rows if row["error"]]
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.webm") if not path.name.startswith(".")}
    assert files.keys() == {row["name"] for row in rows}
    assert len(files) == RESULTS
    for row in rows:
        content = files[str(row["name"])].read_bytes()
        told = hashlib.sha256(content).hexdigest()
        assert (told, len(content)) == (row["sha256"], row["bytes"])
        assert told == _served(stack, str(row["url"]))
    assert len({row["sha256"] for row in rows}) == RESULTS
    assert stack.report()["duplicate_charges"] == 0
    again = sum(int(row["attempts"]) > 1 for row in rows)
    print(f"{RESULTS} stored in {time.monotonic() - began:.1f} s; {again} of them took more than one attempt")
    told = json.loads(stack.vidpoll("archive", "status", "--json").stdout)
    assert (told["on"], told["stored"], told["waiting"], told["failed"], told["problems"]) == (True, RESULTS, 0, 0, [])
    shown = json.loads(stack.vidpoll("status", str(ids[0]), "--json").stdout)[0]
    assert (shown["archive"], shown["archived_url"].startswith("file://")) == ("stored", True)
    assert "none of them had failed" in stack.vidpoll("archive", "retry", "--all").stdout
    nothing = stack.vidpoll("archive", "retry")
    assert (nothing.returncode, "--all" in nothing.stderr) == (1, True)
