"""The life of one generation, top to bottom: accept, submit, check, cancel, refresh.

Start reading here. Each verb reads as a table of contents; its helpers stand below it in calling order. What a provider
answers comes as a value, and one ``match`` per verb picks the step (``steps.py``): the row first, then its lanes. The
store guards every move by the state it expects, so a message delivered twice, or two workers at once, change nothing
twice. A submit nobody knows the outcome of goes on in ``unknowns.py``; what gets lost is rebuilt in ``restore.py``.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

from vidpoll import looks, schedule
from vidpoll.accounts import Account
from vidpoll.errors import InvalidRequest, StoreUnavailable, Unavailable
from vidpoll.generation import Failure, Generation, GenerationRequest, Status
from vidpoll.grants import Grants
from vidpoll.lanes import Lane
from vidpoll.providers.base import (
    Ambiguous,
    CancelAccepted,
    Cancelled,
    CannotCancel,
    CheckOutcome,
    Failed,
    FailureClass,
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
from vidpoll.steps import Steps
from vidpoll.store import Accepted, Checked
from vidpoll.unknowns import Unknowns

log = logging.getLogger("vidpoll.lifecycle")

#: The priority of somebody who waits for the answer.
URGENT: Final = 9


class Lifecycle:
    """The verbs, on connected services."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._lanes = services.lanes
        self._providers = services.providers
        self._accounts = services.accounts
        self._limits = services.limits
        self._grants = Grants(services)
        self._steps = Steps(services)
        self.unknowns = Unknowns(services, self._grants, self._steps)

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
            pinned = account.name if accepted.new else self._store.pin([accepted.id], account.name)[accepted.id]
            self._steps.enter_submit_lane(pinned, [accepted.id], request.priority)
        return accepted

    def take_up(self, generations: Sequence[Generation]) -> None:
        """The same for rows that are there, and whose sender's message was lost."""
        routed: dict[tuple[str, int], list[UUID]] = defaultdict(list)
        for generation in generations:
            try:
                routed[self._route(generation.request).name, generation.priority].append(generation.id)
            except InvalidRequest as error:
                self._store.failed(generation.id, Failure(error.code, str(error)))
        for (account_name, priority), ids in routed.items():
            pinned: dict[str, list[UUID]] = defaultdict(list)
            for id, name in self._store.pin(ids, account_name).items():
                pinned[name].append(id)
            for name, theirs in pinned.items():
                self._steps.enter_submit_lane(name, theirs, priority)

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
            generation = self._submitting(id)
            if generation is None:
                self._leave_submit_lane(lane, id)
            elif self._grants.stale(call_at_us):
                self._steps.submit_again(lane, generation, "waited too long for its turn", 0, failed=False)
            else:
                self._submitted(account, lane, generation, self._paid_call(generation))

    def _submitting(self, id: UUID) -> Generation | None:
        """Commit the intent. Should the answer to the commit get lost, only we know that no call follows: undo it."""
        token = uuid4()
        try:
            return self._store.submitting(id, token)
        except StoreUnavailable:
            self._steps.until_stored(lambda: self._store.not_called(id, token), f"generation {id} was not submitted")
            raise

    def _paid_call(self, generation: Generation) -> SubmitOutcome:
        """Call the provider, once. Whatever goes wrong in the adapter itself leaves open whether the call was made."""
        try:
            provider = self._providers[str(generation.account)]
            return storable(provider.submit(generation.request, generation.id, replay=generation.maybe_sent))
        except Exception as error:
            log.exception("generation %s: the adapter failed during the paid call", generation.id)
            return Ambiguous(f"{type(error).__name__} in the adapter")

    def _submitted(self, account: Account, lane: Lane, generation: Generation, outcome: SubmitOutcome) -> None:
        match outcome:
            case Submitted(operation_name):
                self._grants.heard(account.name)
                if self._steps.watch(account, generation, operation_name):
                    self.cancel_if_requested(generation.id)
            case Refused(code, message) if generation.maybe_sent:
                # This call was refused, but one before it may have been taken.
                self._steps.leave_unknown(account.name, generation.id, f"refused when sent again: {code}: {message}")
            case Refused(code, message):
                self._steps.fail(account.name, generation, Failure(code, message))
            case RateLimited(retry_after):
                pause = self._grants.pause(lane, retry_after, "the provider asked for it")
                words = f"the provider asks to wait {pause:.0f} s"
                self._steps.submit_again(lane, generation, words, pause, failed=False)
            case Unauthorized(reason):
                pause = self._grants.rest_account(account.name, reason)
                self._steps.submit_again(lane, generation, f"the account is refused: {reason}", pause, failed=False)
            case NotSent(reason):
                self._grants.pause(lane, None, reason)
                countdown = schedule.backoff(generation.failures_in_a_row + 1)
                self._steps.submit_again(lane, generation, reason, countdown)
            case Ambiguous(reason) if self._providers[account.name].capabilities.client_supplied_id:
                self._grants.pause(lane, None, reason)
                self._steps.replay(lane, generation, reason)
                self.cancel_if_requested(generation.id)
            case Ambiguous(reason):
                self._grants.pause(lane, None, reason)
                self._steps.leave_unknown(account.name, generation.id, reason)

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
        watched = [one for one in self._store.find(ids) if _belongs_in_status_lane(one)]
        self._steps.leave_lanes(account_name, list(set(ids) - {one.id for one in watched}))
        if not watched:
            return
        self._grants.wait_until(call_at_us)
        if self._grants.stale(call_at_us):
            self._grants.give_back(lane, [one.id for one in watched])
            return
        now, later = self._within_tokens(account_name, watched)
        self._steps.look_again(lane, self._look(account, now))
        if later:
            self._grants.give_back(lane, [one.id for one in later])

    def _within_tokens(
        self, account_name: str, watched: Sequence[Generation]
    ) -> tuple[list[Generation], list[Generation]]:
        """Whom the tokens of this grant carry, and whom not.

        A token carries a whole batch of checks, but only one cancel or look-up; those go first.
        """
        batch = self._limits(Lane(account_name, "status")).batch
        alone = [one for one in watched if not self._is_checked(one)]
        if batch == 1 or not alone:
            return list(watched), []
        tokens = -(-len(watched) // batch)
        return alone[:tokens], [one for one in watched if one not in alone[:tokens]]

    def _is_checked(self, generation: Generation) -> bool:
        return generation.status is not Status.UNKNOWN and not self._is_to_be_cancelled(generation)

    def _is_to_be_cancelled(self, generation: Generation) -> bool:
        """Somebody asked for it, or its time is up; and the provider can, and has not answered yet."""
        wanted = generation.timed_out or generation.cancel_requested_at is not None
        can = self._providers[str(generation.account)].capabilities.cancel
        return wanted and can and generation.cancel_answered_at is None and generation.operation_name is not None

    def _look(self, account: Account, generations: Sequence[Generation]) -> list[Checked]:
        """Make the calls and act on the answers; what to note of those that have not ended."""
        checked = [one for one in generations if self._is_checked(one)]
        outcomes = self._providers[account.name].check([_operation(one) for one in checked]) if checked else {}
        again = [self._acted(account, one, outcomes[str(one.operation_name)]) for one in checked]
        again += [self._cancel_at_provider(account, one) for one in generations if self._is_to_be_cancelled(one)]
        again += [self.unknowns.look_up(account, one) for one in generations if one.status is Status.UNKNOWN]
        return [one for one in again if one]

    def _acted(self, account: Account, generation: Generation, outcome: CheckOutcome) -> Checked | None:
        """Act on one outcome; an answer we cannot act on must not hold up the others of its task."""
        try:
            return self._checked(account, generation, storable(outcome))
        except Unavailable:
            raise
        except Exception as error:
            log.exception("generation %s: cannot act on %r", generation.id, outcome)
            broken = Unreachable(f"{type(error).__name__}: the answer cannot be used", FailureClass.BROKEN)
            return looks.unanswered(account.policy(generation.model), generation, broken)

    def _checked(self, account: Account, generation: Generation, outcome: CheckOutcome) -> Checked | None:
        """Act on one outcome; what to note for the next look, or None when it has ended."""
        policy = account.policy(generation.model)
        match outcome:
            case Ready() | Failed() | Cancelled() | Pending():
                self._grants.heard(account.name)
        match outcome:
            case Ready():
                self._steps.complete(account.name, generation, outcome)
            case Failed(code, message, retryable):
                failure = Failure(code, message, retryable)
                self._steps.fail(account.name, generation, failure, by_check=True)
            case Cancelled():
                self._steps.cancelled(account.name, generation)
            case NotFound(reason) if looks.lost(policy, generation):
                words = f"the provider does not know it any more: {reason}"
                self._steps.fail(account.name, generation, Failure("lost", words, retryable=True), by_check=True)
            case _ if generation.timed_out and not generation.watched_late:
                self._steps.give_up(account.name, generation)
            case _ if not generation.timed_out and looks.out_of_time(generation, outcome):
                self._steps.time_out(account, generation)
            case Pending():
                return looks.still_pending(policy, generation, outcome)
            case _:
                pause = self._grants.pause_for(account.name, outcome)
                return looks.unanswered(policy, generation, outcome, pause)
        return None

    # -- cancel, refresh: what somebody asks for ----------------------------------------------------------------------

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
            account_name = str(generation.account)
            if generation.cancel_requested_at is None:
                continue
            if generation.status is Status.PENDING and generation.maybe_sent:
                # It must not be sent again, nor forgotten: it may be paid for.
                self._steps.leave_unknown(account_name, id, "cancelled after a call that was not answered")
            elif generation.status is Status.PENDING and self._store.cancelled(id, expected=Status.PENDING):
                self._lanes.settle(Lane(account_name, "submit"), [id])
            elif generation.status is Status.PROCESSING and generation.cancel_answered_at is None:
                self._ask_to_cancel(generation)

    def _ask_to_cancel(self, generation: Generation) -> None:
        """The call needs a token, so it goes through the status lane, ahead of all that waits there."""
        if self._is_to_be_cancelled(generation):
            self._lanes.schedule(Lane(str(generation.account), "status"), {generation.id: 0}, priority=URGENT)
        else:
            words = f"{generation.provider} cannot cancel; still watched"
            self._store.cancel_answered(generation.id, "cancel_refused", words)

    def _cancel_at_provider(self, account: Account, generation: Generation) -> Checked | None:
        outcome = storable(self._providers[account.name].cancel(_operation(generation)))
        match outcome:
            case Cancelled():
                self._steps.cancelled(account.name, generation)
                return None
            case RateLimited() | Unauthorized() | Unreachable():
                pause = self._grants.pause_for(account.name, outcome)
                return looks.unanswered(account.policy(generation.model), generation, outcome, pause)
            case CancelAccepted():
                self._store.cancel_answered(generation.id, "cancel_accepted", "the provider is cancelling it")
            case CannotCancel(reason):
                self._store.cancel_answered(generation.id, "cancel_refused", f"{reason}; still watched")
        policy = account.policy(generation.model)
        self._lanes.schedule(Lane(account.name, "status"), {generation.id: policy.schedule.countdown(0)})
        return None

    def refresh(self, id: UUID) -> None:
        """Look at a generation as soon as its lane has a token, before everything else that waits.

        Also looks once more at one that timed out.

        Raises:
            GenerationNotFound: there is none with this id.
        """
        generation = self._store.get(id)
        if _belongs_in_status_lane(generation):
            self._lanes.schedule(Lane(str(generation.account), "status"), {id: 0}, priority=URGENT)


def _belongs_in_status_lane(generation: Generation) -> bool:
    """At the provider; or timed out, and perhaps done late; or unknown, and to be looked up."""
    if generation.status is Status.UNKNOWN:
        return generation.next_check_at is not None
    watched = generation.status is Status.PROCESSING or generation.timed_out
    return watched and generation.operation_name is not None


def _operation(generation: Generation) -> Operation:
    return Operation(str(generation.operation_name), generation.params)
