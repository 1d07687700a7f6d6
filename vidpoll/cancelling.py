"""Cancels: at once while a generation waits for its paid call, at the provider where that can, else not at all."""

import logging
from collections.abc import Sequence
from uuid import UUID

from vidpoll import looks
from vidpoll.accounts import Account
from vidpoll.generation import Generation, Status
from vidpoll.grants import Grants
from vidpoll.lanes import Flow, Lane
from vidpoll.outlook import Outlook
from vidpoll.providers.base import Operation
from vidpoll.providers.believing import storable
from vidpoll.providers.outcomes import (
    CancelAccepted,
    Cancelled,
    CancelOutcome,
    CannotCancel,
    FailureClass,
    More,
    RateLimited,
    Unauthorized,
    Unreachable,
    broken,
)
from vidpoll.services import Services
from vidpoll.steps import Steps
from vidpoll.store import Checked

log = logging.getLogger("vidpoll.cancelling")


class Cancels:
    """What follows when somebody does not want a generation any more."""

    def __init__(self, services: Services, grants: Grants, steps: Steps, outlook: Outlook) -> None:
        self._store = services.store
        self._lanes = services.lanes
        self._providers = services.providers
        self._telemetry = services.telemetry
        self._grants = grants
        self._steps = steps
        self._outlook = outlook

    def withdraw(self, ids: Sequence[UUID]) -> None:
        """Cancel those of ``ids`` for which no paid call was made, and no others."""
        for generation in self._store.find(ids) if ids else ():
            if self._store.cancelled(generation.id, expected=Status.PENDING):
                self._telemetry.cancelled(generation)
                self._leave_turn(generation)

    def _leave_turn(self, generation: Generation) -> None:
        flow = Flow(generation.owner, generation.priority)
        self._lanes.withdraw(Lane(str(generation.account), "submit"), [generation.id], flow)

    def if_requested(self, id: UUID) -> None:
        """Carry out a cancel that was asked for, as far as the state allows; nothing if none was."""
        for generation in self._store.find([id]):
            account_name = str(generation.account)
            if generation.cancel_requested_at is None:
                continue
            if generation.status is Status.PENDING and generation.maybe_sent:
                # It must not be sent again, nor forgotten: it may be paid for.
                self._steps.leave_unknown(account_name, generation, "cancelled after a call that was not answered")
            elif generation.status is Status.PENDING and self._store.cancelled(id, expected=Status.PENDING):
                self._telemetry.cancelled(generation)
                self._leave_turn(generation)
            elif generation.status is Status.PROCESSING and generation.cancel_answered_at is None:
                self._ask_to_cancel(generation)

    def _ask_to_cancel(self, generation: Generation) -> None:
        """The call needs a token, so it goes through the status lane, ahead of all that waits there."""
        if self._providers[str(generation.account)].capabilities.cancel:
            self._lanes.schedule(Lane(str(generation.account), "status"), {generation.id: 0}, urgent=True)
        else:
            words = f"{generation.provider} cannot cancel; still watched"
            self._store.cancel_answered(generation.id, "cancel_refused", words)

    def is_next(self, generation: Generation) -> bool:
        """Somebody asked for it, or its time is up; and the provider can, and has not answered yet.

        After a cancel that got no answer a check comes first: what is done meanwhile must not be missed.
        """
        wanted = generation.timed_out or generation.cancel_requested_at is not None
        can = self._providers[str(generation.account)].capabilities.cancel and generation.operation_name is not None
        return wanted and can and generation.cancel_answered_at is None and generation.failures_in_a_row % 2 == 0

    def at_provider(self, account: Account, generation: Generation) -> Checked | None:
        """Ask the provider to stop it, with the token of a look; what to note of one that got no answer."""
        policy, outcome = account.policy(generation.model), self._asked_to_cancel(account, generation)
        match outcome:
            case Cancelled():
                self._steps.cancelled(account.name, generation)
                return None
            case RateLimited() | Unauthorized() | Unreachable():
                pause = self._grants.pause_for(account.name, outcome)
                return looks.unanswered(policy, generation, outcome, pause)
            case CancelAccepted():
                self._store.cancel_answered(generation.id, "cancel_accepted", "the provider is cancelling it")
            case CannotCancel(reason):
                self._store.cancel_answered(generation.id, "cancel_refused", f"{reason}; still watched")
        countdown = self._outlook.countdown(account, generation, checks=0)
        self._lanes.schedule(Lane(account.name, "status"), {generation.id: countdown})
        return None

    def _asked_to_cancel(self, account: Account, generation: Generation) -> CancelOutcome:
        try:
            with self._telemetry.call(account.name, "cancel"):
                outcome = self._providers[account.name].cancel(Operation.of(generation))
            if isinstance(outcome, More):
                outcome = self._cancel_after_look(account, outcome)
            return storable(outcome)
        except Exception as error:
            log.exception("generation %s: the adapter failed during a cancel", generation.id)
            return broken(error)

    def _cancel_after_look(self, account: Account, more: More) -> CancelOutcome:
        if not self._grants.another(Lane(account.name, "status")):
            return Unreachable("no call was free", FailureClass.RATE_LIMITED)
        with self._telemetry.call(account.name, "cancel"):
            outcome: CancelOutcome = more.call()
        return outcome
