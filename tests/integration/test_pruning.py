"""What is kept no longer goes, and nothing else; whoever has rows locked is neither held up nor holds up."""

import base64
import json
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import providers_file
from vidpoll import cli
from vidpoll.cli import retention as command
from vidpoll.clock import Clock
from vidpoll.durations import Durations
from vidpoll.errors import InvalidRequest, NotConfigured
from vidpoll.generation import Failure, GenerationRequest, Status
from vidpoll.learning import learn_durations
from vidpoll.retention import Pruned, erase, prune
from vidpoll.services import Services
from vidpoll.settings import Keep, load_settings
from vidpoll.store import Learned, Store, pruning

Make = Callable[..., GenerationRequest]
DAY_S = 24 * 3600.0
EVENTS = Keep(events_s=30 * DAY_S)
ALL = Keep(events_s=30 * DAY_S, generations_s=60 * DAY_S)
FAILURE = Failure("moderated", "no", retryable=False)


class Rows:
    """Generations in every state, and as old as a test wants them."""

    def __init__(self, store: Store, make_request: Make, database_url: str) -> None:
        self.store, self._make, self.url = store, make_request, database_url

    def pending(self, **changes: Any) -> uuid.UUID:
        return self.store.accept(self._make(**changes), "vertex").id

    def processing(self, **changes: Any) -> uuid.UUID:
        id = self.pending(**changes)
        self.store.submitting(id, uuid.uuid4())
        self.store.processing(id, f"operations/{id}", countdown=5, expected_s=90, timeout_s=600)
        return id

    def completed(self, days: float = 0, **changes: Any) -> uuid.UUID:
        id = self.processing(**changes)
        self.store.completed(id, "https://v", {"videos": ["https://v"]})
        return self.aged(id, days)

    def unknown(self) -> uuid.UUID:
        id = self.pending()
        token = uuid.uuid4()
        self.store.submitting(id, token)
        self.store.unknown(id, FAILURE, token=token)
        return id

    def watched_late(self, days: float = 0) -> uuid.UUID:
        id = self.processing()
        self.store.timed_out(id, Failure("timed_out", "late", retryable=True), countdown=5, retention_s=600)
        return self.aged(id, days)

    def aged(self, id: uuid.UUID, days: float) -> uuid.UUID:
        """As if all of it had been so many days ago."""
        ago = timedelta(days=days)
        self.sql(
            "UPDATE generations SET created_at = created_at - %s, completed_at = completed_at - %s, updated_at = updated_at - %s WHERE id = %s",
            ago, ago, ago, id,
        )  # fmt: skip
        self.sql("UPDATE generation_events SET at = at - %s WHERE generation_id = %s", ago, id)
        return id

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def events(self, id: uuid.UUID) -> int:
        return len(self.store.events(id))


@pytest.fixture
def rows(store: Store, make_request: Make, database_url: str) -> Rows:
    return Rows(store, make_request, database_url)


def gone(found: list[Pruned]) -> dict[str, int]:
    return {one.what: one.gone for one in found if one.gone}


def test_events_go_of_what_ended_long_ago_and_of_nothing_else(rows: Rows, store: Store):
    old = [rows.completed(31) for _ in range(3)]
    younger = rows.completed(29)
    open_ones = [rows.aged(id, 400) for id in (rows.pending(), rows.processing(), rows.unknown())]
    late = rows.watched_late(400)

    assert gone(prune(store, EVENTS, [], really=False)) == {}
    counted = {one.what: one.old for one in prune(store, EVENTS, [], really=False)}
    assert gone(prune(store, EVENTS, [])) == {"generation_events": 12}

    assert counted["generation_events"] == 12
    assert [rows.events(id) for id in old] == [0, 0, 0]
    assert rows.events(younger) == 4
    assert [rows.events(id) for id in (*open_ones, late)] == [1, 3, 3, 4]
    assert len(store.find([*old, younger, *open_ones, late])) == 8, "the rows themselves are kept for ever"
    assert gone(prune(store, EVENTS, [])) == {}


def test_generations_go_with_their_events_when_that_is_set(rows: Rows, store: Store):
    old, younger = rows.completed(61), rows.completed(59)
    refused = rows.pending()
    store.failed(refused, FAILURE, expected=Status.PENDING)
    rows.aged(refused, 61)
    open_ones = [rows.aged(id, 400) for id in (rows.pending(), rows.processing(), rows.unknown())]
    late = rows.watched_late(400)

    assert gone(prune(store, Keep(None, 60 * DAY_S, None, None), [])) == {"generations": 2}

    assert {one.id for one in store.find([old, refused, younger, *open_ones, late])} == {younger, *open_ones, late}
    assert rows.sql("SELECT count(*) FROM generation_events WHERE generation_id = ANY(%s)", [old, refused]) == [(0,)]
    store.given_up(late)
    assert gone(prune(store, Keep(None, 60 * DAY_S, None, None), [])) == {"generations": 1}
    assert store.find([late]) == []


def test_a_generation_that_took_long_is_as_old_as_its_end(rows: Rows, store: Store):
    id = rows.aged(rows.processing(), 100)
    store.completed(id, "https://v", {"videos": ["https://v"]})

    assert gone(prune(store, ALL, [])) == {}
    assert rows.events(id) == 4


def test_the_key_of_a_generation_that_is_gone_is_new_again(rows: Rows, store: Store, make_request: Make):
    id = rows.completed(61, idempotency_key="k")
    prune(store, ALL, [])

    again = store.accept(make_request(idempotency_key="k"))

    assert (again.new, again.id != id) == (True, True)


def test_old_letters_revoked_keys_and_durations_of_models_gone_go_too(rows: Rows, store: Store, services: Services):
    for name, days in (("old", 91), ("young", 89)):
        store.bury("vidpoll.generate", name, {}, InvalidRequest(["x"]))
        rows.sql("UPDATE dead_letters SET at = now() - %s WHERE message_id = %s", timedelta(days=days), name)
        store.add_key(name, "alice", ["read"], b"x")
        store.revoke_key(name)
        rows.sql("UPDATE api_keys SET revoked_at = now() - %s WHERE id = %s", timedelta(days=days), name)
        for model in ("here", "away"):
            newest = datetime.now(UTC) - timedelta(days=days)
            learned = Learned("veo", f"{model}-{name}", "{}", "total", 1, Durations.lognormal(60, 1), newest)
            store.learn("veo", f"{model}-{name}", [learned])
    store.add_key("at work", "alice", ["read"], b"x")

    found = prune(store, Keep(None), [("veo", "here-old"), ("veo", "here-young"), ("fal", "away-old")])

    assert gone(found) == {"dead_letters": 1, "api_keys": 1, "durations": 1}
    assert [one["message_id"] for one in store.buried()] == ["young"]
    kept = store.keys()
    assert {key.id for key in kept} == {"young", "at work"}
    assert {one.model for one in store.learned()} == {"here-old", "here-young", "away-young"}


def test_what_models_take_is_not_forgotten_with_the_generations_it_was_learned_from(
    rows: Rows, store: Store, services: Services
):
    rows.completed(61)
    assert learn_durations(services) == {"learned": 1}

    assert gone(prune(store, ALL, services.accounts.policies())) == {"generations": 1}

    assert learn_durations(services) == {"learned": 0}
    assert len(store.learned()) == 1


def test_pages_are_walked_to_the_end(rows: Rows, store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pruning, "PAGE", 5)
    monkeypatch.setattr(pruning, "GENERATIONS_PAGE", 2)
    old = [rows.completed(61) for _ in range(7)]
    stays = rows.aged(rows.processing(), 61)
    rows.sql("UPDATE generations SET created_at = '2026-01-01' WHERE id = ANY(%s)", [*old[:5], stays])
    reported: list[Pruned] = []

    assert gone(prune(store, EVENTS, [], report=reported.append)) == {"generation_events": 28}
    assert [one.gone for one in reported if one.what == "generation_events"] == [5, 10, 15, 20, 25, 28, 28]
    assert gone(prune(store, ALL, [])) == {"generations": 7}
    assert {one.id for one in store.recent(10)} == {stays}


def test_a_run_ends_when_its_time_is_up_and_the_next_goes_on(rows: Rows, store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pruning, "PAGE", 4)
    for _ in range(3):
        rows.completed(31)

    class Hasty(Clock):
        """A second passes whenever it is asked for."""

        now = 0.0

        def monotonic(self) -> float:
            self.now += 1
            return self.now

        def sleep(self, seconds: float) -> None:
            self.now += seconds

    keep = Keep(30 * DAY_S, None, None, None)
    first = prune(store, keep, [], most_s=5, clock=Hasty())[-1]
    rest = [prune(store, keep, [])[-1] for _ in range(2)]

    assert (first.gone, first.finished) == (4, False)
    assert [(one.gone, one.finished) for one in rest] == [(8, True), (0, True)]


def test_rows_somebody_has_locked_hold_up_nothing_and_stay(rows: Rows, store: Store, database_url: str):
    locked, with_locked_event, free = rows.completed(61), rows.completed(61), rows.completed(61)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT 1 FROM generations WHERE id = %s FOR UPDATE", [locked])
        other.execute(
            "SELECT 1 FROM generation_events WHERE generation_id = %s AND version = 2 FOR UPDATE", [with_locked_event]
        )

        found = prune(store, ALL, [])

        # Of the one whose row is locked the events may go; of the other only those that are free.
        assert gone(found) == {"generations": 1, "generation_events": 4 + 3}
        assert {one.id for one in store.find([locked, with_locked_event, free])} == {locked, with_locked_event}
        other.rollback()
    assert gone(prune(store, ALL, [])) == {"generations": 2}


def test_pruning_waits_for_no_old_transaction_and_holds_up_nobody(rows: Rows, store: Store, database_url: str):
    old, watched = rows.completed(61), rows.processing()
    with psycopg.connect(database_url) as reader, psycopg.connect(database_url) as writer:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert reader.execute("SELECT count(*) FROM generations").fetchone() == (2,)
        writer.execute("UPDATE generations SET progress = 50 WHERE id = %s", [watched])

        assert gone(prune(store, ALL, [])) == {"generations": 1}

        assert reader.execute("SELECT count(*) FROM generations").fetchone() == (2,), "its snapshot is as it was"
    assert store.find([old]) == []


def test_two_prunes_at_once_delete_each_row_once(rows: Rows, store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pruning, "PAGE", 7)
    monkeypatch.setattr(pruning, "GENERATIONS_PAGE", 3)
    old = [rows.completed(61) for _ in range(25)] + [rows.completed(31) for _ in range(25)]
    found: list[dict[str, int]] = []
    together = threading.Barrier(3)

    def run() -> None:
        together.wait()
        found.append(gone(prune(store, ALL, [])))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 3, "none of them failed"
    assert sum(one.get("generations", 0) for one in found) == 25
    assert len(store.find(old)) == 25
    prune(store, ALL, [])
    assert rows.sql("SELECT count(*) FROM generation_events") == [(0,)]


def test_a_prune_that_is_cut_off_leaves_pages_whole_and_the_next_goes_on(
    rows: Rows, store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pruning, "GENERATIONS_PAGE", 2)
    for _ in range(6):
        rows.completed(61)

    class Cut(Exception):
        pass

    def cut(one: Pruned) -> None:
        if one.gone >= 4:
            raise Cut

    with pytest.raises(Cut):
        prune(store, ALL, [], report=cut)
    assert rows.sql("SELECT count(*), (SELECT count(*) FROM generation_events) FROM generations") == [(2, 8)]

    assert gone(prune(store, ALL, [])) == {"generations": 2}


def test_an_owner_is_erased_but_for_what_has_not_ended(rows: Rows, store: Store):
    ended = [rows.completed(days, owner='eve "x" é') for days in (0, 100)]
    stay = [rows.processing(owner='eve "x" é'), rows.completed(100, owner="alice")]
    for owner in ('eve "x" é', "alice"):
        store.bury("vidpoll.generate", owner, {"prompt": "secret", "owner": owner}, InvalidRequest(["x"]))

    counted = erase(store, 'eve "x" é', really=False)
    assert {one.what: (one.old, one.gone) for one in counted} == {
        "projects": (0, 0),
        "generations": (2, 0),
        "archived_files": (0, 0),
        "dead_letters": (1, 0),
        "webhook_endpoints": (0, 0),
    }
    assert gone(erase(store, 'eve "x" é')) == {"generations": 2, "dead_letters": 1}

    assert {one.id for one in store.find([*ended, *stay])} == set(stay)
    assert [one["message_id"] for one in store.buried()] == ["alice"]
    assert store.count_of('eve "x" é') == {"projects": 0, "generations": 1, "archived_files": 0}


@pytest.mark.parametrize("owner", ["al", 'eve "x" é', "日本"])
@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("ascii", [True, False])
def test_refused_messages_are_erased_however_they_name_the_owner(store: Store, owner: str, compact: bool, ascii: bool):
    def said(value: object) -> str:
        return json.dumps(value, ensure_ascii=ascii, separators=(",", ":") if compact else (", ", ": "))

    for name in (owner, f"{owner}ice", f"m{owner}"):
        body = said([[], {"prompt": "secret", "owner": name, "model": "m"}, {}])
        inner = said({"owner": name})
        entries: list[object] = [body, said({"body": body}), inner, said({"headers": {}, "body": inner})]
        texts = ["x" * shift + text for text in (body, said([[], {"owner": name}, {}])) for shift in range(3)]
        entries += [base64.b64encode(text.encode()).decode() for text in texts]
        for entry in entries:
            store.bury("vidpoll.bury", name, {"entry": entry}, InvalidRequest(["x"]))

    assert gone(erase(store, owner)) == {"dead_letters": 10}
    assert {one["message_id"] for one in store.buried()} == {f"{owner}ice", f"m{owner}"}


def test_how_far_events_are_gone_is_noted_and_never_goes_back(rows: Rows, store: Store):
    first, second = rows.completed(31), rows.completed(31)
    newest = "SELECT max(transaction_id) FROM generation_events WHERE generation_id = %s"
    ((of_first,),), ((of_second,),) = rows.sql(newest, first), rows.sql(newest, second)
    rows.aged(first, -31)

    prune(store, EVENTS, [])
    assert rows.sql("SELECT transaction_id FROM pruned") == [(of_second,)]
    rows.aged(first, 31)
    prune(store, EVENTS, [])
    assert rows.sql("SELECT transaction_id FROM pruned") == [(of_second,)]
    assert of_first < of_second


def test_less_than_a_week_has_to_be_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIDPOLL_KEEP_GENERATIONS_DAYS", "6.5")
    with pytest.raises(NotConfigured, match=r"VIDPOLL_KEEP_GENERATIONS_DAYS: .*VIDPOLL_KEEP_LESS_THAN_A_WEEK=true"):
        load_settings()

    monkeypatch.setenv("VIDPOLL_KEEP_LESS_THAN_A_WEEK", "true")
    monkeypatch.setenv("VIDPOLL_KEEP_EVENTS_DAYS", "never")
    assert load_settings().keep == Keep(None, 6.5 * DAY_S, 90 * DAY_S, 90 * DAY_S)


@pytest.fixture
def types(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path
) -> Callable[..., str]:
    """What somebody at a terminal reads who types `vidpoll prune …`."""
    monkeypatch.setenv("VIDPOLL_DATABASE_URL", database_url)
    monkeypatch.setenv("VIDPOLL_PROVIDERS_FILE", str(providers_file.write(tmp_path, "http://127.0.0.1:1")))

    def read(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["vidpoll", "prune", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said, complaint = capsys.readouterr()
        assert not ended.value.code, complaint
        return said

    return read


def test_every_kind_of_rows_has_words(store: Store):
    kinds = {one.what for one in (*prune(store, ALL, [], really=False), *erase(store, "alice", really=False))}

    assert kinds == set(command._WORDS)


def test_the_command_tells_people_of_every_kind(rows: Rows, store: Store, types: Callable[..., str]):
    rows.completed(31, owner="eve")
    open_one = rows.processing(owner="eve")

    told = types() + types("--owner", "eve", "--erase", "--dry-run")
    assert not [words for words in command._WORDS.values() if words not in told]
    assert "1 generations of eve stay" in types("--owner", "eve", "--erase", "--dry-run")
    assert "ended projects" in types("--owner", "eve", "--erase")
    assert [one.id for one in store.recent(10)] == [open_one]
