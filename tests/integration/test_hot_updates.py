"""A look writes its row and no index: Postgres calls that a heap-only tuple (HOT)."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest

from tests.waiting import until
from vidpoll.generation import Failure, GenerationRequest
from vidpoll.store import Checked, Store, connect, stuck
from vidpoll.store.tables import STORAGE

Make = Callable[..., GenerationRequest]
WATCHED, ROUNDS = 200, 10


def watched(store: Store, make_request: Make) -> list[uuid.UUID]:
    ids = [one.id for one in store.accept_many([(make_request(), "vertex") for _ in range(WATCHED)])]
    for id in ids:
        store.submitting(id, uuid.uuid4())
        store.processing(id, f"operations/{id}", countdown=5, expected_s=90, timeout_s=600)
    return ids


def look_at(database_url: str, ids: list[uuid.UUID], rounds: int) -> None:
    """By connections of its own: they tell their counts at the latest when they end."""
    engine = connect(database_url)
    for number in range(rounds):
        for first in range(0, len(ids), 4):
            store = Store(engine)
            store.checked([
                Checked(
                    id, 5, number * 9, f"round {number}", failure="network" if number % 3 == 1 else None,
                    event="progress" if number % 3 == 0 else None, overdue=number > 5, pending_at=datetime.now(UTC),
                )
                for id in ids[first : first + 4]
            ])  # fmt: skip
    engine.dispose()


def updates(database_url: str) -> tuple[int, int]:
    """Rows of ``generations`` that were updated, and how many of them as HOT."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'generations'"
        ).fetchone()
    assert row
    return row[0], row[1]


def test_looks_on_a_warm_table_touch_no_index(database_url: str, make_request: Make):
    engine = connect(database_url)
    ids = watched(Store(engine), make_request)
    engine.dispose()
    look_at(database_url, ids, 1)
    until(lambda: updates(database_url)[0] >= 3 * WATCHED)
    all_before, hot_before = updates(database_url)

    look_at(database_url, ids, ROUNDS)
    until(lambda: updates(database_url)[0] >= all_before + ROUNDS * WATCHED)

    _, hot = updates(database_url)
    assert (hot - hot_before) / (ROUNDS * WATCHED) > 0.9


def test_the_tables_are_kept_as_the_code_says(database_url: str):
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT relname, reloptions FROM pg_class WHERE relname = ANY(%s)", [list(STORAGE)]
        ).fetchall()

    assert {name: set(options) for name, options in found} == {
        table: {f"{name}={value}" for name, value in options.items()} for table, options in STORAGE.items()
    }


def test_what_waits_again_while_the_waiting_are_read_is_not_missed(
    store: Store, make_request: Make, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stuck, "_PAGE", 10)
    ids = [store.accept(make_request(), "vertex").id for _ in range(30)]
    token = uuid.uuid4()
    store.submitting(ids[5], token)

    pages = store.waiting_to_submit("vertex")
    read = [one.id for one in next(pages)]
    assert read == [*ids[:5], *ids[6:11]], "oldest first"
    store.not_sent(ids[5], token, "no connection")
    for page in pages:
        read += [one.id for one in page]

    assert set(read) == set(ids)


def test_what_moves_on_while_the_watched_are_read_is_not_missed(
    store: Store, make_request: Make, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stuck, "_PAGE", 10)
    ids = sorted(watched(store, make_request)[:30], key=lambda id: id.bytes)
    store.checked([Checked(id, 0, 1, None) for id in ids])

    pages = store.being_watched("vertex")
    read = {one.id for one in next(pages)}
    not_read = [id for id in ids if id not in read]
    for id in not_read:
        store.timed_out(id, Failure("timed_out", "late", retryable=True), countdown=1, retention_s=600)
    for page in pages:
        read |= {one.id for one in page}

    assert set(ids) <= read
