"""``vidpoll status``, ``watch`` and ``durations``, as somebody types them; and what the client tells of the same."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.driver import Driver
from tests.unit.projects import clip
from vidpoll import Client
from vidpoll.durations import Durations
from vidpoll.eta import eta_of
from vidpoll.generation import Status
from vidpoll.schedule import Forecast
from vidpoll.services import Services
from vidpoll.simulator import Durations as Takes
from vidpoll.store import Learned

Vidpoll = Callable[..., "subprocess.CompletedProcess[str]"]
LONG = Durations.lognormal(2000, 0.3)


@pytest.fixture
def vidpoll(services: Services, database_url: str, tmp_path: Path) -> Vidpoll:
    def run(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        environ = {
            **os.environ,
            "VIDPOLL_DATABASE_URL": database_url,
            "VIDPOLL_PROVIDERS_FILE": str(tmp_path / "providers.toml"),
            **more,
        }
        command = [sys.executable, "-m", "vidpoll", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture(autouse=True)
def slow_videos(world):
    world.durations = Takes(median_s=600, sigma=0, fixed_s=0)


def learned(params: str = "{}", part: str = "total", durations: Durations = LONG, **fields: object) -> Learned:
    newest_at = datetime.now(UTC) - timedelta(minutes=5)
    return Learned("veo", "veo-fast", params, part, 100, durations, newest_at)


def test_status_tells_machines_and_people_when_it_will_be_done(
    vidpoll: Vidpoll, services: Services, driver: Driver, make_request
):
    services.store.learn("veo", "veo-fast", [learned()])
    id = driver.submitted(make_request())
    driver.check()

    (one,) = json.loads(vidpoll("status", str(id), "--json").stdout)
    shown = vidpoll("status").stdout

    eta = eta_of(Forecast(LONG, LONG), 0)
    assert eta.p50_s - 60 < one["eta_s"] <= eta.p50_s
    assert one["eta_s"] <= one["eta_p90_s"] <= eta.p90_s
    assert (one["checks"], one["next_check_s"] in (0, 1), 0 <= one["elapsed_s"] < 60) == (1, True, True)
    assert [name for name in ("elapsed", "checks", "next look", "ETA") if name not in shown] == []
    assert "≈ 33 min (90 %: 49 min)" in shown


def test_what_is_final_has_no_eta(vidpoll: Vidpoll, services: Services, driver: Driver, make_request):
    id = driver.submitted(make_request())
    services.store.completed(id, "https://example.com/v.mp4", {"videos": []})

    (one,) = json.loads(vidpoll("status", str(id), "--json").stdout)
    told = json.loads(vidpoll("watch", str(id), "--json").stdout)

    assert (one["eta_s"], one["eta_p90_s"], one["next_check_s"]) == (None, None, None)
    assert told["status"] == "completed"
    assert (told["eta_s"], told["elapsed_s"]) == (None, one["elapsed_s"])


def test_watch_shows_it_until_it_is_final_or_the_time_is_up(
    vidpoll: Vidpoll, services: Services, driver: Driver, make_request
):
    open_one, ended = driver.submitted(make_request()), driver.submitted(make_request())
    services.store.completed(ended, "https://example.com/v.mp4", {"videos": []})

    waited, seen = vidpoll("watch", str(open_one), "--timeout-s", "1"), vidpoll("watch", str(ended))

    assert waited.returncode == 4
    assert "1 of 1 generations are not final" in waited.stderr
    assert "≈ " in waited.stdout
    assert seen.returncode == 0
    assert "completed" in seen.stdout


def test_the_client_tells_the_eta_of_what_it_read(
    services: Services, driver: Driver, make_request, database_url: str, tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("VIDPOLL_PROVIDERS_FILE", str(tmp_path / "providers.toml"))
    services.store.learn("veo", "veo-fast", [learned()])
    client, id = Client(database_url=database_url), driver.accepted(make_request())

    assert client.eta(client.status(id)) == eta_of(Forecast(LONG, LONG), 0)
    services.store.cancelled(id, expected=Status.PENDING)
    assert client.eta(client.status(id)) is None


def test_durations_says_what_to_do_while_nothing_was_learned(vidpoll: Vidpoll):
    assert "nothing was learned yet" in vidpoll("durations").stdout
    assert json.loads(vidpoll("durations", "--json").stdout) == []


def test_durations_lists_models_their_kinds_of_videos_and_their_runs(vidpoll: Vidpoll, services: Services):
    kind, run = '{"durationSeconds": 8}', Durations.lognormal(30, 0.3)
    services.store.learn("veo", "veo-fast", [learned(kind), learned(), learned(part="run", durations=run)])

    whole, eight = json.loads(vidpoll("durations", "--json").stdout)
    shown = vidpoll("durations").stdout.splitlines()

    assert (whole["provider"], whole["model"], whole["params"], whole["samples"]) == ("veo", "veo-fast", {}, 100)
    assert whole["total"]["p10_s"] < whole["total"]["p50_s"] < whole["total"]["p90_s"]
    assert whole["total"]["p50_s"] == pytest.approx(2000, rel=0.01)
    assert whole["run"]["p50_s"] == pytest.approx(30, rel=0.01)
    assert (eight["params"], eight["run"]) == ({"durationSeconds": 8}, None)
    assert 300 <= whole["age_s"] < 400
    assert "23 min / 33 min / 49 min" in shown[1]
    assert "20 s / 30 s / 44 s" in shown[1]
    assert "durationSeconds=8" in shown[2]
    assert "not told" in shown[2]


def test_what_is_wrong_with_the_archive_is_told_before_a_project_is_asked_for(
    vidpoll: Vidpoll, services: Services, redis_url: str, tmp_path: Path
):
    file = tmp_path / "lions.json"
    file.write_text(json.dumps({"name": "lions", "owner": "alice", "steps": [clip("a")]}))
    urls = {"VIDPOLL_REDIS_URL": redis_url, "VIDPOLL_ARCHIVE_URL": "nowhere://videos"}

    refused = vidpoll("project", "submit", str(file), "--again", "--watch", "--json", **urls)

    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert "VIDPOLL_ARCHIVE_URL" in refused.stdout + refused.stderr
    assert services.store.project_list("alice") == []
