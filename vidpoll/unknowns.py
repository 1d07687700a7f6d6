"""Submits nobody knows the outcome of: ask the provider, or let a person decide. Never sent again on a guess."""

import logging
from uuid import UUID

from vidpoll import looks, reconcile
from vidpoll.accounts import Account
from vidpoll.errors import InvalidRequest, WrongState
from vidpoll.generation import Failure, Generation, Status
from vidpoll.grants import Grants
from vidpoll.lanes import Flow, Lane
from vidpoll.providers.believing import storable
from vidpoll.providers.outcomes import LookUpOutcome, RateLimited, Unauthorized, Unreachable, broken
from vidpoll.reconcile import Decision, Found, LookAgain, NotTaken
from vidpoll.services import Services
from vidpoll.steps import UNKNOWN_OUTCOME, Steps
from vidpoll.store import Checked

log = logging.getLogger("vidpoll.unknowns")


class Unknowns:
    """What can be done about a generation that is ``unknown``."""

    def __init__(self, services: Services, grants: Grants, steps: Steps) -> None:
        self._store = services.store
        self._lanes = services.lanes
        self._providers = services.providers
        self._accounts = services.accounts
        self._grants = grants
        self._telemetry = services.telemetry
        self._steps = steps

    # -- ask the provider; the token is that of a check ---------------------------------------------------------------

    def look_up(self, account: Account, generation: Generation) -> Checked | None:
        """Ask the provider whether it took it, and act on what it tells; what to note if it told nothing."""
        outcome = self._asked(account, generation)
        match outcome:
            case RateLimited() | Unauthorized() | Unreachable():
                return self._unanswered(account, generation, outcome)
            case _:
                self._act(account, generation, self._decide(account, generation, outcome))
                return None

    def _asked(self, account: Account, generation: Generation) -> LookUpOutcome:
        sent, cursor = reconcile.sent(account, generation), reconcile.cursor_of(generation)
        try:
            with self._telemetry.call(account.name, "status"):
                return storable(self._providers[account.name].look_up(sent, cursor))
        except Exception as error:
            log.exception("generation %s: the adapter failed to look it up", generation.id)
            return broken(error)

    def _unanswered(
        self, account: Account, generation: Generation, outcome: RateLimited | Unauthorized | Unreachable
    ) -> Checked | None:
        """Ask again, for a while. A key that may not list need not be refused otherwise, so no account rests for it."""
        policy = account.policy(generation.model)
        if reconcile.asked_for_long_enough(generation):
            _, words = looks.classified(outcome)
            looked_up = {**(generation.looked_up or {}), "cursor": None}
            self._act(account, generation, LookAgain(looked_up, f"the provider could not be asked: {words}", None))
            return None
        if isinstance(outcome, RateLimited):
            return looks.unanswered(policy, generation, outcome, self._grants.pause_for(account.name, outcome))
        return looks.unanswered(policy, generation, outcome)

    def _decide(self, account: Account, generation: Generation, told: reconcile.Told) -> Decision:
        names = reconcile.names_in(generation, told)
        taken = self._store.operations_of_others(account.name, names) if names else set()
        under_way = bool(names) and self._store.same_under_way(generation)
        return reconcile.decide(generation, told, taken, same_under_way=under_way)

    def _act(self, account: Account, generation: Generation, decision: Decision) -> None:
        lane, id = Lane(account.name, "status"), generation.id
        match decision:
            case Found(operation_name):
                self._steps.watch(account, generation, operation_name)
            case NotTaken() if generation.cancel_requested_at is not None:
                if self._store.cancelled(id, expected=Status.UNKNOWN):
                    self._telemetry.cancelled(generation)
                self._lanes.settle(lane, [id])
            case NotTaken(reason):
                self._pay_for(account.name, generation, reason)
            case LookAgain(looked_up, stage, None):
                self._store.looked_up(id, looked_up | reconcile.span_of(generation), stage, again_in=None)
                self._lanes.settle(lane, [id])
                log.error("generation %s: %s; decide with `vidpoll unknown`", id, stage)
            case LookAgain(looked_up, stage, again_in):
                noted = looked_up | reconcile.span_of(generation)
                if self._store.looked_up(id, noted, stage, again_in=again_in):
                    self._lanes.schedule(lane, {id: again_in or 0.0})

    def _pay_for(self, account_name: str, generation: Generation, reason: str) -> None:
        if self._store.not_taken(generation.id, reason):
            self._telemetry.submit_again(generation, "not_taken", reason)
            self._lanes.settle(Lane(account_name, "status"), [generation.id])
            self._steps.enter_submit_lane(account_name, [generation.id], Flow(generation.owner, generation.priority))

    # -- what a person decides ----------------------------------------------------------------------------------------

    def resolve(self, id: UUID, operation_name: str) -> None:
        """It was taken, as this operation of the provider: watch it.

        Raises:
            GenerationNotFound: there is none with this id.
            WrongState: it is not unknown; or another generation has this operation.
        """
        generation = self._unknown(id)
        account = self._accounts.get(generation.account)
        if account is None:
            raise WrongState(f"account {generation.account} of generation {id} is not in the providers file")
        if not operation_name.strip():
            raise InvalidRequest(["--operation: is empty; give the provider's id of the operation"])
        if not self._steps.watch(account, generation, operation_name):
            raise WrongState(
                f"generation {id} was not resolved: another generation has {operation_name}, or it moved on meanwhile"
            )

    def resubmit(self, id: UUID) -> None:
        """Make the paid call anew, though the one before may be paid for too. Raises as :meth:`resolve`."""
        generation = self._unknown(id)
        self._pay_for(str(generation.account), generation, "a person decided to pay for another call")

    def fail(self, id: UUID) -> None:
        """Give it up. Raises as :meth:`resolve`."""
        generation = self._unknown(id)
        words = "nobody knows whether the provider took it; given up by a person"
        failure = Failure(UNKNOWN_OUTCOME, words)
        if not self._store.failed(id, failure, expected=Status.UNKNOWN):
            raise WrongState(f"generation {id} moved on meanwhile: look at its state")
        self._telemetry.failed(generation, failure)
        self._steps.leave_lanes(str(generation.account), [id])

    def _unknown(self, id: UUID) -> Generation:
        generation = self._store.get(id)
        if generation.status is not Status.UNKNOWN:
            raise WrongState(f"generation {id} is {generation.status}, not unknown: there is nothing to decide")
        return generation
