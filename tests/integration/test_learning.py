"""From finished generations to what workers plan by, on a real Postgres."""

import json
from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.integration.driver import REPLICATE, Driver
from tests.waiting import until
from vidpoll.accounts import ModelPolicy
from vidpoll.clock import Clock
from vidpoll.errors import StoreUnavailable
from vidpoll.forecasts import REFRESH_S, Forecasts
from vidpoll.generation import GenerationRequest, Status
from vidpoll.lanes import Lane
from vidpoll.learning import learn_durations
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services
from vidpoll.simulator import World
from vidpoll.store import Learned

Make = Callable[..., GenerationRequest]
POLICY = ModelPolicy(typical_s=600)

#: One that ended `age` seconds ago: not done `after` seconds after the paid call, seen done `until` seconds after it.
_FINISHED = """
INSERT INTO generations (id, owner, request_hash, provider, account, model, prompt, params, status, operation_name,
    submitted_at, last_pending_at, completed_at, next_check_at, deadline_at, result, video_url, queued_s, run_s)
SELECT %s, 'o', '', 'veo', 'vertex', 'veo-fast', 'p', %s::jsonb, 'completed', %s, t, t + make_interval(secs => %s),
    t + make_interval(secs => %s), now(), now(), '{}', 'u', %s, %s
FROM (SELECT now() - make_interval(secs => %s) AS t) AS began
"""


@pytest.fixture
def finished(driver: Driver) -> Callable[..., None]:
    def write(
        times: int,
        after: float,
        until: float,
        *,
        age: float = 10_000,
        queued_s: float | None = None,
        run_s: float | None = None,
        **params: object,
    ) -> None:
        for number in range(times):
            values = (after, until, queued_s, run_s, age - number)
            driver.sql(_FINISHED, uuid4(), json.dumps(params), uuid4().hex, *values)

    return write


def forecasts(services: Services) -> Forecasts:
    fresh = Forecasts(services.store.learned, Clock())
    fresh.refresh()
    return fresh


def median(services: Services, **params: object) -> float:
    return forecasts(services).of("veo", "veo-fast", params, POLICY).total.quantile(0.5)


def test_before_anything_finished_the_providers_file_tells_how_long_it_takes(services: Services):
    assert learn_durations(services) == {"learned": 0}

    assert median(services) == pytest.approx(600, rel=0.02)


def test_what_finished_tells_how_long_it_takes(services: Services, finished: Callable[..., None]):
    finished(40, 40, 50)

    assert learn_durations(services) == {"learned": 1}
    assert 38 < median(services) < 60


def test_a_second_lesson_without_news_writes_nothing_and_one_with_news_does(
    services: Services, finished: Callable[..., None]
):
    finished(20, 40, 50)
    learn_durations(services)

    assert learn_durations(services) == {"learned": 0}
    finished(1, 40, 50, age=5)
    assert learn_durations(services) == {"learned": 1}


def test_kinds_of_videos_are_told_apart_by_their_parameters(services: Services, finished: Callable[..., None]):
    finished(60, 20, 22, age=20_000, duration=4, seed=1)
    finished(60, 200, 210, age=10_000, duration=8, seed=2)
    learn_durations(services)

    assert median(services, duration=4) == pytest.approx(21, rel=0.2)
    assert median(services, duration=8) == pytest.approx(205, rel=0.2)
    of_all = [one for one in services.store.learned() if one.params == "{}"]
    assert [one.samples for one in of_all] == [120]
    assert median(services, duration=16) == of_all[0].durations.quantile(0.5)


def test_a_kind_that_was_seldom_seen_is_taken_to_be_like_the_others(services: Services, finished: Callable[..., None]):
    finished(300, 100, 104, duration=8)
    finished(1, 100, 104, age=100, duration=4)
    learn_durations(services)

    assert median(services, duration=4) == pytest.approx(102, rel=0.1)


def test_the_providers_own_times_count_more_than_when_we_looked(services: Services, finished: Callable[..., None]):
    finished(100, 0, 400, queued_s=10, run_s=30)
    learn_durations(services)

    forecast = forecasts(services).of("veo", "veo-fast", {}, POLICY)
    assert forecast.total.quantile(0.5) == pytest.approx(40, rel=0.1)
    assert forecast.run.quantile(0.5) == pytest.approx(30, rel=0.1)


def test_only_the_newest_are_looked_at(services: Services, finished: Callable[..., None]):
    finished(100, 500, 500, age=50_000)
    finished(500, 50, 50, age=10_000)
    learn_durations(services)

    assert median(services) == pytest.approx(50, rel=0.1)
    assert [one.samples for one in services.store.learned()] == [500]


def test_models_that_left_the_providers_file_are_not_asked_about(
    services: Services, driver: Driver, finished: Callable[..., None]
):
    finished(5, 40, 50)
    driver.sql("UPDATE generations SET model = 'gone'")

    assert learn_durations(services) == {"learned": 0}


def test_a_snapshot_is_kept_while_postgres_is_away(services: Services, finished: Callable[..., None]):
    finished(40, 40, 50)
    learn_durations(services)
    answers: list[Callable[[], list[Learned]]] = [services.store.learned, _away, services.store.learned]
    clock = HandClock()

    def read() -> list[Learned]:
        return answers.pop(0)()

    snapshot = Forecasts(read, clock)

    for _ in range(2):
        snapshot.refresh()
        snapshot.refresh()  # not old yet: asks nobody
        clock.at += REFRESH_S
        assert snapshot.of("veo", "veo-fast", {}, POLICY).total.quantile(0.5) < 60

    assert len(answers) == 1


class HandClock(Clock):
    at = 0.0

    def monotonic(self) -> float:
        return self.at


def _away() -> list[Learned]:
    raise StoreUnavailable("Postgres: no answer")


def test_looks_leave_behind_between_which_moments_it_was_done(driver: Driver, world: World, make_request: Make):
    world.durations.median_s = 1000.0
    id = driver.submitted(make_request())
    driver.check()
    pending_at = driver.get(id).read_at
    driver.sql("UPDATE generations SET submitted_at = submitted_at - interval '100 seconds'")
    for job in world._jobs.values():
        job.ready_at = 0
    driver.check()

    assert driver.get(id).status is Status.COMPLETED
    (one,) = driver.services.store.finished("veo", "veo-fast", [], 10)
    assert 100 <= one.after_s < one.until_s
    assert one.until_s - one.after_s < (driver.get(id).read_at - pending_at).total_seconds() + 10


def test_the_next_look_follows_what_was_learned(
    services: Services, driver: Driver, finished: Callable[..., None], make_request: Make
):
    policy = ModelPolicy(typical_s=600)
    account = services.accounts["vertex"].model_copy(update={"models": {"veo-fast": policy}})
    services.accounts.accounts["vertex"] = account
    generation = driver.get(driver.accepted(make_request()))

    before = Lifecycle(services)._outlook.countdown(account, generation, checks=0)
    finished(200, 40, 42)
    learn_durations(services)
    lifecycle = Lifecycle(services)
    lifecycle._outlook.refresh("vertex")
    after = lifecycle._outlook.countdown(account, generation, checks=0)

    assert before == pytest.approx(account.models["veo-fast"].schedule.ceiling_s, rel=0.15)
    assert 30 < after < 42


def test_a_provider_that_tells_its_times_is_believed(driver: Driver, world: World, make_request: Make):
    world.durations.median_s, world.durations.queue_s = 0.3, 0.1
    id = driver.submitted(make_request(**REPLICATE), "replicate")

    def completed() -> bool:
        driver.check("replicate")
        return driver.get(id).status is Status.COMPLETED

    until(completed)
    (job,) = world.jobs()
    (one,) = driver.services.store.finished("replicate", "google/veo-3-fast", [], 10)
    assert one.queued_s == pytest.approx(job["starts_at"] - job["accepted_at"], abs=0.01)
    assert one.run_s == pytest.approx(job["ready_at"] - job["starts_at"], abs=0.01)
    assert "run_s" not in driver.get(id).result


def test_videos_without_any_of_the_parameters_do_not_stand_for_the_whole_model(
    services: Services, finished: Callable[..., None]
):
    finished(60, 60, 62, age=20_000, duration=8)
    finished(3, 5, 6, age=100, seed=1)
    learn_durations(services)

    assert [one.samples for one in services.store.learned() if one.params == "{}"] == [63]
    assert 50 < median(services) < 70


@pytest.mark.parametrize("value", ["x" * 5000, {"of": "everything"}, ["a"], None])
def test_a_value_that_is_no_short_word_stops_no_lesson_and_makes_no_kind(
    services: Services, finished: Callable[..., None], value: object
):
    finished(30, 60, 62, duration=value)

    assert learn_durations(services) == {"learned": 1}
    assert 50 < median(services, duration=value) < 70


def test_kinds_that_are_not_made_any_more_are_forgotten(services: Services, finished: Callable[..., None]):
    finished(10, 60, 62, age=90_000, duration=4)
    learn_durations(services)
    finished(500, 60, 62, age=10_000, duration=8)
    learn_durations(services)

    assert {one.params for one in services.store.learned()} == {"{}", '{"duration": 8}'}


def test_what_a_version_before_watched_tells_nothing_of_how_long_it_took(
    services: Services, driver: Driver, finished: Callable[..., None]
):
    finished(100, 40, 50)
    driver.sql("UPDATE generations SET last_pending_at = NULL, checks = 7")

    assert learn_durations(services) == {"learned": 0}


def test_a_histogram_that_cannot_be_read_is_written_over(
    services: Services, driver: Driver, finished: Callable[..., None]
):
    finished(40, 40, 50)
    learn_durations(services)
    driver.sql("UPDATE durations SET first_bin = 5000")

    assert services.store.learned() == []
    assert median(services) == pytest.approx(600, rel=0.02)
    assert learn_durations(services) == {"learned": 1}
    assert 38 < median(services) < 60


def test_what_timed_out_raises_no_price(services: Services, driver: Driver, make_request: Make):
    id = driver.submitted(make_request())
    lane = Lane("vertex", "status")
    for _ in range(300):
        driver.sql(_FINISHED, uuid4(), "{}", uuid4().hex, 1, 2, None, None, 10)
    driver.sql(
        'UPDATE generations SET status = \'failed\', error = \'{"code": "timed_out", "message": "", "retryable": true}\','
        " result = NULL, watch_until = now() + interval '1 day' WHERE status = 'completed'"
    )
    for page in services.store.being_watched("vertex"):
        services.lanes.schedule(lane, {one.id: 3600.0 for one in page})
    outlook, generation = Lifecycle(services)._outlook, driver.get(id)
    outlook.refresh("vertex")
    for _ in range(500):
        outlook.countdown(services.accounts["vertex"], generation, checks=1)

    assert services.lanes.size(lane) == 301
    assert outlook._pressures["vertex"].factor == 1
