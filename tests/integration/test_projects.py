"""Projects on a real Postgres and a real Redis, with the simulator as the vendor; the driver plays the workers."""

import threading
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis

from tests.integration.driver import Driver
from tests.unit.projects import clip, states
from vidpoll import health
from vidpoll.errors import IdempotencyConflict, ProjectNotFound, WrongState
from vidpoll.generation import Failure, Status
from vidpoll.lanes import PROJECTS, Lane, Lanes
from vidpoll.lanes.reading import SUSPECT_CLAIMS
from vidpoll.projects.advance import Moves, advance
from vidpoll.projects.plan import ProjectRequest
from vidpoll.projects.standing import Project, ProjectStatus, State
from vidpoll.projects.view import project_json
from vidpoll.restore import restore_stuck
from vidpoll.retention import erase
from vidpoll.services import _advance_soon
from vidpoll.simulator import Durations, World
from vidpoll.store import Store

UPSCALE = {
    "provider": "runware", "model": "bytedance:50@1", "prompt": "upscale",
    "params": {"taskType": "upscale", "inputs": {"video": {"from": "a", "path": "videos.0.url"}}},
}  # fmt: skip


def _request(*steps: dict[str, Any], **fields: Any) -> ProjectRequest:
    return ProjectRequest(name="lions", owner="alice", steps=list(steps), **fields)


def _made(driver: Driver, *steps: dict[str, Any], **fields: Any) -> uuid.UUID:
    """A project that was admitted, and waits in its lane."""
    id = driver.services.store.admit(_request(*steps, **fields), uuid.uuid4()).id
    driver.services.lanes.schedule(PROJECTS, {id: 0.0})
    return id


def _generation(driver: Driver, project_id: uuid.UUID, key: str) -> uuid.UUID:
    steps = {step.key: step for step in driver.services.store.project(project_id).steps}
    assert steps[key].generation_id
    return steps[key].generation_id


def _lines(driver: Driver) -> int:
    with driver.services.store._engine.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM project_outbox").scalar_one()


# -- end to end -------------------------------------------------------------------------------------------------------


def test_a_project_runs_from_one_result_to_the_next_and_is_paid_once_each(driver: Driver, world: World):
    collect = {"key": "sum", "local": "collect", "params": {"final": {"from": "up", "path": "url"}, "n": 1}}
    id = _made(driver, collect, clip("a"), {"key": "up", **UPSCALE})

    project = driver.work_off(id)

    told = project_json(project)
    original, upscaled = told["clips"]["a"], told["clips"]["up"]
    assert (project.status, told["progress"], told["all_complete"]) == (ProjectStatus.COMPLETED, 100, True)
    assert told["steps"][0]["result"] == {"final": upscaled, "n": 1}
    assert [job["request"].get("inputs") for job in world.jobs()] == [None, {"video": original}]
    assert world.report()["charged"] == 2
    assert _lines(driver) == 0
    assert driver.services.lanes.size(PROJECTS) == 0


def test_a_steps_generation_carries_its_project(driver: Driver):
    id = _made(driver, clip("a", priority=3, timeout_s=77.0))
    driver.advance()

    generation = driver.get(_generation(driver, id, "a"))

    assert (generation.owner, generation.project_id, generation.priority) == ("alice", str(id), 3)
    assert (generation.account, generation.status) == ("runware", Status.PENDING)
    assert driver.waits_in(Lane("runware", "submit"), generation.id)


def test_a_failed_step_is_retried_as_another_generation_and_only_that(driver: Driver, world: World):
    world.faults.poison = "poisoned"
    id = _made(driver, clip("a"), clip("b", prompt="poisoned"), clip("c", "b"))
    ended = driver.work_off(id)
    assert states(ended) == {"a": "completed", "b": "failed", "c": "skipped"}
    assert (ended.status, world.report()["charged"]) == (ProjectStatus.FAILED, 2)
    failed = _generation(driver, id, "b")

    world.faults.poison = ""
    assert driver.services.store.retry_project(id) == ["b"]
    assert driver.services.store.project(id).status is ProjectStatus.RUNNING
    driver.services.lanes.schedule(PROJECTS, {id: 0.0})
    again = driver.work_off(id)

    assert set(states(again).values()) == {"completed"}
    assert world.report()["charged"] == 4
    assert driver.get(_generation(driver, id, "b")).retry_of == failed
    assert driver.services.store.retry_project(id) == []
    assert driver.services.store.project(id).status is ProjectStatus.COMPLETED


def test_what_nobody_here_can_make_fails_its_step_before_anything_is_paid(driver: Driver, world: World):
    id = _made(driver, clip("a", model="none"), clip("b", "a"))

    project = driver.work_off(id)

    assert states(project) == {"a": "failed", "b": "skipped"}
    assert project.steps[0].error["code"] == "unknown_target"
    assert world.report()["submit_calls"] == 0


def test_a_late_video_brings_back_what_was_skipped(driver: Driver, world: World):
    world.durations = Durations(median_s=3600, sigma=0, fixed_s=0)
    id = _made(driver, clip("a"), clip("b", "a"))
    driver.advance()
    driver.submit("runware")
    generation = _generation(driver, id, "a")
    store = driver.services.store
    store.timed_out(generation, Failure("timed_out", "no video", retryable=True), countdown=0, retention_s=3600)
    driver.advance()
    assert states(ended := store.project(id)) == {"a": "failed", "b": "skipped"}
    assert (ended.status, ended.completed_at is not None) == (ProjectStatus.FAILED, True)

    store.completed(generation, "https://v.example/late.mp4", {"videos": ["https://v.example/late.mp4"]})
    driver.advance()

    assert states(again := store.project(id)) == {"a": "completed", "b": "pending"}
    assert (again.status, again.completed_at) == (ProjectStatus.RUNNING, None)
    assert again.version > ended.version


def test_a_failed_project_that_is_cancelled_pays_for_nothing_when_a_step_is_done_late(driver: Driver, world: World):
    world.durations = Durations(median_s=3600, sigma=0, fixed_s=0)
    id = _made(driver, clip("a"), clip("b", "a"))
    driver.advance()
    driver.submit("runware")
    generation, store = _generation(driver, id, "a"), driver.services.store
    store.timed_out(generation, Failure("timed_out", "no video", retryable=True), countdown=0, retention_s=3600)
    driver.advance()
    assert (failed := store.project(id)).status is ProjectStatus.FAILED

    assert store.cancel_project(id)
    assert not store.cancel_project(id)
    assert (at := store.project(id)).status is ProjectStatus.CANCELLED
    assert (at.completed_at, at.version) == (failed.completed_at, failed.version + 1)
    store.completed(generation, "https://v.example/late.mp4", {"videos": ["https://v.example/late.mp4"]})
    driver.advance()

    assert states(after := store.project(id)) == {"a": "completed", "b": "skipped"}
    assert after.status is ProjectStatus.CANCELLED
    assert store.retry_project(id) == []
    driver.projects.advance([id])
    assert states(store.project(id)) == {"a": "completed", "b": "pending"}


def test_a_project_that_stops_takes_back_what_was_not_sent_and_a_retry_brings_it_back(driver: Driver, world: World):
    world.faults.poison = "poisoned"
    id = _made(driver, clip("a", prompt="poisoned", priority=9), *(clip(key) for key in "bcd"), on_failure="stop")
    driver.advance()
    store, lane = driver.services.store, Lane("runware", "submit")
    failed, sent, maybe, unsent = (_generation(driver, id, key) for key in "abcd")
    driver.services.lanes.settle(lane, [maybe, unsent])
    driver.submit("runware")
    driver.services.lanes.schedule(lane, {maybe: 60.0, unsent: 60.0})
    driver.sql("UPDATE generations SET maybe_sent = true WHERE id = %s", maybe)
    store.failed(failed, Failure("filtered", "no"), expected=Status.PROCESSING)
    driver.advance()

    assert states(store.project(id)) == {"a": "failed", "b": "processing", "c": "pending", "d": "cancelled"}
    assert (driver.waits_in(lane, maybe), driver.waits_in(lane, unsent)) == (True, False)
    driver.sql("UPDATE generations SET maybe_sent = false WHERE id = %s", maybe)
    store.completed(sent, "https://v", {"videos": ["https://v"]})
    driver.advance()
    driver.advance()
    assert (ended := store.project(id)).status is ProjectStatus.FAILED
    assert states(ended) == {"a": "failed", "b": "completed", "c": "cancelled", "d": "cancelled"}
    assert world.report()["charged"] == 2

    assert store.retry_project(id) == ["a", "c", "d"]


def test_a_retry_waits_for_a_cancel_that_is_under_way_at_the_provider(driver: Driver, world: World):
    world.durations = Durations(median_s=3600, sigma=0, fixed_s=0)
    id = _made(driver, clip("a"), clip("b", "a"))
    driver.advance()
    driver.submit("runware")
    store = driver.services.store
    assert store.cancel_project(id)
    driver.projects.advance([id])

    with pytest.raises(WrongState, match="a: still being cancelled; wait"):
        store.retry_project(id)
    assert store.project(id).cancel_requested

    store.cancelled(_generation(driver, id, "a"), expected=Status.PROCESSING)
    assert store.retry_project(id) == ["a"]


def test_a_steps_generation_is_tried_again_by_its_project_and_not_beside_it(driver: Driver):
    id = _made(driver, clip("a", model="none"))
    driver.work_off(id)

    with pytest.raises(WrongState, match=f"vidpoll project retry {id}"):
        driver.get(_generation(driver, id, "a")).anew()


def test_a_cancel_ends_what_runs_and_skips_the_rest(driver: Driver, world: World):
    id = _made(driver, clip("a"), clip("b"), clip("c", "a"), max_parallel=1)
    driver.advance()

    assert driver.services.store.cancel_project(id)
    driver.services.lanes.schedule(PROJECTS, {id: 0.0})
    driver.advance()
    driver.advance()

    project = driver.services.store.project(id)
    assert states(project) == {"a": "cancelled", "b": "skipped", "c": "skipped"}
    assert project.status is ProjectStatus.CANCELLED
    assert not driver.services.store.cancel_project(id)
    assert world.report()["submit_calls"] == 0
    driver.projects.advance([id])
    assert driver.services.store.retry_project(id) == ["a"]


def test_a_paced_project_waits_in_its_lane_between_two_starts(driver: Driver):
    id = _made(driver, clip("a"), clip("b"), pace_s=3600.0)
    driver.advance()

    assert states(driver.services.store.project(id)) == {"a": "pending", "b": "waiting"}
    assert driver.waits_in(PROJECTS, id)
    assert driver.advance() == []  # not due
    driver.submit("runware")
    driver.sql("UPDATE projects SET last_start_at = last_start_at - interval '1 hour'")
    driver.services.lanes.schedule(PROJECTS, {id: 0.0})
    driver.advance()

    assert states(driver.services.store.project(id)) == {"a": "processing", "b": "pending"}
    assert not driver.waits_in(PROJECTS, id)


# -- paid once, whatever happens --------------------------------------------------------------------------------------


def test_the_same_project_sent_again_is_the_same_and_another_one_of_its_key_is_refused(store: Store):
    first = store.admit(_request(clip("a")), uuid.uuid4())
    again = store.admit(_request(clip("a")), uuid.uuid4())
    keyed = store.admit(_request(clip("a"), idempotency_key="k"), uuid.uuid4())

    assert (again.id, again.new) == (first.id, False)
    assert keyed.new
    assert store.admit(_request(clip("a"), idempotency_key="other"), uuid.uuid4()).new
    with pytest.raises(IdempotencyConflict, match=f"project {keyed.id}"):
        store.admit(_request(clip("b"), idempotency_key="k"), uuid.uuid4())
    for option in ({"pace_s": 1.0}, {"max_parallel": 1}, {"on_failure": "stop"}, {"name": "renamed"}):
        with pytest.raises(IdempotencyConflict, match=f"these steps already belong.* {first.id}.*--again"):
            store.admit(
                ProjectRequest(**{"name": "lions", "owner": "alice", "steps": [clip("a")], **option}), uuid.uuid4()
            )
    bobs = ProjectRequest(name="lions", owner="bob", steps=[clip("b")], idempotency_key="k")
    assert store.admit(bobs, uuid.uuid4()).new


def test_a_project_admitted_from_many_threads_at_once_is_one(store: Store):
    admitted = _at_once(5, lambda: store.admit(_request(*(clip(f"s{n}") for n in range(50))), uuid.uuid4()))

    assert len({one.id for one in admitted}) == 1
    assert sum(one.new for one in admitted) == 1
    assert len(store.project(admitted[0].id).steps) == 50


def test_two_advances_at_once_start_each_step_once(driver: Driver, store: Store):
    id = store.admit(_request(*(clip(f"s{n}") for n in range(20)), max_parallel=7), uuid.uuid4()).id

    advanced = _at_once(4, lambda: store.advance_project(id, advance))

    started = [one for each in advanced for one in each.started]
    assert len(started) == len(set(started)) == 7
    assert sum(step.state is State.PENDING for step in store.project(id).steps) == 7


def test_a_worker_killed_between_the_commit_and_the_nudge_costs_nothing(driver: Driver, world: World):
    id = _made(driver, clip("a"))
    driver.services.store.advance_project(id, advance)  # and dies
    generation = _generation(driver, id, "a")
    assert not driver.waits_in(Lane("runware", "submit"), generation)

    driver.advance()
    driver.sql("UPDATE generations SET created_at = now() - interval '1 minute'")
    restore_stuck(driver.services, driver.lifecycle)

    assert driver.work_off(id).status is ProjectStatus.COMPLETED
    assert world.report()["charged"] == 1


def test_a_worker_killed_inside_of_the_transaction_leaves_everything_as_it_was(store: Store, driver: Driver):
    id = store.admit(_request(clip("a")), uuid.uuid4()).id
    driver.sql("INSERT INTO project_outbox (project_id, generation_id) VALUES (%s, %s)", id, uuid.uuid4())

    def killed(project: Project) -> Moves:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.advance_project(id, killed)

    assert states(store.project(id)) == {"a": "waiting"}
    assert _lines(driver) == 1


def test_a_project_that_ends_every_worker_is_handed_out_ever_more_rarely(driver: Driver, monkeypatch):
    id = _made(driver, clip("a"))

    class Killed(BaseException):
        """No `except` of ours sees the end of a process."""

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(driver.projects._store, "advance_project", killed)
    for _ in range(SUSPECT_CLAIMS):
        ids, _ = driver.claim(PROJECTS)
        with pytest.raises(Killed):
            driver.projects.advance(ids)
        client = driver.services.lanes._redis
        client.zadd(PROJECTS.key("due"), {id.hex: 10**15})  # its lease runs out
    assert driver.services.lanes.view(PROJECTS)["never_back"] == 1

    monkeypatch.undo()
    driver.advance()
    assert driver.services.lanes.view(PROJECTS)["never_back"] == 0
    assert not driver.waits_in(PROJECTS, id)


def test_a_step_that_ends_while_its_project_is_advanced_has_it_advanced_again(driver: Driver, monkeypatch):
    id = _made(driver, clip("a"), clip("b", "a"))
    driver.advance()
    driver.submit("runware")
    generation, store = _generation(driver, id, "a"), driver.services.store
    take_up = driver.projects._take_up

    def ends_meanwhile(ids: Any) -> None:
        store.completed(generation, "https://v", {"videos": ["https://v"]})
        take_up(ids)

    monkeypatch.setattr(driver.projects, "_take_up", ends_meanwhile)
    driver.services.lanes.schedule(PROJECTS, {id: 0.0})
    driver.advance()
    monkeypatch.undo()

    assert driver.waits_in(PROJECTS, id)
    assert driver.advance() == [id]
    assert states(store.project(id)) == {"a": "completed", "b": "pending"}


def test_an_advance_that_raises_says_of_which_project_and_health_tells(
    driver: Driver, caplog: pytest.LogCaptureFixture, monkeypatch
):
    id = _made(driver, clip("a"))

    def raises(*_: object) -> None:
        raise ValueError("odd")

    monkeypatch.setattr(driver.projects._store, "advance_project", raises)
    with pytest.raises(ValueError, match="odd"):
        driver.advance()
    monkeypatch.undo()

    assert f"project {id} cannot be advanced" in caplog.text
    assert driver.waits_in(PROJECTS, id)
    (before,) = health._projects(driver.services)
    driver.sql("UPDATE projects SET created_at = now() - interval '5 minutes'")
    (stuck,) = health._projects(driver.services)
    driver.sql("UPDATE projects SET pace_s = 600")
    assert (before.state, stuck.state) == ("ok", "warning")
    assert str(id) in stuck.words
    assert health._projects(driver.services) == [before]


@pytest.mark.parametrize("kind", ["completed", "failed", "cancelled", "timed_out"])
def test_an_end_leaves_a_line_for_its_project_in_the_same_statement(driver: Driver, kind: str):
    id = _made(driver, clip("a"))
    driver.advance()
    driver.submit("runware")
    generation, store, failure = _generation(driver, id, "a"), driver.services.store, Failure("x", "y")
    moves: dict[str, Callable[[], bool]] = {
        "completed": lambda: store.completed(generation, "https://v", {"videos": ["https://v"]}),
        "failed": lambda: store.failed(generation, failure, expected=Status.PROCESSING),
        "cancelled": lambda: store.cancelled(generation, expected=Status.PROCESSING),
        "timed_out": lambda: store.timed_out(generation, failure, countdown=1, retention_s=1),
    }
    before = driver.services.lanes.size(PROJECTS)

    driver.sql("ALTER TABLE project_outbox ADD CONSTRAINT refuses CHECK (false) NOT VALID")
    with pytest.raises(Exception, match="refuses"):
        moves[kind]()
    assert driver.get(generation).status is Status.PROCESSING  # no end without its line
    driver.sql("ALTER TABLE project_outbox DROP CONSTRAINT refuses")

    assert moves[kind]()
    assert not moves[kind]()
    assert (_lines(driver), before, driver.services.lanes.size(PROJECTS)) == (1, 0, 1)


def test_a_generation_that_is_no_step_leaves_no_line(driver: Driver, make_request):
    id = driver.submitted(make_request())
    driver.check()

    assert driver.get(id).status is Status.COMPLETED
    assert (_lines(driver), driver.services.lanes.size(PROJECTS)) == (0, 0)


def test_with_redis_away_a_step_ends_all_the_same_and_the_sweep_finds_its_project(driver: Driver):
    id = _made(driver, clip("a"), clip("b", "a"))
    driver.advance()
    driver.submit("runware")
    nowhere = Lanes(redis.Redis(port=1, socket_connect_timeout=1))
    store = Store(driver.services.store._engine, on_project=partial(_advance_soon, nowhere))

    assert store.completed(_generation(driver, id, "a"), "https://v", {"videos": ["https://v"]})
    assert driver.projects.sweep() == 0  # it may yet be on its way
    driver.sql("UPDATE project_outbox SET at = at - interval '1 minute'")

    assert driver.projects.sweep() == 1
    assert driver.projects.sweep() == 0  # it waits in its lane
    driver.advance()
    assert states(store.project(id)) == {"a": "completed", "b": "pending"}


def test_the_sweep_finds_projects_nobody_told_of_and_leaves_those_alone_that_run(driver: Driver):
    store = driver.services.store
    untold, runs, paced, ended = (
        store.admit(_request(clip("a"), clip("b"), idempotency_key=f"{more}", **more), uuid.uuid4()).id
        for more in ({}, {"max_parallel": 1}, {"pace_s": 0.1}, {"on_failure": "stop"})
    )
    for id in (runs, paced, ended):
        driver.projects.advance([id])
    driver.sql("UPDATE generations SET status = 'cancelled', completed_at = now() WHERE step_of = %s", ended)
    driver.projects.advance([ended])
    driver.services.lanes._redis.flushall()
    assert driver.projects.sweep() == 0

    driver.sql("UPDATE projects SET created_at = now() - interval '10 s', advanced_at = advanced_at - interval '10 s'")
    driver.projects.sweep()
    assert sorted(driver.claim(PROJECTS)[0]) == sorted([untold, paced])
    driver.services.lanes._redis.flushall()
    driver.sql("UPDATE projects SET advanced_at = advanced_at - interval '1 minute'")
    driver.projects.sweep()

    assert sorted(driver.claim(PROJECTS)[0]) == sorted([untold, paced, runs])


def test_a_status_that_contradicts_the_evidence_is_repaired(driver: Driver, store: Store):
    id = _made(driver, clip("a"), clip("b", "a"))
    driver.work_off(id)
    driver.sql("UPDATE projects SET status = 'failed'")

    driver.projects.advance([id])

    assert store.project(id).status is ProjectStatus.COMPLETED


def test_an_id_that_somebody_else_has_is_not_paid_for(driver: Driver, make_request):
    id = uuid.uuid4()
    driver.accepted(make_request(id=uuid.uuid5(id, "a/0")))
    driver.services.store.admit(_request(clip("a"), clip("b", "a")), id)

    driver.projects.advance([id])
    driver.advance()

    project = driver.services.store.project(id)
    assert states(project) == {"a": "failed", "b": "skipped"}
    assert project.steps[0].error["code"] == "idempotency_conflict"


def test_a_pruned_generation_is_never_paid_for_again_by_itself(driver: Driver, world: World):
    id = _made(driver, clip("a"))
    driver.work_off(id)
    driver.sql("DELETE FROM generations")

    driver.projects.advance([id])

    project = driver.services.store.project(id)
    assert (project.status, project.steps[0].error["code"]) == (ProjectStatus.FAILED, "pruned")
    assert world.report()["charged"] == 1


# -- whose it is ------------------------------------------------------------------------------------------------------


def test_nobody_reads_retries_or_cancels_what_is_somebody_elses(store: Store):
    id = store.admit(_request(clip("a")), uuid.uuid4()).id

    for ask in (store.project, store.retry_project, store.cancel_project):
        with pytest.raises(ProjectNotFound):
            ask(id, owner="bob")
        with pytest.raises(ProjectNotFound):
            ask(uuid.uuid4())
    assert store.project(id, owner="alice").id == id


def test_lists_count_how_steps_stand_and_go_on_where_they_stopped(driver: Driver, store: Store, world: World):
    world.faults.poison = "poisoned"
    collect = {"key": "sum", "local": "collect", "after": ["a"]}
    first = _made(driver, clip("a"), clip("b", prompt="poisoned"), clip("c", "b"), collect)
    driver.work_off(first)
    second = store.admit(_request(clip("z")), uuid.uuid4()).id

    newest, older = store.project_list("alice")
    (rest,) = store.project_list("alice", before=(newest.created_at, newest.id))

    assert [newest.id, older.id, rest.id] == [second, first, first]
    assert (older.total, older.completed, older.failed, older.skipped, older.cancelled) == (4, 2, 1, 1, 0)
    assert older.status is ProjectStatus.FAILED
    assert store.project_list("bob") == []
    assert len(store.project_list(None, limit=1)) == 1


def _at_once(count: int, work: Callable[[], Any]) -> list[Any]:
    done: list[Any] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        done.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


# -- what is kept no longer -------------------------------------------------------------------------------------------


def test_a_project_is_pruned_when_it_ended_long_ago_and_its_generations_not_before_it(driver: Driver):
    store = driver.services.store
    ended, runs = _made(driver, clip("a")), _made(driver, clip("b"), clip("c", "b"))
    driver.work_off(ended)
    driver.submit("runware")
    store.completed(_generation(driver, runs, "b"), "https://v", {"videos": ["https://v"]})

    assert store.prune_projects(3600).gone == 0
    assert store.prune_generations(0).gone == 0
    assert (store.prune_projects(0, really=False).old, store.prune_projects(0).gone) == (1, 1)
    assert store.prune_generations(0).gone == 1

    with pytest.raises(ProjectNotFound):
        store.project(ended)
    assert states(store.project(runs))["b"] == "completed"


def test_what_an_owner_has_is_erased_but_for_what_has_not_ended(driver: Driver):
    store = driver.services.store
    ended = _made(driver, clip("a"))
    driver.work_off(ended)
    running = _made(driver, clip("b"))
    bobs = store.admit(ProjectRequest(name="his", owner="bob", steps=[clip("a")]), uuid.uuid4()).id

    assert [(one.what, one.gone) for one in erase(store, "alice")] == [
        ("projects", 1), ("generations", 1), ("archived_files", 0), ("dead_letters", 0), ("webhook_endpoints", 0),
    ]  # fmt: skip

    assert [one.id for one in store.project_list(None)] == [bobs, running]
