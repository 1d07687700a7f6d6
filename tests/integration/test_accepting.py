import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from vidpoll.errors import IdempotencyConflict
from vidpoll.generation import GenerationRequest, Status
from vidpoll.store import Store

Make = Callable[..., GenerationRequest]


def test_a_new_request_becomes_a_pending_row_with_an_event(store: Store, make_request: Make):
    request = make_request(params={"a": [1, None]}, priority=3, timeout_s=9.5, project_id="p")

    accepted = store.accept(request, "vertex")

    assert (accepted.id, accepted.new, accepted.status) == (request.id, True, Status.PENDING)
    found = store.get(request.id)
    assert (found.params, found.priority, found.timeout_s, found.account) == ({"a": [1, None]}, 3, 9.5, "vertex")
    assert [event["kind"] for event in store.events(request.id)] == ["accepted"]


def test_the_same_key_and_body_give_the_same_generation(store: Store, make_request: Make):
    first = store.accept(make_request(idempotency_key="k"))
    again = store.accept(make_request(idempotency_key="k"))

    assert (again.id, again.new) == (first.id, False)


def test_the_same_key_with_another_body_is_a_conflict_that_names_the_holder(store: Store, make_request: Make):
    first = store.accept(make_request(idempotency_key="k"))

    with pytest.raises(IdempotencyConflict, match="idempotency key 'k' already belongs to generation") as refused:
        store.accept(make_request(idempotency_key="k", prompt="another"))
    assert refused.value.existing_id == first.id


def test_the_same_id_with_another_body_is_a_conflict(store: Store, make_request: Make):
    request = make_request()
    store.accept(request)

    with pytest.raises(IdempotencyConflict, match=f"id {request.id}"):
        store.accept(request.model_copy(update={"prompt": "another"}))


def test_owners_do_not_share_keys(store: Store, make_request: Make):
    first = store.accept(make_request(idempotency_key="k", owner="alice"))
    other = store.accept(make_request(idempotency_key="k", owner="bob"))

    assert first.id != other.id


def test_many_at_once_keep_their_order_and_conflicts_are_values(store: Store, make_request: Make):
    taken = make_request(idempotency_key="k")
    store.accept(taken)
    requests = [
        make_request(), make_request(idempotency_key="k", prompt="other"), make_request(idempotency_key="k"),
        make_request(idempotency_key="new"), make_request(idempotency_key="new"),
    ]  # fmt: skip

    outcomes = store.accept_many([(request, None) for request in requests])

    assert isinstance(outcomes[1], IdempotencyConflict)
    ids = [outcome.id for outcome in outcomes if not isinstance(outcome, IdempotencyConflict)]
    assert ids == [requests[0].id, taken.id, requests[3].id, requests[3].id]


def test_thousands_are_accepted_in_chunks(store: Store, make_request: Make):
    requests = [make_request() for _ in range(1203)]

    outcomes = store.accept_many([(request, None) for request in requests])

    assert [outcome.id for outcome in outcomes] == [request.id for request in requests]
    assert store.counts()[Status.PENDING] == 1203


def test_fifty_at_the_same_moment_with_one_key_are_one_generation(store: Store, make_request: Make):
    with ThreadPoolExecutor(16) as pool:
        accepted = list(pool.map(lambda _: store.accept(make_request(idempotency_key="k")), range(50)))

    assert len({one.id for one in accepted}) == 1
    assert sum(one.new for one in accepted) == 1


def test_anyone_reads_the_table_with_plain_sql(store: Store, make_request: Make, database_url: str):
    request = make_request()
    store.accept(request, "vertex")

    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT id, owner, provider, account, model, prompt, status, video_url FROM generations"
        ).fetchone()

    assert row == (request.id, "alice", "veo", "vertex", "veo-fast", "a lion at dawn", "pending", None)


def test_what_cannot_be_stored_is_still_recorded_as_refused(store: Store):
    store.bury(
        "vidpoll.generate",
        str(uuid.uuid4()),
        {"prompt": "a\x00b\ud800", "big": "x" * 50_000},
        IdempotencyConflict("key", uuid.uuid4()),
    )

    (letter,) = store.buried()
    assert letter["code"] == "idempotency_conflict"
    assert len(letter["payload"]) < 21_000
