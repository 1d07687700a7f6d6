"""What a service's own calls about projects do when something is in their way."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.unit.projects import clip
from vidpoll import Client, ProjectRequest
from vidpoll.client_projects import ProjectCalls
from vidpoll.errors import InvalidRequest, StoreUnavailable, WaitTimeout
from vidpoll.projects.standing import Project
from vidpoll.store import Store, connect

LIONS = ProjectRequest(name="lions", owner="alice", steps=[clip("a")])


class Calls(ProjectCalls):
    """On a store that soon loses patience."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def _readable(self) -> Store:
        return self.store


@pytest.fixture
def calls(database_url: str, store: Store) -> Iterator[Calls]:
    engine = connect(database_url, statement_timeout_s=0.2)
    yield Calls(Store(engine))
    engine.dispose()


@pytest.fixture
def lock(database_url: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


def test_a_wait_outlasts_a_database_that_does_not_answer_for_a_while(
    calls: Calls, lock: "psycopg.Connection[tuple[object, ...]]", caplog: pytest.LogCaptureFixture
):
    id = calls.store.admit(LIONS, uuid.uuid4()).id
    seen: list[Project] = []

    def silent(project: Project) -> None:
        seen.append(project)
        lock.execute("LOCK TABLE projects")

    with pytest.raises(WaitTimeout, match="it goes on"):
        calls.wait_project(id, timeout_s=1.0, on_change=silent)

    assert len(seen) == 1
    assert f"project {id} cannot be looked at" in caplog.text
    with pytest.raises(StoreUnavailable):  # one that never answered is told at once
        calls.wait_project(id, timeout_s=60)
    lock.rollback()
    assert calls.project(id).id == id


def test_another_project_under_the_same_key_is_refused_before_anything_is_stored(store: Store, database_url: str):
    client = Client("redis://127.0.0.1:1/0", database_url)

    with pytest.raises(InvalidRequest, match="idempotency_key: the same key is the same project"):
        client.submit_project(LIONS.model_copy(update={"idempotency_key": "k"}), again=True)

    assert store.project_list(None) == []
