import json
import os
import subprocess
import sys

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from vidpoll.client import Client
from vidpoll.errors import NotConfigured
from vidpoll.store import Store, connect
from vidpoll.store.migrating import head, upgrade
from vidpoll.store.tables import metadata


@pytest.fixture
def empty_url(postgres_url: str):
    server, name = postgres_url.rpartition("/")[0], "test_empty"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield f"{server}/{name}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_migrations_make_exactly_the_tables_of_the_code(empty_url: str):
    engine = connect(empty_url)

    assert upgrade(engine) == head()
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        checks = connection.exec_driver_sql("SELECT conname FROM pg_constraint WHERE contype = 'c'").scalars().all()
    engine.dispose()
    assert {
        check.name
        for table in metadata.tables.values()
        for check in table.constraints
        if "CheckC" in type(check).__name__
    } <= set(checks)


def test_upgrading_from_several_processes_at_once_and_again_ends_well(empty_url: str):
    command = [sys.executable, "-m", "vidpoll", "db", "upgrade", "--json"]
    environ = {**os.environ, "VIDPOLL_DATABASE_URL": empty_url}

    running = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) for _ in range(3)]

    assert [json.loads(process.communicate(timeout=60)[0]) for process in running] == [{"revision": head()}] * 3


def test_a_migration_that_was_interrupted_builds_again_only_what_is_not_whole(empty_url: str):
    engine = connect(empty_url)
    upgrade(engine, "0008")
    whole, broken = "generations_in_flight_idx", "generations_watched_late_idx"
    with psycopg.connect(empty_url, autocommit=True) as earlier:
        earlier.execute(f"CREATE INDEX {whole} ON generations (account, id) WHERE status = 'processing'")
        earlier.execute(f"CREATE INDEX {broken} ON generations (account, id) WHERE watch_until IS NOT NULL")
        earlier.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", [broken])
        oids = "SELECT to_regclass(%s)::oid::bigint, to_regclass(%s)::oid::bigint"
        before = earlier.execute(oids, [whole, broken]).fetchone()

        upgrade(engine, "0009")

        after = earlier.execute(oids, [whole, broken]).fetchone()
        valid = earlier.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
        old = earlier.execute("SELECT to_regclass('generations_watched_idx')").fetchone()
    engine.dispose()
    assert (after[0] == before[0], after[1] == before[1], valid, old) == (True, False, (0,), (None,))


def test_a_database_without_the_tables_says_what_to_run(empty_url: str):
    with pytest.raises(NotConfigured, match="vidpoll db upgrade"):
        Store(connect(empty_url)).recent(1)


def test_a_broker_url_that_cannot_be_used_is_told_before_anything_is_stored(database_url: str, make_request):
    client = Client(broker_url="foo://x", database_url=database_url)

    with pytest.raises(NotConfigured, match="broker URL"):
        client.submit(make_request())
    assert Store(connect(database_url)).recent(1) == []


def test_events_of_a_dump_from_another_cluster_are_taken_for_old_ones(database_url: str, make_request):
    engine = connect(database_url)
    store = Store(engine)
    store.accept(make_request(), "vertex")
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE generation_events SET transaction_id = 10 ^ 12")
        connection.exec_driver_sql("INSERT INTO pruned VALUES ('generation_events', 10 ^ 12)")

    upgrade(engine)

    with engine.connect() as connection:
        newer = "SELECT count(*) FROM generation_events WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        assert connection.exec_driver_sql(newer).scalar_one() == 0
        assert connection.exec_driver_sql(newer.replace("generation_events", "pruned")).scalar_one() == 0
    engine.dispose()
