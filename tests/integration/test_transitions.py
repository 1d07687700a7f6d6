"""Every transition on a real Postgres: it happens from the states it expects, and from no other."""

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from vidpoll.errors import GenerationNotFound, StoreUnavailable
from vidpoll.generation import MOVES, Failure, GenerationRequest, Status
from vidpoll.store import Checked, Store, connect

TOKEN = uuid.uuid4()

TRANSITIONS: dict[str, tuple[Callable[[Store, uuid.UUID], object], Status]] = {
    "submitting": (lambda store, id: store.submitting(id, TOKEN), Status.SUBMITTING),
    "not_sent": (lambda store, id: store.not_sent(id, TOKEN, "no connection"), Status.PENDING),
    "not_called": (lambda store, id: store.not_called(id, TOKEN, "no"), Status.PENDING),
    "unanswered": (lambda store, id: store.unanswered(id, TOKEN, "no answer"), Status.PENDING),
    "unknown": (lambda store, id: store.unknown(id, Failure("unknown_outcome", "no answer"), token=TOKEN), Status.UNKNOWN),
    "processing": (
        lambda store, id: store.processing(id, f"op {id}", countdown=1, expected_s=10, timeout_s=20), Status.PROCESSING,
    ),
    "not_taken": (lambda store, id: store.not_taken(id, "the provider does not have it"), Status.PENDING),
    "looked_up": (lambda store, id: store.looked_up(id, {"looks": 1}, "x", again_in=1), Status.UNKNOWN),
    "completed": (lambda store, id: store.completed(id, "https://v", {"videos": ["https://v"]}), Status.COMPLETED),
    **{
        f"failed_{one}": (
            lambda store, id, one=one: store.failed(id, Failure("refused", "no"), expected=one, token=TOKEN),
            Status.FAILED,
        )
        for one in (Status.PENDING, Status.SUBMITTING, Status.PROCESSING, Status.UNKNOWN)
    },
    "timed_out": (
        lambda store, id: store.timed_out(id, Failure("timed_out", "late"), countdown=1, retention_s=60), Status.FAILED,
    ),
    "cancel_answered": (lambda store, id: store.cancel_answered(id, "cancel_refused", "no"), Status.PROCESSING),
    "cancelled_unknown": (lambda store, id: store.cancelled(id, expected=Status.UNKNOWN), Status.CANCELLED),
    "cancelled_pending": (lambda store, id: store.cancelled(id, expected=Status.PENDING), Status.CANCELLED),
    "cancelled_processing": (lambda store, id: store.cancelled(id, expected=Status.PROCESSING), Status.CANCELLED),
}  # fmt: skip

#: The shortest way into each state.
WAYS: dict[Status, list[str]] = {
    Status.PENDING: [],
    Status.SUBMITTING: ["submitting"],
    Status.PROCESSING: ["submitting", "processing"],
    Status.UNKNOWN: ["submitting", "unknown"],
    Status.COMPLETED: ["submitting", "processing", "completed"],
    Status.FAILED: ["failed_pending"],
    Status.CANCELLED: ["cancelled_pending"],
}


@pytest.fixture
def in_state(store: Store, make_request: Callable[..., GenerationRequest]) -> Callable[[Status], uuid.UUID]:
    def bring(status: Status) -> uuid.UUID:
        id = store.accept(make_request(), "vertex").id
        for name in WAYS[status]:
            assert TRANSITIONS[name][0](store, id)
        assert store.get(id).status is status
        return id

    return bring


@pytest.mark.parametrize("name", TRANSITIONS)
@pytest.mark.parametrize("status", Status)
def test_a_move_happens_exactly_where_the_states_allow_it(store: Store, in_state: Callable, status: Status, name: str):
    move, target = TRANSITIONS[name]
    id = in_state(status)
    before, events = store.get(id), len(store.events(id))

    moved = bool(move(store, id))

    after = store.get(id)
    assert moved == (after.status is target and after.version == before.version + 1)
    if moved:
        assert target in MOVES[status] or target is status
        assert store.events(id)[-1]["status"] == target
    else:
        assert (after.status, after.version, len(store.events(id))) == (status, before.version, events)


def test_every_legal_move_has_a_transition(store: Store, in_state: Callable):
    made = {
        (status, target)
        for status in Status
        for move, target in TRANSITIONS.values()
        if move(store, in_state(status)) and status is not target
    }
    late = in_state(Status.PROCESSING)
    store.failed(late, Failure("timed_out", "late"), expected=Status.PROCESSING)
    assert store.completed(late, "https://v", {})
    sent = in_state(Status.SUBMITTING)
    store.unanswered(sent, TOKEN, "no answer")
    assert store.unknown(sent, Failure("unknown_outcome", "cancelled meanwhile"))

    assert made | {(Status.FAILED, Status.COMPLETED), (Status.PENDING, Status.UNKNOWN)} == {
        (a, b) for a, targets in MOVES.items() for b in targets
    }


def test_row_and_event_are_written_together(store: Store, in_state: Callable):
    id = in_state(Status.COMPLETED)

    assert [(event["version"], event["kind"]) for event in store.events(id)] == [
        (1, "accepted"), (2, "submitting"), (3, "processing"), (4, "completed"),
    ]  # fmt: skip


def test_of_two_ends_that_race_one_wins_and_stays(store: Store, in_state: Callable):
    id = in_state(Status.PROCESSING)

    ends = [
        store.completed(id, "https://v", {}),
        store.failed(id, Failure("x", "y"), expected=Status.PROCESSING),
        store.cancelled(id, expected=Status.PROCESSING),
    ]

    assert [bool(end) for end in ends] == [True, False, False]
    assert store.get(id).status is Status.COMPLETED


def test_a_timed_out_generation_that_turns_out_done_is_completed_late(store: Store, in_state: Callable):
    id = in_state(Status.PROCESSING)
    store.failed(id, Failure("timed_out", "no video after 20 s", retryable=True), expected=Status.PROCESSING)

    assert store.completed(id, "https://v", {"videos": ["https://v"]})

    late = store.get(id)
    assert (late.status, late.error, late.result) == (Status.COMPLETED, None, {"videos": ["https://v"], "late": True})
    assert store.events(id)[-1]["data"]["late"] is True


def test_a_cancelled_submit_is_not_made(store: Store, in_state: Callable):
    id = in_state(Status.PENDING)
    store.cancel_requested(id)

    assert store.submitting(id, TOKEN) is None


def test_a_submit_counts_its_attempts(store: Store, in_state: Callable):
    id = in_state(Status.SUBMITTING)
    store.not_sent(id, TOKEN, "no connection")
    again = store.submitting(id, TOKEN)

    assert again
    assert (again.submit_attempts, again.failures, again.failures_in_a_row) == (2, 1, 1)


def _checked(id: uuid.UUID, **changes: Any) -> Checked:
    fields: dict[str, Any] = {
        "countdown": 5.0,
        "progress": 0,
        "stage": None,
    }
    return Checked(id, **{**fields, **changes})


def test_checks_and_failures_are_counted_apart(store: Store, in_state: Callable):
    id = in_state(Status.PROCESSING)
    for failure in (None, "network", "not_found", None, "network"):
        store.checked([_checked(id, failure=failure)])

    found = store.get(id)
    assert (found.checks, found.failures, found.failures_in_a_row) == (2, 3, 1)
    assert found.failure_counts == {"network": 2, "not_found": 1}


def test_not_found_is_counted_in_a_row_until_the_next_answer(store: Store, in_state: Callable):
    id = in_state(Status.PROCESSING)
    for failure in ("not_found", "network", "not_found"):
        store.checked([_checked(id, failure=failure)])
    assert store.get(id).not_found_in_a_row == 2
    assert store.get(id).not_found_since

    store.checked([_checked(id)])
    assert (store.get(id).not_found_in_a_row, store.get(id).not_found_since) == (0, None)


def test_looks_after_a_timeout_change_nothing_a_client_sees(store: Store, in_state: Callable):
    id = in_state(Status.PROCESSING)
    store.timed_out(id, Failure("timed_out", "no video"), countdown=1, retention_s=60)
    before, events = store.get(id), len(store.events(id))

    assert store.checked([_checked(id, progress=90, stage="x", event="progress")]) == 1

    after = store.get(id)
    assert (after.version, after.progress, after.stage, after.status) == (
        before.version, before.progress, before.stage, Status.FAILED,
    )  # fmt: skip
    assert len(store.events(id)) == events
    assert store.given_up(id)
    assert store.checked([_checked(id)]) == 0


def test_a_submit_that_was_not_called_after_all_is_undone_by_its_own_attempt_only(store: Store, in_state: Callable):
    id = in_state(Status.SUBMITTING)

    assert not store.not_called(id, uuid.uuid4(), "no")
    assert store.not_called(id, TOKEN, "no")


def test_what_may_have_been_sent_is_not_cancelled_as_if_it_were_not(store: Store, in_state: Callable):
    id = in_state(Status.SUBMITTING)
    store.unanswered(id, TOKEN, "no answer")

    assert not store.cancelled(id, expected=Status.PENDING)


def test_one_operation_belongs_to_one_generation(store: Store, in_state: Callable):
    first, second = in_state(Status.SUBMITTING), in_state(Status.SUBMITTING)
    times = {"countdown": 1, "expected_s": 10, "timeout_s": 20}

    assert store.processing(first, "the same", **times)
    assert not store.processing(second, "the same", **times)
    assert store.operations_of_others("vertex", ["the same", "another"]) == {"the same"}


def test_progress_never_falls_and_overdue_never_ends(store: Store, in_state: Callable):
    id = in_state(Status.PROCESSING)
    store.checked([_checked(id, progress=40, overdue=True)])
    store.checked([_checked(id, progress=10)])

    found = store.get(id)
    assert (found.progress, found.overdue) == (40, True)


def test_only_visible_changes_make_an_event(store: Store, in_state: Callable):
    id = in_state(Status.PROCESSING)
    store.checked([_checked(id)])
    store.checked([_checked(id, progress=50, stage="rendering", event="progress")])

    assert [event["kind"] for event in store.events(id)][3:] == ["progress"]
    assert store.events(id)[-1]["data"] == {"progress": 50, "stage": "rendering", "overdue": False}


def test_many_checks_are_one_statement_and_leave_ended_ones_alone(store: Store, in_state: Callable):
    open_ids, ended = [in_state(Status.PROCESSING) for _ in range(3)], in_state(Status.COMPLETED)

    assert store.checked([_checked(id) for id in [*open_ids, ended]]) == 3
    assert store.get(ended).checks == 1, "the one that found its end"


@pytest.mark.parametrize(
    "change",
    [
        "status = 'done'",
        "status = 'completed', completed_at = now()",
        "status = 'failed', completed_at = now()",
        "status = 'processing'",
        "completed_at = now()",
        "progress = 101",
        "priority = 10",
        "error = '{\"code\": 1}'",
        "checks = -1",
    ],
)
def test_the_database_refuses_impossible_rows(store: Store, in_state: Callable, database_url: str, change: str):
    id = in_state(Status.PENDING)

    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(f"UPDATE generations SET {change} WHERE id = %s", [id])


def test_no_row_is_said_to_be_not_found(store: Store):
    with pytest.raises(GenerationNotFound):
        store.get(uuid.uuid4())


def test_a_postgres_that_does_not_answer_is_said_to_be_unavailable():
    nobody = Store(connect("postgresql://nobody@127.0.0.1:1/none"))

    with pytest.raises(StoreUnavailable, match="Postgres"):
        nobody.find([uuid.uuid4()])


@pytest.mark.parametrize("name", ["not_sent", "unanswered", "unknown", "failed_submitting"])
def test_a_worker_that_hung_undoes_no_later_attempt(store: Store, in_state: Callable, name: str):
    id, hung = in_state(Status.SUBMITTING), uuid.uuid4()
    late = {
        "not_sent": lambda: store.not_sent(id, hung, "x"),
        "unanswered": lambda: store.unanswered(id, hung, "x"),
        "unknown": lambda: store.unknown(id, Failure("unknown_outcome", "x"), token=hung),
        "failed_submitting": lambda: store.failed(id, Failure("x", "y"), expected=Status.SUBMITTING, token=hung),
    }[name]

    assert not late()
    assert store.get(id).status is Status.SUBMITTING


def test_restore_takes_no_attempt_that_has_only_begun(store: Store, in_state: Callable):
    id = in_state(Status.SUBMITTING)

    assert not store.unanswered(id, None, "the worker died", stale_s=60)
    assert not store.unknown(id, Failure("unknown_outcome", "the worker died"), stale_s=60)


@pytest.mark.parametrize("name", ["failed_pending", "cancelled_pending"])
def test_what_waits_and_may_have_been_sent_is_neither_refused_nor_cancelled_as_unpaid(
    store: Store, in_state: Callable, database_url: str, name: str
):
    id = in_state(Status.PENDING)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE generations SET maybe_sent = true WHERE id = %s", [id])

    assert not TRANSITIONS[name][0](store, id)

    assert store.get(id).status is Status.PENDING
