"""A caller that stays for its video: it gets it when that is made in time, else the id; the video is made either way."""

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.driver import Driver
from tests.waiting import until
from vidpoll import Client, GenerationRequest, IdempotencyConflict, NotConfigured, Status, StoreUnavailable
from vidpoll.generation import Failure
from vidpoll.services import Services

ASKED = ["submit", "a lion", "--provider", "veo", "--model", "veo-fast", "--owner", "alice"]


@pytest.fixture
def environ(redis_url: str, database_url: str, tmp_path: Path, services: Services, monkeypatch) -> dict[str, str]:
    given = {
        "VIDPOLL_REDIS_URL": redis_url,
        "VIDPOLL_DATABASE_URL": database_url,
        "VIDPOLL_PROVIDERS_FILE": str(tmp_path / "providers.toml"),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **given}


@pytest.fixture
def client(environ: dict[str, str]) -> Iterator[Client]:
    made = Client()
    yield made
    made._store._engine.dispose()


@pytest.fixture
def play(driver: Driver, services: Services) -> Iterator[Callable[[], None]]:
    """Plays the workers from the call on."""
    stop = threading.Event()

    def worker() -> None:
        while not stop.wait(0.05):
            one = services.store.recent(1)
            if one and one[0].status is Status.PENDING:
                driver.lifecycle.accept(one[0].request)
                driver.submit()
            driver.check()

    thread = threading.Thread(target=worker)
    yield thread.start
    stop.set()
    if thread.ident:
        thread.join()


def run(environ: dict[str, str], *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "vidpoll", *ASKED, *more]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_a_video_made_in_time_is_the_answer(client: Client, play, make_request):
    play()

    generation = client.submit(make_request(), wait_s=30)

    assert (generation.status, bool(generation.video_url)) == (Status.COMPLETED, True)


@pytest.mark.parametrize("wait_s", [-1, 0, 0.3])
def test_when_the_time_is_up_the_answer_is_how_it_stands(client: Client, make_request, wait_s: float):
    request = make_request()

    generation = client.submit(request, wait_s=wait_s)

    assert (generation.id, generation.status) == (request.id, Status.PENDING)


def test_without_a_wait_the_answer_is_the_id_as_ever(client: Client, make_request):
    request = make_request()

    assert client.submit(request) == client.submit(request, wait_s=None) == request.id


def test_asked_again_under_its_key_one_waits_for_the_same_generation(client: Client, play, make_request):
    first = client.submit(make_request(idempotency_key="one"))
    play()

    again = client.submit(make_request(idempotency_key="one"), wait_s=30)

    assert (again.id, again.status) == (first, Status.COMPLETED)
    with pytest.raises(IdempotencyConflict):
        client.submit(make_request(idempotency_key="one", prompt="a tiger"), wait_s=30)


def test_a_wait_that_could_never_be_answered_is_told_before_anything_is_sent(environ, redis_client, make_request):
    with pytest.raises(NotConfigured, match="database_url"):
        Client(database_url="").submit(make_request(), wait_s=1)

    assert redis_client.llen("accept") == 0


def test_a_database_lost_during_the_wait_is_told_with_the_id(client: Client, make_request, monkeypatch):
    request, told = make_request(), "the server closed the connection"
    client._readable()

    def gone(_: object) -> None:
        raise StoreUnavailable(told)

    monkeypatch.setattr(client._store, "find", gone)
    with pytest.raises(StoreUnavailable, match=f"submitted as {request.id}, .*{told}"):
        client.submit(request, wait_s=5)


def test_the_command_prints_the_videos_address_and_nothing_else(environ, play, services: Services):
    play()

    shown, told = run(environ, "--wait", "30"), run(environ, "--wait", "30", "--json")

    newest, before = services.store.recent(2)
    assert (shown.returncode, shown.stdout) == (0, f"{before.video_url}\n")
    assert str(before.id) in shown.stderr
    assert (told.returncode, json.loads(told.stdout)["video_url"]) == (0, newest.video_url)


def test_the_commands_exit_code_says_whether_it_goes_on_or_ended_without_a_video(
    environ, client: Client, services: Services, driver: Driver
):
    goes_on = run(environ, "--wait", "0.2", "--idempotency-key", "one")
    id = uuid.UUID(goes_on.stdout.strip())
    services.store.failed(id, Failure("invalid_input", "no"), expected=Status.PENDING)
    failed = run(environ, "--wait", "0.2", "--idempotency-key", "one")
    refused = run(environ, "--wait", "0.2", "--model", "nobody-makes-it")

    assert (goes_on.returncode, failed.returncode, refused.returncode) == (4, 3, 1)
    assert failed.stdout == f"{id}\n"
    assert "invalid_input: no" in failed.stderr


def test_a_caller_that_is_killed_while_it_waits_changes_nothing(environ, play, services: Services):
    command = [sys.executable, "-m", "vidpoll", *ASKED, "--wait", "600"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as caller:
        id = uuid.UUID(caller.stderr.readline().split()[0])
        caller.kill()
    play()

    until(lambda: services.store.get(id).status is Status.COMPLETED)


def test_a_wait_is_for_one_video(environ, tmp_path: Path):
    file = tmp_path / "many.jsonl"
    file.write_text(GenerationRequest(provider="veo", model="veo-fast", prompt="x").model_dump_json() + "\n")
    command = [sys.executable, "-m", "vidpoll", "submit", "--file", str(file), "--wait", "1"]

    told = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)

    assert (told.returncode, "are for one video" in told.stderr) == (1, True)
