"""Migrations only add: the version before goes on working on the new tables, and nobody waits while they are made."""

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from vidpoll.errors import StoreUnavailable
from vidpoll.generation import Status
from vidpoll.store import Store, connect
from vidpoll.store.migrating import head, upgrade

ROWS = 20_000
#: A row of each status, as the version before wrote them.
FILL = """
INSERT INTO generations (id, owner, request_hash, provider, account, model, prompt, status, operation_name, video_url,
    result, error, next_check_at, deadline_at, expected_at, submitted_at, completed_at, checks)
SELECT gen_random_uuid(), 'o' || n %% 10, md5(n::text), 'veo', 'vertex', 'veo-fast', 'p' || n, status,
    CASE WHEN status IN ('processing', 'completed', 'failed') THEN 'op' || n END,
    CASE WHEN status = 'completed' THEN 'https://v' END,
    CASE WHEN status = 'completed' THEN '{"videos": ["https://v"], "late": false}'::jsonb END,
    CASE WHEN status IN ('failed', 'unknown') THEN '{"code": "timed_out", "message": "m", "retryable": true}'::jsonb END,
    CASE WHEN status IN ('processing', 'completed', 'failed') THEN now() END,
    CASE WHEN status IN ('processing', 'completed', 'failed') THEN now() + interval '1 hour' END,
    now(), CASE WHEN status IN ('processing', 'completed', 'failed') THEN now() END,
    CASE WHEN status IN ('completed', 'failed', 'cancelled') THEN now() END, n %% 7
FROM (SELECT n, (ARRAY['pending', 'submitting', 'processing', 'unknown', 'completed', 'failed', 'cancelled'])[n %% 7 + 1]
      AS status FROM generate_series(1, %s) AS n) AS numbered
"""
#: What the version before says to the database, over one generation's life.
LIFE_BEFORE = (
    "INSERT INTO generations (id, owner, request_hash, provider, account, model, prompt) VALUES (%s, 'o', 'h', 'veo', 'vertex', 'm', 'p')",
    "UPDATE generations SET status = 'submitting', submit_attempts = submit_attempts + 1, version = version + 1 WHERE id = %s AND status = 'pending'",
    "UPDATE generations SET status = 'processing', operation_name = 'before ' || id, submitted_at = now(), next_check_at = now(),"
    " expected_at = now(), deadline_at = now(), version = version + 1 WHERE id = %s AND status = 'submitting'",
    "UPDATE generations SET next_check_at = now(), checks = checks + 1, updated_at = now() WHERE id = %s AND status = 'processing'",
    "UPDATE generations SET status = 'completed', video_url = 'https://v', result = '{}', completed_at = now(), version = version + 1"
    " WHERE id = %s AND status = 'processing'",
)


@pytest.fixture
def filled_url(postgres_url: str) -> Iterator[str]:
    """A database of the version before, filled."""
    server, name = postgres_url.rpartition("/")[0], f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        url = f"{server}/{name}"
        engine = connect(url)
        upgrade(engine, "0001")
        engine.dispose()
        with psycopg.connect(url) as connection:
            connection.execute(FILL, [ROWS])
        yield url
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def rows(url: str) -> dict[Any, dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return {row["id"]: row for row in connection.execute("SELECT * FROM generations")}


def test_a_filled_database_keeps_every_row_and_the_new_code_reads_it(filled_url: str):
    before = rows(filled_url)
    engine = connect(filled_url)
    assert upgrade(engine) == head()

    after = rows(filled_url)
    assert len(after) == ROWS
    assert all(after[id].items() >= row.items() for id, row in before.items())
    store = Store(engine)
    assert {one.status for one in store.recent(100)} == set(Status)
    processing = sum(row["status"] == "processing" for row in after.values())
    assert store.watched_by_account() == {"vertex": processing}, "what had timed out before is not watched anew"
    engine.dispose()


def test_the_version_before_goes_on_while_and_after_the_tables_change(filled_url: str):
    """Whole lives of generations, one after the other, by the statements of the version before."""
    lives, failed, slowest, stop = [], [], [], threading.Event()

    def live() -> None:
        with psycopg.connect(filled_url, autocommit=True) as connection:
            while not stop.is_set():
                id = uuid.uuid4()
                for statement in LIFE_BEFORE:
                    began = time.monotonic()
                    try:
                        assert connection.execute(statement, [id]).rowcount == 1
                    except Exception as error:
                        failed.append(error)
                    slowest.append(time.monotonic() - began)
                lives.append(id)

    worker = threading.Thread(target=live)
    worker.start()
    engine = connect(filled_url)
    upgrade(engine)
    upgraded, lived = time.monotonic(), len(lives)
    while len(lives) < lived + 20 and time.monotonic() < upgraded + 30:
        stop.wait(0.05)
    stop.set()
    worker.join(30)

    assert failed == []
    assert len(lives) >= lived + 20
    assert max(slowest) < 5, "nobody waited for the migration"
    assert {one.status for one in Store(engine).find(lives)} == {Status.COMPLETED}
    engine.dispose()


def test_an_upgrade_that_was_interrupted_is_run_again(filled_url: str):
    """An old transaction holds up the index build until its time is up."""
    engine = connect(filled_url)
    with psycopg.connect(filled_url) as old:
        old.execute("SET default_transaction_isolation = 'repeatable read'")
        old.commit()
        old.execute("SELECT 1")
        with pytest.raises(StoreUnavailable):
            upgrade(engine)

    assert upgrade(engine) == head()
    engine.dispose()
