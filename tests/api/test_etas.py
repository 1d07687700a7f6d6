"""When it will be done: in statuses, lists and events; from what was learned, which each process reads by itself."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.api.serving import Caller, key_of, served, until
from tests.api.test_events import of, stream
from tests.integration.driver import Driver
from vidpoll.api import create_app
from vidpoll.api.settings import ApiSettings
from vidpoll.api.views import STATUS_LIMIT, status_json
from vidpoll.durations import Durations
from vidpoll.errors import StoreUnavailable
from vidpoll.eta import Eta, eta_of
from vidpoll.generation import Failure, Status
from vidpoll.schedule import Forecast
from vidpoll.services import Services
from vidpoll.settings import Settings
from vidpoll.simulator import Durations as Takes
from vidpoll.store import Learned
from vidpoll.store.live import _HORIZON as HORIZON
from vidpoll.store.live import _STATUS as STATUS
from vidpoll.store.live import StatusRow

TIMES = {"eta_s", "eta_p90_s", "elapsed_s", "next_check_s", "checks"}
LONGEST = uuid.UUID(int=2**128 - 1)
#: What large numbers may be: seconds of a month, a check in each.
MANY = 30 * 24 * 3600


def learn(services: Services, median_s: float, params: str = "{}") -> int:
    """Store what would have been learned; the ``eta_s`` of one that is submitted now."""
    durations = Durations.lognormal(median_s, 0.3)
    others = [one for one in services.store.learned() if one.params != params]
    new = Learned("veo", "veo-fast", params, "total", 100, durations, datetime.now(UTC))
    services.store.learn("veo", "veo-fast", [*others, new])
    eta = eta_of(Forecast(durations, durations), 0)
    assert eta is not None
    return eta.p50_s


def told(who: Caller, id: object) -> dict[str, Any]:
    return dict(who.get(f"/v1/generations/{id}/status").json())


@pytest.fixture(autouse=True)
def slow_videos(world):
    world.durations = Takes(median_s=600, sigma=0, fixed_s=0)


@pytest.fixture
def brisk(settings: Settings, services: Services) -> Iterator[Caller]:
    """Alice, at an API that reads what was learned many times a second."""
    app = create_app(settings, ApiSettings(eta_refresh_s=0.05))
    with served(app) as url, Caller(url, key_of(services.store, "alice")) as caller:
        yield caller


def test_a_status_tells_when_it_will_be_done_and_how_it_is_watched(alice: Caller, driver: Driver, make_request):
    id = driver.submitted(make_request())
    driver.check()

    found = told(alice, id)

    assert found.keys() >= TIMES
    assert 1 <= found["eta_s"] <= found["eta_p90_s"]
    assert found["checks"] == driver.get(id).checks == 1
    assert found["elapsed_s"] >= 0
    assert 0 <= found["next_check_s"] <= 1


def test_one_that_waits_has_the_eta_of_one_submitted_now_and_no_check_planned(
    alice: Caller, driver: Driver, make_request
):
    id = driver.accepted(make_request())

    found = told(alice, id)

    assert found.keys() >= TIMES - {"next_check_s"}
    assert "next_check_s" not in found
    assert found["checks"] == 0


def test_one_that_has_ended_tells_how_long_it_took(alice: Caller, driver: Driver, make_request, services):
    id = driver.submitted(make_request())
    driver.sql("UPDATE generations SET submitted_at = submitted_at - interval '1 minute' WHERE id = %s", id)
    services.store.failed(id, Failure("content_filtered", "no"), expected=Status.PROCESSING)

    found = told(alice, id)

    assert TIMES & found.keys() == {"elapsed_s", "checks"}
    assert 60 <= found["elapsed_s"] < 120


def test_an_unknown_one_has_no_eta(alice: Caller, driver: Driver, make_request, services):
    id, token = driver.accepted(make_request()), uuid.uuid4()
    services.store.pin([id], "vertex")
    services.store.submitting(id, token)
    services.store.unknown(id, Failure("unanswered", "no answer"), token=token)

    assert "eta_s" not in told(alice, id)


def test_every_way_to_ask_tells_the_same_times(alice: Caller, driver: Driver, make_request):
    id = driver.submitted(make_request())
    driver.check()

    one = told(alice, id)
    several = alice.get("/v1/generations/status", params={"ids": str(id)}).json()["generations"][0]
    whole = alice.get(f"/v1/generations/{id}").json()
    listed = alice.get("/v1/generations").json()["items"][0]
    with stream(alice, of(id)) as opened:
        until(lambda: opened.kinds == ["snapshot"])

    for other in (several, whole, listed, opened.generations[0]):
        assert other.keys() >= TIMES
        assert abs(other["eta_s"] - one["eta_s"]) <= 2
        assert abs(other["eta_p90_s"] - one["eta_p90_s"]) <= 2
        assert abs(other["elapsed_s"] - one["elapsed_s"]) <= 2


def test_events_at_the_provider_carry_the_eta_of_their_moment(alice: Caller, driver: Driver, make_request):
    id = driver.accepted(make_request())
    with stream(alice, of(id)) as opened, stream(alice, "/v1/events") as all:
        until(lambda: opened.kinds and all.sent)
        driver.submit()
        until(lambda: "processing" in opened.kinds and "processing" in all.kinds)
        driver.sql("UPDATE generations SET submitted_at = submitted_at - interval '1 hour' WHERE id = %s", id)
        driver.sql("UPDATE generations SET expected_at = now() - interval '1 minute' WHERE id = %s", id)
        driver.check()
        until(lambda: "overdue" in opened.kinds and "overdue" in all.kinds)
    with stream(alice, of(id), last="0") as again:
        until(lambda: "overdue" in again.kinds)

    for reader in (opened, all):
        by_kind = {one["kind"]: one for one in reader.generations}
        young, old = by_kind["processing"], by_kind["overdue"]
        assert 1 <= young["eta_s"] <= young["eta_p90_s"]
        assert (young["elapsed_s"], old["elapsed_s"] >= 3600) == (0, True)
        assert young["eta_s"] < old["eta_s"] <= old["eta_p90_s"]
    replayed = {one["kind"]: one for one in again.generations}
    assert abs(replayed["overdue"]["eta_s"] - old["eta_s"]) <= 1
    assert "eta_s" not in replayed["accepted"]


def test_what_is_learned_changes_the_eta_without_a_restart(brisk: Caller, driver: Driver, make_request, services):
    id = driver.accepted(make_request())
    before = told(brisk, id)["eta_s"]

    after = learn(services, 2000)

    until(lambda: told(brisk, id)["eta_s"] == after)
    assert before < 1000 < after


def test_the_kind_of_video_decides_the_eta(brisk: Caller, driver: Driver, make_request, services):
    short, long = (driver.accepted(make_request(params={"durationSeconds": seconds})) for seconds in (4, 8))

    etas = (learn(services, 50), learn(services, 2000, '{"durationSeconds": 8}'))

    until(lambda: (told(brisk, short)["eta_s"], told(brisk, long)["eta_s"]) == etas)


def test_with_large_parameters_the_model_as_a_whole_decides(brisk: Caller, driver: Driver, make_request, services):
    noise = "".join(f"{number:x}" for number in range(10_000))  # which Postgres cannot make small
    id = driver.accepted(make_request(params={"durationSeconds": 8, "image": noise}))

    learn(services, 2000, '{"durationSeconds": 8}')
    eta_s = learn(services, 50)

    until(lambda: told(brisk, id)["eta_s"] == eta_s)


def test_while_durations_cannot_be_read_the_old_ones_stay(
    settings: Settings, services: Services, driver: Driver, make_request
):
    id, app, reads = driver.accepted(make_request()), create_app(settings, ApiSettings(eta_refresh_s=0.05)), []

    def broken() -> list[Learned]:
        reads.append(1)
        raise (StoreUnavailable("away") if len(reads) % 2 else ValueError("no histogram"))

    learned = learn(services, 2000)
    with served(app) as url, Caller(url, key_of(services.store, "alice")) as caller:
        until(lambda: told(caller, id)["eta_s"] == learned)
        app.state.parts.estimates._read = broken
        until(lambda: len(reads) > 3)

        assert told(caller, id)["eta_s"] == learned


def test_an_api_without_a_providers_file_goes_by_what_was_learned(
    settings: Settings, services, driver: Driver, make_request, tmp_path: Path
):
    id = driver.accepted(make_request())
    without = settings.model_copy(update={"providers_file": tmp_path / "none.toml"})
    with (
        served(create_app(without, ApiSettings(eta_refresh_s=0.05))) as url,
        Caller(url, key_of(services.store, "alice")) as caller,
    ):
        assert told(caller, id)["eta_s"] >= 1
        learned = learn(services, 2000)
        until(lambda: told(caller, id)["eta_s"] == learned)


def test_a_status_read_stays_one_statement(app, alice: Caller, driver: Driver, make_request, monkeypatch):
    id, said, live = driver.submitted(make_request()), [], app.state.parts.live
    told(alice, id)  # the key is known from here on
    once = live._once

    async def noted(query, given):
        said.append(query)
        return await once(query, given)

    monkeypatch.setattr(live, "_once", noted)
    for _ in range(10):
        assert told(alice, id)["eta_s"]

    assert said.count(STATUS) == 10
    assert set(said) <= {STATUS, HORIZON}


def test_times_that_change_by_themselves_make_no_new_version(alice: Caller, driver: Driver, make_request):
    id = driver.submitted(make_request())
    etag = alice.get(f"/v1/generations/{id}/status").headers["ETag"]
    driver.sql("UPDATE generations SET checks = checks + 1, next_check_at = now() + interval '9 s' WHERE id = %s", id)

    assert told(alice, id)["next_check_s"] in (8, 9)
    assert alice.get(f"/v1/generations/{id}/status", headers={"If-None-Match": etag}).status_code == 304


# -- 200 bytes --------------------------------------------------------------------------------------------------------


def row(status: Status, **fields: Any) -> StatusRow:
    usual = StatusRow(
        id=LONGEST, version=1, status=status, progress=100, stage=None, overdue=True, video_url=None, error=None,
        seed=None, next_s=MANY, project_id=None, updated_at=datetime.now(UTC), provider="veo", model="veo-fast",
        params=None, checks=MANY, elapsed_s=MANY,
    )  # fmt: skip
    return usual._replace(**fields)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"video_url": "https://example.com/" + "a" * 60, "seed": 2**63},
        {"video_url": "https://example.com/" + "a" * 2000, "seed": 2**63},
        {"error": {"code": "content_filtered", "message": "größer 🦊 " * 60}},
        {"error": {"code": "c" * 300, "message": "no"}},
    ],
)
def test_no_status_has_more_than_200_bytes_however_large_its_numbers(status: Status, fields: dict[str, Any]):
    assert len(status_json(row(status, **fields), Eta(MANY, MANY))) <= STATUS_LIMIT


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUBMITTING, Status.PROCESSING])
def test_all_times_fit_while_it_is_made(status: Status):
    assert json.loads(status_json(row(status), Eta(MANY, MANY))).keys() == {"id", "status", "progress"} | TIMES


def test_what_does_not_fit_is_left_out_from_the_last_and_the_video_stays_whole():
    url = "https://example.com/" + "a" * 60
    whole = json.loads(status_json(row(Status.COMPLETED, video_url=url), None))
    longer = json.loads(status_json(row(Status.COMPLETED, video_url=url + "a" * 20), None))

    assert (whole["video_url"], whole["elapsed_s"], "checks" in whole) == (url, MANY, False)
    assert (longer["video_url"], TIMES & longer.keys()) == (url + "a" * 20, set())
