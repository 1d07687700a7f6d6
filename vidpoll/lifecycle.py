"""The life of one generation, top to bottom: accept, submit, check, cancel, refresh.

Start reading here. Each verb reads as a table of contents; its helpers stand below it in calling order. What a provider
answers comes as a value, and one ``match`` per verb acts on it. The store guards every move by the state it expects, so
a message delivered twice, or two workers at once, change nothing twice. What gets lost is rebuilt in ``restore.py``.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final
from uuid import UUID

from vidpoll import schedule
from vidpoll.accounts import Account
from vidpoll.errors import InvalidRequest, StoreUnavailable, Unavailable
from vidpoll.generation import Failure, Generation, GenerationRequest, Status
from vidpoll.grants import Grants
from vidpoll.lanes import Lane
from vidpoll.providers.base import (
    Ambiguous,
    Cancelled,
    CannotCancel,
    CheckOutcome,
    Failed,
    NotFound,
    NotSent,
    Operation,
    Pending,
    RateLimited,
    Ready,
    Refused,
    SubmitOutcome,
    Submitted,
    Unauthorized,
    Unreachable,
    storable,
)
from vidpoll.services import Services
from vidpoll.store import Accepted, Checked

log = logging.getLogger("vidpoll.lifecycle")

#: Seconds past its deadline after which a generation is given up even though the provider gave no usable answer.
UNANSWERED_GRACE_S: Final = 3600.0
#: Seconds until the next look after an answer that we cannot act on.
FAILED_LOOK_S: Final = 30.0
#: Pauses between tries to store what the provider accepted, seconds; together about a minute.
STORE_PAUSES_S: Final = (0.1, 0.5, 1, 2, 4, 8, 15, 30)
#: The priority of somebody who waits for the answer.
URGENT: Final = 9


class Lifecycle:
    """The verbs, on connected services."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._lanes = services.lanes
        self._providers = services.providers
        self._accounts = services.accounts
        self._grants = Grants(services)

    # -- accept: from a request to a row in its submit lane -----------------------------------------------------------

    def accept(self, request: GenerationRequest) -> Accepted:
        """Make the row for ``request``, if it is not there yet, and put it into its account's submit lane.

        Raises:
            InvalidRequest: nobody here can make this video; a row its sender already made has become ``failed``.
            IdempotencyConflict: its id or key belongs to another request.
        """
        try:
            account = self._route(request)
        except InvalidRequest as error:
            self._fail_row_of(request, error)
            raise
        accepted = self._store.accept(request, account.name)
        if accepted.status is Status.PENDING:
            pinned = account.name if accepted.new else self._store.pin(accepted.id, account.name)
            self._enter_submit_lane(pinned, accepted.id, request.priority)
        return accepted

    def take_up(self, generation: Generation) -> None:
        """The same for a row that is there, and whose sender's message was lost."""
        try:
            account = self._route(generation.request)
        except InvalidRequest as error:
            self._store.failed(generation.id, Failure(error.code, str(error)))
            return
        self._enter_submit_lane(self._store.pin(generation.id, account.name), generation.id, generation.priority)

    def _enter_submit_lane(self, account_name: str, id: UUID, priority: int) -> None:
        self._lanes.schedule(Lane(account_name, "submit"), {id: 0}, priority=priority, only_absent=True)

    def _route(self, request: GenerationRequest) -> Account:
        account = self._accounts.route(request.provider, request.model, request.account)
        problems = self._providers[account.name].problems(request)
        if problems:
            raise InvalidRequest(problems)
        return account

    def _fail_row_of(self, request: GenerationRequest, error: InvalidRequest) -> None:
        """Who inserted the row first looks at the row: tell it there. Another request under its id fails nothing."""
        assert request.id is not None
        for generation in self._store.find([request.id]):
            if generation.account is None and generation.request.fingerprint() == request.fingerprint():
                self._store.failed(request.id, Failure(error.code, str(error)))

    # -- submit: the paid call ----------------------------------------------------------------------------------------

    def submit(self, account_name: str, ids: Sequence[UUID], call_at_us: int) -> None:
        """Make the paid call for generations the submit lane handed out."""
        account, lane = self._accounts[account_name], Lane(account_name, "submit")
        if self._grants.stale(call_at_us):
            self._grants.give_back(lane, ids)
            return
        self._grants.wait_until(call_at_us)
        for id in ids:
            generation = self._store.submitting(id)
            if generation is None:
                self._leave_submit_lane(lane, id)
            elif self._grants.stale(call_at_us):
                self._submit_again(lane, generation, "waited too long for its turn", 0, failed=False)
            else:
                self._submitted(account, lane, generation, self._paid_call(generation))

    def _paid_call(self, generation: Generation) -> SubmitOutcome:
        """Call the provider, once. Whatever goes wrong in the adapter itself leaves open whether the call was made."""
        replay = generation.submit_attempts > 1
        try:
            provider = self._providers[str(generation.account)]
            return storable(provider.submit(generation.request, generation.id, replay=replay))
        except Exception as error:
            log.exception("generation %s: the adapter failed during the paid call", generation.id)
            return Ambiguous(f"{type(error).__name__} in the adapter")

    def _submitted(self, account: Account, lane: Lane, generation: Generation, outcome: SubmitOutcome) -> None:
        match outcome:
            case Submitted(operation_name):
                self._watch(account, generation, operation_name)
            case Refused(code, message):
                self._fail(account, generation, Failure(code, message))
            case RateLimited(retry_after):
                pause = self._grants.pause(lane, retry_after)
                self._submit_again(lane, generation, f"the provider asks to wait {pause:.0f} s", pause, failed=False)
            case Unauthorized(reason):
                pause = self._grants.rest_account(account.name, reason)
                self._submit_again(lane, generation, f"the account is refused: {reason}", pause, failed=False)
            case NotSent(reason):
                self._grants.pause(lane, None)
                self._submit_again(lane, generation, reason, schedule.backoff(generation.failures_in_a_row + 1))
            case Ambiguous(reason) if self._providers[account.name].capabilities.client_supplied_id:
                self._grants.pause(lane, None)
                self._submit_again(lane, generation, reason, schedule.backoff(generation.failures_in_a_row + 1))
            case Ambiguous(reason):
                self._grants.pause(lane, None)
                self._store.unknown(generation.id, Failure("unknown_outcome", reason))
                self._lanes.settle(lane, [generation.id])
                log.warning("generation %s: nobody knows whether the provider took it: %s", generation.id, reason)

    def _watch(self, account: Account, generation: Generation, operation_name: str) -> None:
        """Commit the provider's id, then look for the first time in a while."""
        policy = account.policy(generation.model)
        timeout_s = generation.timeout_s or policy.timeout_s
        countdown = policy.schedule.countdown(0)
        moved = self._until_stored(
            lambda: self._store.processing(
                generation.id, operation_name, countdown=countdown, expected_s=policy.expected_s, timeout_s=timeout_s
            ),
            f"generation {generation.id} was accepted as operation {operation_name}",
        )
        self._lanes.settle(Lane(account.name, "submit"), [generation.id])
        if not moved:
            return
        if account.max_in_flight:
            self._lanes.hold(Lane(account.name, "submit"), {generation.id: timeout_s})
        self._lanes.schedule(Lane(account.name, "status"), {generation.id: countdown})
        self.cancel_if_requested(generation.id)

    def _until_stored(self, store: Callable[[], bool], what: str) -> bool:
        """Store what only we know and what was paid for: again and again while Postgres is away, for a minute."""
        for pause in STORE_PAUSES_S:
            try:
                return store()
            except StoreUnavailable as error:
                log.error("%s, which cannot be stored now: %s", what, error)
                time.sleep(pause)
        return store()

    def _submit_again(
        self, lane: Lane, generation: Generation, reason: str, countdown: float, *, failed: bool = True
    ) -> None:
        if self._store.not_sent(generation.id, reason, failed=failed):
            self._lanes.release(lane, [generation.id])
            self._lanes.schedule(lane, {generation.id: countdown}, priority=generation.priority)

    def _leave_submit_lane(self, lane: Lane, id: UUID) -> None:
        """Somebody else submitted it, or it was cancelled while it waited. One that waits again stays in the lane."""
        if not any(one.status is Status.PENDING for one in self._store.find([id])):
            self._lanes.settle(lane, [id])
        self.cancel_if_requested(id)

    # -- check: look at what the provider has -------------------------------------------------------------------------

    def check(self, account_name: str, ids: Sequence[UUID], call_at_us: int) -> None:
        """Look at generations the status lane handed out, and act on what the provider says of each."""
        account, lane = self._accounts[account_name], Lane(account_name, "status")
        if self._grants.stale(call_at_us):
            self._grants.give_back(lane, ids)
            return
        watched = [one for one in self._store.find(ids) if _is_watched(one)]
        self._leave_lanes(account_name, list(set(ids) - {one.id for one in watched}))
        if not watched:
            return
        self._grants.wait_until(call_at_us)
        if self._grants.stale(call_at_us):
            self._grants.give_back(lane, [one.id for one in watched])
            return
        outcomes = self._providers[account_name].check([_operation(one) for one in watched])
        again = [self._checked_alone(account, one, outcomes[str(one.operation_name)]) for one in watched]
        self._look_again(lane, [checked for checked in again if checked])

    def _checked_alone(self, account: Account, generation: Generation, outcome: CheckOutcome) -> Checked | None:
        """Act on one outcome; an answer we cannot act on must not hold up the others of its task."""
        try:
            return self._checked(account, generation, storable(outcome))
        except Unavailable:
            raise
        except Exception as error:
            log.exception("generation %s: cannot act on %r", generation.id, outcome)
            return self._no_answer(generation, f"{type(error).__name__}: the answer cannot be used", FAILED_LOOK_S)

    def _checked(self, account: Account, generation: Generation, outcome: CheckOutcome) -> Checked | None:
        """Act on one outcome; what to note for the next look, or None when it has ended."""
        match outcome:
            case Ready():
                self._complete(account, generation, outcome)
                return None
            case Failed(code, message, retryable):
                self._fail(account, generation, Failure(code, message, retryable), by_check=True)
                return None
            case Cancelled():
                self._store.cancelled(generation.id, expected=Status.PROCESSING)
                self._leave_lanes(account.name, [generation.id])
                return None
            case Pending() | NotFound() if generation.past(generation.deadline_at):
                self._time_out(account, generation)
                return None
            case _ if generation.overdue_s() > UNANSWERED_GRACE_S:
                self._time_out(account, generation)
                return None
            case Pending(progress, stage):
                return self._still_pending(account, generation, progress, stage)
            case RateLimited(retry_after):
                pause = self._grants.pause(Lane(account.name, "status"), retry_after)
                return self._no_answer(generation, f"the provider asks to wait {pause:.0f} s", pause)
            case Unauthorized(reason):
                return self._no_answer(
                    generation,
                    f"the account is refused: {reason}",
                    self._grants.rest_account(account.name, reason),
                )
            case NotFound(reason) | Unreachable(reason):
                return self._no_answer(generation, reason, schedule.backoff(generation.failures_in_a_row + 1))

    def _still_pending(self, account: Account, generation: Generation, progress: int | None, stage: str) -> Checked:
        now = max(generation.progress, min(100, progress or 0))
        overdue = generation.past(generation.expected_at)
        seen_before = (generation.progress, generation.stage, generation.overdue)
        countdown = account.policy(generation.model).schedule.countdown(generation.checks + 1)
        countdown = min(countdown, generation.seconds_until(generation.deadline_at))
        return Checked(
            generation.id, countdown, now, stage, overdue, failed=False, changed=(now, stage, overdue) != seen_before
        )

    def _no_answer(self, generation: Generation, reason: str, countdown: float) -> Checked:
        """A look that said nothing about the generation: it is tried again, and counts as no check."""
        overdue = generation.past(generation.expected_at)
        changed = (reason, overdue) != (generation.stage, generation.overdue)
        return Checked(generation.id, countdown, generation.progress, reason, overdue, failed=True, changed=changed)

    def _look_again(self, lane: Lane, checked: Sequence[Checked]) -> None:
        """Commit first, then put back into the lane: a crash in between costs a lease, not a generation."""
        if checked:
            self._store.checked(checked)
            self._lanes.schedule(lane, {one.id: one.countdown for one in checked})

    # -- ends ---------------------------------------------------------------------------------------------------------

    def _complete(self, account: Account, generation: Generation, ready: Ready) -> None:
        self._store.completed(
            generation.id,
            ready.videos[0],
            {name: value for name, value in asdict(ready).items() if value not in (None, ())},
        )
        self._leave_lanes(account.name, [generation.id])

    def _fail(self, account: Account, generation: Generation, failure: Failure, *, by_check: bool = False) -> None:
        self._store.failed(generation.id, failure, by_check=by_check)
        self._leave_lanes(account.name, [generation.id])

    def _time_out(self, account: Account, generation: Generation) -> None:
        """Its deadline has passed: stop expecting it. A later look that finds it done makes it completed, late."""
        words = f"no video after {generation.age_s():.0f} s, {generation.checks + 1} checks"
        self._providers[account.name].cancel(_operation(generation))
        self._fail(account, generation, Failure("timed_out", words, retryable=True), by_check=True)

    def _leave_lanes(self, account_name: str, ids: Sequence[UUID]) -> None:
        self._lanes.settle(Lane(account_name, "submit"), ids)
        self._lanes.release(Lane(account_name, "submit"), ids)
        self._lanes.settle(Lane(account_name, "status"), ids)

    # -- cancel, refresh: what a person asks for ----------------------------------------------------------------------

    def cancel(self, id: UUID) -> None:
        """Cancel a generation: at once while it waits, at the provider where that can, else it goes on being watched.

        Raises:
            GenerationNotFound: there is none with this id.
        """
        self._store.get(id)
        self._store.cancel_requested(id)
        self.cancel_if_requested(id)

    def cancel_if_requested(self, id: UUID) -> None:
        """Carry out a cancel that was asked for, as far as the state allows; nothing if none was."""
        for generation in self._store.find([id]):
            if generation.cancel_requested_at is None or generation.status.final:
                continue
            if generation.status is Status.PENDING and self._store.cancelled(id, expected=Status.PENDING):
                self._lanes.settle(Lane(generation.account or "", "submit"), [id])
            elif generation.status is Status.PROCESSING:
                self._cancel_at_provider(generation)

    def _cancel_at_provider(self, generation: Generation) -> None:
        account_name = str(generation.account)
        match self._providers[account_name].cancel(_operation(generation)):
            case Cancelled():
                self._store.cancelled(generation.id, expected=Status.PROCESSING)
                self._leave_lanes(account_name, [generation.id])
            case CannotCancel(reason):
                self._store.cancel_refused(generation.id, f"{reason}; still watched")

    def refresh(self, id: UUID) -> None:
        """Look at a generation as soon as its lane has a token, before everything else that waits.

        Also looks once more at one that timed out.

        Raises:
            GenerationNotFound: there is none with this id.
        """
        generation = self._store.get(id)
        if _is_watched(generation):
            self._lanes.schedule(Lane(str(generation.account), "status"), {id: 0}, priority=URGENT)


def _is_watched(generation: Generation) -> bool:
    """At the provider; or timed out, and so perhaps done late."""
    timed_out = generation.status is Status.FAILED and (generation.error or {}).get("code") == "timed_out"
    return generation.operation_name is not None and (generation.status is Status.PROCESSING or timed_out)


def _operation(generation: Generation) -> Operation:
    return Operation(str(generation.operation_name), generation.params)
