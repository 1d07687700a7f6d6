"""From ``pending`` to ``processing``: the paid call, made at most once, and what is done when nobody knows of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import ColumnElement, and_, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError

from vidpoll.generation import Failure, Generation, Status
from vidpoll.store.engine import answering
from vidpoll.store.moving import Moving, event_of
from vidpoll.store.reading import generation_columns, to_generation
from vidpoll.store.tables import generations
from vidpoll.store.times import later

_ROW: Final = generations.c


class Submitting(Moving):
    """The moves around the paid call."""

    def pin(
        self, ids: Sequence[UUID], account: str, *, from_parent: Mapping[str, JsonValue] | None = None
    ) -> dict[UUID, str]:
        """Pin generations to the account that will pay for them, unless they are pinned; each with its account.

        ``from_parent`` is what the parent of an upscale or an extend brings with this account.
        """
        if not ids:
            return {}
        statement = update(generations).where(_ROW.id.in_(list(ids)))
        statement = statement.values(account=func.coalesce(_ROW.account, account))
        if from_parent is not None:
            brought = literal(dict(from_parent), JSONB)
            statement = statement.values(from_parent=case((_ROW.account.is_(None), brought), else_=_ROW.from_parent))
        with answering(self._engine) as connection:
            return {row[0]: row[1] for row in connection.execute(statement.returning(_ROW.id, _ROW.account))}

    def submitting(self, id: UUID, token: UUID) -> Generation | None:
        """Pending → submitting, committed before the paid call; the generation, or None when it must not be.

        ``token`` tells this attempt from others, see :meth:`not_called`.
        """
        moved = (
            update(generations)
            .where(_ROW.id == id, _ROW.status == Status.PENDING, _ROW.cancel_requested_at.is_(None))
            .values(
                status=Status.SUBMITTING,
                submit_attempts=_ROW.submit_attempts + 1,
                submit_token=token,
                sent_at=func.now(),
                version=_ROW.version + 1,
                updated_at=func.now(),
                stage="calling the provider",
            )
            .returning(*generation_columns())
            .cte("moved")
        )
        event = event_of(moved, "submitting", {}).cte("event")
        with answering(self._engine) as connection:
            row = connection.execute(select(moved).add_cte(event)).mappings().one_or_none()
        if row is None:
            return None
        self._on_events()
        return to_generation(row)

    def not_called(self, id: UUID, token: UUID | None, reason: str) -> bool:
        """Submitting → pending: this attempt was committed, and no call followed."""
        return self._move(
            id, (Status.SUBMITTING,), Status.PENDING, "not_called", {"reason": reason}, guard=_attempt(token),
            stage=reason,
        )  # fmt: skip

    def not_sent(self, id: UUID, token: UUID | None, reason: str, *, failed: bool = True) -> bool:
        """Submitting → pending: the provider did not take this attempt's call."""
        counted = 1 if failed else 0
        return self._move(
            id, (Status.SUBMITTING,), Status.PENDING, "not_sent", {"reason": reason}, guard=_attempt(token),
            stage=reason, failures=_ROW.failures + counted, failures_in_a_row=_ROW.failures_in_a_row + counted,
        )  # fmt: skip

    def unanswered(self, id: UUID, token: UUID | None, reason: str, *, stale_s: float | None = None) -> bool:
        """Submitting → pending: the provider may have taken it, and takes a replay under our id for the same one.

        Of this attempt; or of any that began more than ``stale_s`` seconds ago, so that its worker must be gone.
        """
        guard = _attempt(token) if stale_s is None else _stale(stale_s)
        return self._move(
            id, (Status.SUBMITTING,), Status.PENDING, "unanswered", {"reason": reason}, guard=guard,
            stage=reason, maybe_sent=True,
            failures=_ROW.failures + 1, failures_in_a_row=_ROW.failures_in_a_row + 1,
        )  # fmt: skip

    def unknown(
        self,
        id: UUID,
        failure: Failure,
        *,
        token: UUID | None = None,
        stale_s: float | None = None,
        look_up_in: float | None = None,
    ) -> bool:
        """Submitting, or pending after an unanswered call, → unknown: nobody can tell whether the provider took it.

        Which attempt is meant is said as in :meth:`unanswered`. With ``look_up_in`` the provider will be asked in so
        many seconds; without, a person decides.
        """
        attempt = _attempt(token) if stale_s is None else _stale(stale_s)
        return self._move(
            id, (Status.SUBMITTING, Status.PENDING), Status.UNKNOWN, "unknown", asdict(failure),
            guard=case((_ROW.status == Status.SUBMITTING, attempt), else_=_ROW.maybe_sent),
            error=asdict(failure), stage=failure.message, failures_in_a_row=0, looked_up=None,
            next_check_at=None if look_up_in is None else later(look_up_in),
        )  # fmt: skip

    def suspected(self, id: UUID, failure: Failure, stage: str, *, since: datetime, look_up_in: float | None) -> bool:
        """Pending or submitting → unknown: its row is of a backup, and is not believed. It must be pinned.

        It may have been sent at any time from ``since`` to now; the provider's list is searched for that. Ages and
        deadlines count from now, so that what is found is not given up at once.
        """
        return self._move(
            id, (Status.PENDING, Status.SUBMITTING), Status.UNKNOWN, "suspected", asdict(failure),
            guard=_ROW.account.is_not(None),
            error=asdict(failure), stage=stage, failures_in_a_row=0, sent_at=func.now(),
            looked_up=func.jsonb_build_object("looks", 0, "since", since.isoformat(), "until", func.now()),
            next_check_at=None if look_up_in is None else later(look_up_in),
        )  # fmt: skip

    def processing(
        self, id: UUID, operation_name: str, *, countdown: float, expected_s: float, timeout_s: float
    ) -> bool:
        """Submitting or unknown → processing: the provider's id is committed before the first check.

        Ages and deadlines count from the moment the call was sent. False, too, when another generation of the account
        has this operation.
        """
        sent_at = func.coalesce(_ROW.sent_at, func.now())
        try:
            return self._move(
                id, (Status.SUBMITTING, Status.UNKNOWN), Status.PROCESSING,
                "processing", {"operation_name": operation_name},
                operation_name=operation_name, submitted_at=sent_at, next_check_at=later(countdown),
                expected_at=later(expected_s, sent_at), deadline_at=later(timeout_s, sent_at),
                failures_in_a_row=0, maybe_sent=False, error=None, stage="accepted by the provider",
            )  # fmt: skip
        except IntegrityError as error:
            if "generations_operation_unique" in str(error.orig):
                return False
            raise

    # -- reconciling what is unknown ------------------------------------------------------------------------------

    def looked_up(self, id: UUID, looked_up: Mapping[str, Any], stage: str, *, again_in: float | None) -> bool:
        """Unknown → unknown: what the provider's list told so far; without ``again_in`` a person decides."""
        next_check_at = None if again_in is None else later(again_in)
        return self._move(
            id, (Status.UNKNOWN,), Status.UNKNOWN, "looked_up", {"stage": stage},
            looked_up=dict(looked_up), stage=stage, next_check_at=next_check_at, failures_in_a_row=0,
        )  # fmt: skip

    def not_taken(self, id: UUID, reason: str) -> bool:
        """Unknown → pending: the provider knows our ids and has not this one; or a person decided to pay (again)."""
        return self._move(
            id, (Status.UNKNOWN,), Status.PENDING, "not_taken", {"reason": reason},
            stage=reason, error=None, maybe_sent=False, looked_up=None, next_check_at=None,
        )  # fmt: skip

    def operations_of_others(self, account: str, names: Sequence[str]) -> set[str]:
        """Those of ``names`` that generations of this account already have."""
        query = select(_ROW.operation_name).where(_ROW.account == account, _ROW.operation_name.in_(list(names)))
        with answering(self._engine) as connection:
            return {str(name) for name in connection.execute(query).scalars()}

    def same_under_way(self, generation: Generation) -> bool:
        """Whether the same request is being submitted for another generation, so that a new operation may be its."""
        alike = and_(_ROW.account == generation.account, _ROW.model == generation.model, _ROW.id != generation.id)
        query = select(_ROW.id).where(
            alike, _ROW.status == Status.SUBMITTING, _ROW.prompt == generation.prompt, _ROW.params == generation.params,
            _ROW.kind == generation.kind, _ROW.parent_id.is_not_distinct_from(generation.parent_id),
        )  # fmt: skip
        with answering(self._engine) as connection:
            return connection.execute(query.limit(1)).first() is not None


def _attempt(token: UUID | None) -> ColumnElement[bool]:
    """The attempt of this token, and no later one: a worker that hung must not undo another's."""
    return _ROW.submit_token.is_(None) if token is None else _ROW.submit_token == token


def _stale(seconds: float) -> ColumnElement[bool]:
    return _ROW.updated_at < later(-seconds)
