"""The life of one generation, top to bottom: accept, submit, check, cancel, refresh.

Start reading here. Each verb reads as a table of contents; its helpers stand below it in calling order. What a provider
answers comes as a value, and one ``match`` per verb picks the step (``steps.py``): the row first, then its lanes. The
store guards every move by the state it expects, so a message delivered twice, or two workers at once, change nothing
twice. A submit nobody knows the outcome of goes on in ``unknowns.py``, a cancel in ``cancelling.py``; what gets lost is
rebuilt in ``restore.py``.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID, uuid4

from vidpoll import looks, schedule
from vidpoll.accounts import Account
from vidpoll.cancelling import Cancels
from vidpoll.errors import InvalidRequest, LanesUnavailable, StoreUnavailable, Unavailable
from vidpoll.generation import FINAL, Failure, Generation, GenerationRequest, Status
from vidpoll.grants import Grants
from vidpoll.lanes import Flow, Lane
from vidpoll.outlook import Outlook
from vidpoll.providers.base import Operation
from vidpoll.providers.believing import can_be_stored, storable
from vidpoll.providers.http import RETRY_AFTER_DEFAULT_S
from vidpoll.providers.outcomes import (
    Ambiguous,
    Cancelled,
    CheckOutcome,
    Failed,
    Looked,
    More,
    NotFound,
    NotSent,
    Pending,
    RateLimited,
    Ready,
    Refused,
    SubmitOutcome,
    Submitted,
    Unauthorized,
    broken,
)
from vidpoll.routing import Loads, Router
from vidpoll.services import Services
from vidpoll.steps import SHORT_PAUSES_S, Steps
from vidpoll.store import Accepted, Checked
from vidpoll.unknowns import Unknowns

log = logging.getLogger("vidpoll.lifecycle")


class Lifecycle:
    """The verbs, on connected services."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._lanes = services.lanes
        self._providers = services.providers
        self._accounts = services.accounts
        self._limits = services.limits
        self._telemetry = services.telemetry
        self._grants = Grants(services)
        self._outlook = Outlook(services)
        self.steps = Steps(services, self._outlook)
        self._router = Router(services)
        self.unknowns = Unknowns(services, self._grants, self.steps)
        self.cancels = Cancels(services, self._grants, self.steps, self._outlook)

    # -- accept: from a request to a row in its submit lane -----------------------------------------------------------

    def accept(self, request: GenerationRequest, traceparent: str | None = None) -> Accepted:
        """Make the row for ``request``, if it is not there yet, and put it into its account's submit lane.

        Args:
            traceparent: the sender's trace context, kept on a row that is made here.

        Raises:
            InvalidRequest: nobody here can make this video; a row its sender already made has become ``failed``.
            IdempotencyConflict: its id or key belongs to another request.
        """
        try:
            account, brought = self._router.route(request)
        except InvalidRequest as error:
            self._fail_row_of(request, error)
            raise
        accepted = self._store.accept(request, account.name, traceparent=traceparent, from_parent=brought)
        if accepted.status is Status.PENDING:
            pinned = account.name
            if not accepted.new:
                pinned = self._store.pin([accepted.id], account.name, from_parent=brought)[accepted.id]
            if self.steps.enter_submit_lane(pinned, [accepted.id], Flow(request.owner, request.priority)):
                self._telemetry.accepted(accepted.id, request, pinned, accepted.traceparent)
        return accepted

    def take_up(self, generations: Sequence[Generation]) -> None:
        """The same for rows that are there, and whose sender's message was lost; oldest first."""
        routed: dict[str, list[Generation]] = defaultdict(list)
        pinned: dict[UUID, str] = {}
        loads: Loads = {}
        for generation in generations:
            try:
                account, brought = self._router.route(generation.request, loads)
            except InvalidRequest as error:
                self.steps.refuse_unpaid(generation, error)
                continue
            routed[account.name].append(generation)
            if brought is not None:
                pinned |= self._store.pin([generation.id], account.name, from_parent=brought)
        waiting: dict[tuple[str, Flow], list[UUID]] = defaultdict(list)
        for account_name, theirs in routed.items():
            pinned |= self._store.pin([one.id for one in theirs if one.parent_id is None], account_name)
            for one in theirs:
                if one.id in pinned:
                    waiting[pinned[one.id], Flow(one.owner, one.priority)].append(one.id)
                    self._telemetry.accepted(one.id, one, pinned[one.id], one.traceparent)
        for (account_name, flow), ids in waiting.items():
            self.steps.enter_submit_lane(account_name, ids, flow)

    def _fail_row_of(self, request: GenerationRequest, error: InvalidRequest) -> None:
        """Who inserted the row first looks at the row: tell it there. Another request under its id fails nothing."""
        assert request.id is not None
        for generation in self._store.find([request.id]):
            if generation.account is None and generation.request.fingerprint() == request.fingerprint():
                self.steps.refuse_unpaid(generation, error)

    # -- submit: the paid call ----------------------------------------------------------------------------------------

    def submit(self, account_name: str, ids: Sequence[UUID], call_at_us: int) -> None:
        """Make the paid call for generations the submit lane handed out."""
        lane = Lane(account_name, "submit")
        if self._grants.stale(call_at_us):
            self._grants.give_back(lane, ids)
            return
        with self.steps.back_in_lane_on_failure(lane, ids):
            self._outlook.refresh(account_name)
            self._grants.wait_until(call_at_us)
            moment_us = self._grants.renewed(lane, call_at_us, calls=len(ids))
            if moment_us is None:
                self._grants.give_back(lane, ids)
                return
            for id in ids:
                self._submit(self._accounts[account_name], lane, id, moment_us)

    def _submit(self, account: Account, lane: Lane, id: UUID, call_at_us: int) -> None:
        generation = self._submitting(id)
        if generation is None:
            self._leave_submit_lane(lane, id)
        elif not self._still_granted(lane, generation, call_at_us):
            self.steps.submit_again(lane, generation, "waits for its turn", 0, failed=False)
        else:
            self._submitted(account, lane, generation, self._paid_call(generation))
            self._grants.heed_quota(lane)

    def _submitting(self, id: UUID) -> Generation | None:
        """Commit the intent. Should the answer to the commit get lost, only we know that no call follows: undo it."""
        token = uuid4()
        try:
            generation = self._store.submitting(id, token)
        except StoreUnavailable:
            self._not_called(id, token, "the database did not answer in time")
            raise
        if generation:
            self._telemetry.submitting(generation)
        return generation

    def _still_granted(self, lane: Lane, generation: Generation, call_at_us: int) -> bool:
        """Whether the call may be made now. Without Redis it may not, and only we know that: undo the intent."""
        try:
            return self._grants.renewed(lane, call_at_us, calls=1) is not None
        except LanesUnavailable:
            words = "Redis did not answer in time"
            if self._not_called(generation.id, generation.submit_token, words):
                self._telemetry.submit_again(generation, "not_called", words)
            raise

    def _not_called(self, id: UUID, token: UUID | None, reason: str) -> bool:
        what = f"generation {id} was not submitted"
        return self.steps.until_stored(lambda: self._store.not_called(id, token, reason), what, SHORT_PAUSES_S)

    def _paid_call(self, generation: Generation) -> SubmitOutcome:
        """Call the provider, once. Whatever goes wrong in the adapter itself leaves open whether the call was made."""
        try:
            provider = self._providers[str(generation.account)]
            with self._telemetry.call(str(generation.account), "submit"):
                outcome = provider.submit(generation.as_sent, generation.id, replay=generation.maybe_sent)
            if isinstance(outcome, Submitted) and not can_be_stored(outcome.operation_name):
                log.error("generation %s: the provider calls it %r", generation.id, outcome.operation_name)
                return Ambiguous("the provider's name for the operation cannot be stored")
            return storable(outcome)
        except Exception as error:
            log.exception("generation %s: the adapter failed during the paid call", generation.id)
            return Ambiguous(f"{type(error).__name__} in the adapter")

    def _submitted(self, account: Account, lane: Lane, generation: Generation, outcome: SubmitOutcome) -> None:
        self._telemetry.submitted(generation, outcome)
        match outcome:
            case Submitted(operation_name):
                self._grants.heard(account.name)
                if self.steps.watch(account, generation, operation_name):
                    self.cancels.if_requested(generation.id)
            case Refused(code, message) if generation.maybe_sent:
                # This call was refused, but one before it may have been taken.
                self.steps.leave_unknown(account.name, generation, f"refused when sent again: {code}: {message}")
            case Refused(code, message):
                self.steps.refuse(account.name, generation, Failure(code, message))
            case RateLimited(retry_after):
                pause = RETRY_AFTER_DEFAULT_S if retry_after is None else retry_after
                words = f"the provider asks to wait {pause:.0f} s"
                self.steps.submit_again(lane, generation, words, pause, failed=False)
                self._grants.pause(lane, pause, words)
            case Unauthorized(reason):
                alone = self._grants.refused_alone(account.name, outcome)
                countdown = schedule.backoff(generation.failures_in_a_row + 1) if alone else account.refused_pause_s
                self.steps.submit_again(lane, generation, f"refused: {reason}", countdown)
                if not alone:
                    self._grants.rest_account(account.name, reason)
            case NotSent(reason):
                countdown = schedule.backoff(generation.failures_in_a_row + 1)
                self.steps.submit_again(lane, generation, reason, countdown)
                self._grants.pause(lane, RETRY_AFTER_DEFAULT_S, reason)
            case Ambiguous(reason) if self._providers[account.name].capabilities.client_supplied_id:
                self.steps.replay(lane, generation, reason)
                self._grants.pause(lane, RETRY_AFTER_DEFAULT_S, reason)
                self.cancels.if_requested(generation.id)
            case Ambiguous(reason):
                self.steps.leave_unknown(account.name, generation, reason)
                self._grants.pause(lane, RETRY_AFTER_DEFAULT_S, reason)

    def _leave_submit_lane(self, lane: Lane, id: UUID) -> None:
        """It is no longer to be submitted: it was already, or it was cancelled while it waited.

        One that waits again stays in the lane; and one that is being submitted, so that the lane goes on counting how
        often it was handed out, should it be ending its workers.
        """
        statuses = {one.status for one in self._store.find([id])}
        if not statuses & {Status.PENDING, Status.SUBMITTING}:
            self._lanes.settle(lane, [id])
        if statuses <= FINAL:
            self._lanes.release(lane, [id])
        self.cancels.if_requested(id)

    # -- check: look at what the provider has -------------------------------------------------------------------------

    def check(self, account_name: str, ids: Sequence[UUID], call_at_us: int) -> None:
        """Look at generations the status lane handed out, and act on what the provider says of each."""
        lane = Lane(account_name, "status")
        if self._grants.stale(call_at_us):
            self._grants.give_back(lane, ids)
            return
        with self.steps.back_in_lane_on_failure(lane, ids):
            watched = [one for one in self._store.find(ids) if one.is_watched]
            self.steps.leave_lanes(account_name, list(set(ids) - {one.id for one in watched}))
            if not watched:
                return
            self._outlook.refresh(account_name)
            now, later = self._one_kind_of_call(watched)
            calls = -(-len(now) // self._limits(lane).batch)
            self._grants.wait_until(call_at_us)
            if self._grants.renewed(lane, call_at_us, calls=calls) is None:
                now, later = [], watched
            self.steps.look_again(lane, self._look(self._accounts[account_name], now))
            self._grants.heed_quota(lane)
            if later:
                self._grants.give_back(lane, [one.id for one in later])

    def _one_kind_of_call(self, watched: Sequence[Generation]) -> tuple[Sequence[Generation], Sequence[Generation]]:
        """Whom to call for now, and whom to give back.

        Checks are made together. A cancel or a look-up is made alone, so that no token grows old while others are made.
        """
        for one in watched:
            if not self._is_checked(one):
                return [one], [other for other in watched if other.id != one.id]
        return watched, []

    def _is_checked(self, generation: Generation) -> bool:
        return generation.status is not Status.UNKNOWN and not self.cancels.is_next(generation)

    def _look(self, account: Account, generations: Sequence[Generation]) -> list[Checked]:
        """Make the calls and act on the answers; what to note of those that have not ended."""
        if len(generations) == 1 and not self._is_checked(generations[0]):
            (alone,) = generations
            is_unknown = alone.status is Status.UNKNOWN
            again = [self.unknowns.look_up(account, alone) if is_unknown else self.cancels.at_provider(account, alone)]
        else:
            outcomes = self._outcomes(account, generations)
            again = [self._acted(account, one, outcomes[str(one.operation_name)]) for one in generations]
        return [one for one in again if one]

    def _outcomes(self, account: Account, generations: Sequence[Generation]) -> dict[str, CheckOutcome]:
        """Ask the provider; an adapter that breaks says nothing of any of them."""
        operations = [Operation.of(one) for one in generations]
        if not operations:
            return {}
        try:
            with self._telemetry.call(account.name, "status"):
                outcomes = self._providers[account.name].check(operations)
            return {name: self._followed(account, outcome) for name, outcome in outcomes.items()}
        except Exception as error:
            log.exception("account %s: the adapter failed during a check", account.name)
            return {one.name: broken(error) for one in operations}

    def _followed(self, account: Account, outcome: Looked) -> CheckOutcome:
        """What follows from a look that takes a second call, which is made with a token of its own."""
        if not isinstance(outcome, More):
            return outcome
        if not self._grants.another(Lane(account.name, "status")):
            return Pending(stage=outcome.stage)
        with self._telemetry.call(account.name, "status"):
            found: CheckOutcome = outcome.call()
        return found

    def _acted(self, account: Account, generation: Generation, outcome: CheckOutcome) -> Checked | None:
        """Act on one outcome; an answer we cannot act on must not hold up the others of its task."""
        again: Checked | None
        try:
            again = self._checked(account, generation, storable(outcome))
        except Unavailable:
            raise  # it could not be stored, so it is looked at again, and counted then
        except Exception as error:
            log.exception("generation %s: cannot act on %r", generation.id, outcome)
            again = looks.unanswered(account.policy(generation.model), generation, broken(error))
        self._telemetry.looked(generation, outcome, again.countdown if again else None)
        return again

    def _checked(self, account: Account, generation: Generation, outcome: CheckOutcome) -> Checked | None:
        """Act on one outcome; what to note for the next look, or None when it has ended.

        What ends it goes before the time that is up: a video that is there counts, however late.
        """
        policy, pause = account.policy(generation.model), self._grants.pause_for(account.name, outcome)
        match outcome:
            case Ready():
                self.steps.complete(account.name, generation, outcome)
            case Failed(code, message, retryable):
                self.steps.fail(account.name, generation, Failure(code, message, retryable))
            case Cancelled():
                self.steps.cancelled(account.name, generation)
            case NotFound(reason) if looks.lost(policy, generation):
                words = f"the provider does not know it any more: {reason}"
                self.steps.fail(account.name, generation, Failure("lost", words, retryable=True))
            case _ if generation.timed_out and not generation.watched_late:
                self.steps.give_up(account.name, generation)
            case _ if not generation.timed_out and looks.out_of_time(generation, outcome):
                self.steps.time_out(account, generation)
            case Pending():
                countdown = self._outlook.countdown(account, generation, outcome, checks=generation.checks + 1)
                return looks.still_pending(policy, generation, outcome, countdown)
            case _:
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
        self.cancels.if_requested(id)

    def refresh(self, id: UUID) -> None:
        """Look at a generation soon, ahead of what waits: a share of its lane is kept for that, see ``Lanes.hurry``.

        Also looks once more at one that timed out.

        Raises:
            GenerationNotFound: there is none with this id.
        """
        generation = self._store.get(id)
        if generation.is_watched:
            lane = Lane(str(generation.account), "status")
            self._lanes.hurry(lane, self._limits(lane), id)
