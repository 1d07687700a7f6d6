"""A webhook that was verified: have its generation looked at soon. Nothing else follows from it.

The look is made through the status lane, with its tokens; what the vendor answers to it is what counts. A flood of
webhooks costs one look of a generation every few seconds, and none of one that has ended.
"""

import logging
from contextlib import suppress
from typing import Final, Literal
from uuid import UUID

from vidpoll.errors import LanesUnavailable
from vidpoll.generation import FINAL, Generation
from vidpoll.lanes import Lane
from vidpoll.services import Services
from vidpoll.telemetry import OTHER

log = logging.getLogger("vidpoll.waking")

#: What becomes of a webhook: a look follows; one of it came before; it will be looked at when its id is stored, or with
#: the look that is due anyway; it has ended; there is no such generation.
Woken = Literal["woken", "duplicate", "early", "again", "final", "unknown"]


#: Seconds after a look found the end by which a webhook may come and still count as one that announced it: those that
#: are always later are no reason to look less often.
TIMELY_S: Final = 30.0


class Waking:
    """Wakes generations, from any thread."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._lanes = services.lanes
        self._hints = services.hints
        self._accounts = services.accounts
        self._limits = services.limits
        self._telemetry = services.telemetry

    def wake(self, account: str, operation: str, delivery: str, id: UUID | None = None) -> Woken:
        """Look at the account's generation soon, since a webhook said that it is done.

        Args:
            operation: what the vendor calls it.
            delivery: what the webhook is known by when it comes again.
            id: the generation, where the address that was called names it.

        Raises:
            LanesUnavailable: Redis does not answer.
            StoreUnavailable: Postgres does not.
        """
        known = self._accounts.get(account)
        if known is None or not known.webhooks:
            self._telemetry.webhook(OTHER, "unknown")
            return "unknown"
        if not self._is_new(account, delivery):
            outcome: Woken = "duplicate"
        else:
            try:
                outcome = self._wake(account, operation, id)
            except Exception:
                self._hints.forget(account, delivery)
                raise
        self._telemetry.webhook(account, outcome)
        return outcome

    def _is_new(self, account: str, delivery: str) -> bool:
        """A wake does no harm when repeated, so what nobody can tell counts as new."""
        try:
            return self._hints.is_new(account, delivery)
        except LanesUnavailable:
            return True

    def _wake(self, account: str, operation: str, id: UUID | None) -> Woken:
        generation = self._found(account, operation, id)
        if generation is None:
            return "unknown"
        if generation.seconds_since(generation.completed_at) <= TIMELY_S:
            self._announced(account, generation.id)
        if not generation.is_watched:
            if generation.status not in FINAL:
                return "early"
            self._hints.take([generation.id])
            return "final"
        if not self._hints.may_wake(generation.id):
            return "again"
        lane = Lane(account, "status")
        self._lanes.hurry(lane, self._limits(lane), generation.id)
        return "woken"

    def _found(self, account: str, operation: str, id: UUID | None) -> Generation | None:
        """The account's generation that the webhook means, with a hint of it kept.

        The hint is kept before the row is read: who stores the vendor's id meanwhile, or ends a look, finds it.
        """
        if id is None:
            id = self._store.id_of_operation(account, operation)
        if id is None:
            return None
        self._hints.keep(id)
        for one in self._store.find([id]):
            if one.account == account and _means(operation, one):
                return one
        self._hints.take([id])
        return None

    def _announced(self, account: str, id: UUID) -> None:
        with suppress(LanesUnavailable):
            self._hints.announced(account, id)


def _means(operation: str, generation: Generation) -> bool:
    """Whether the vendor's word is for this one; before its id is stored nobody can tell.

    Names of ours may have a path before the vendor's: ``fal-ai/veo3.1/requests/R``, ``text2video/T``.
    """
    name = generation.operation_name
    return name is None or name.rpartition("/")[2] == operation.rpartition("/")[2]
