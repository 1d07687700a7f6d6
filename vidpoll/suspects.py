"""After an old backup of Postgres was restored: rows that say nothing was paid yet, though it may have been since.

A row that is pending or submitting in the backup may have been sent, and paid for, between the backup and its restore.
Such rows become ``unknown``: the provider is asked where it can be, else a person decides. Nothing is sent again on a
guess. Called by ``vidpoll unknown suspect``; the whole order of commands is in docs/operations.md.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from vidpoll.errors import InvalidRequest
from vidpoll.generation import Failure, Generation
from vidpoll.lanes import Lane
from vidpoll.reconcile import FIRST_LOOK_UP_S
from vidpoll.routing import Router
from vidpoll.services import Services
from vidpoll.steps import UNKNOWN_OUTCOME

log = logging.getLogger("vidpoll.suspects")

_RESTORED: Final = "it may have been sent since the backup that was restored"


class Suspects:
    """Generations accepted before a moment that were not sent, as far as their rows know.

    Example::

        asked, left = Suspects(services).suspect(datetime.now(UTC))
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._router = Router(services)

    def count(self, before: datetime, account: str | None = None) -> dict[str, int]:
        """How many there are, by account; "" are those that no account was chosen for yet. Nothing is changed."""
        pages = self._store.suspects(before, account)
        return dict(Counter(one.account or "" for page in pages for one in self._store.find([row.id for row in page])))

    def suspect(self, before: datetime, account: str | None = None, *, by_hand: bool = False) -> tuple[int, int]:
        """Make them unknown: how many the provider is asked about, and how many wait for a person.

        ``by_hand`` leaves all to a person: for rows of requests that were sent again, whose first row is in no backup.
        The provider has those under an id that nobody here knows, so its saying no would prove nothing.
        """
        asked = left = 0
        for generation in self._pinned(before, account):
            name = str(generation.account)
            can_ask = not by_hand and self._can_ask(name)
            if self._suspected(generation, name, FIRST_LOOK_UP_S if can_ask else None):
                asked, left = (asked + 1, left) if can_ask else (asked, left + 1)
        return asked, left

    def _can_ask(self, account: str) -> bool:
        return account in self._services.providers and self._services.providers[account].capabilities.look_up

    def _pinned(self, before: datetime, account: str | None) -> Iterator[Generation]:
        """Each with an account: the one that would pay now, where none was chosen when the backup was made."""
        for page in self._store.suspects(before, account):
            for generation in self._store.find([one.id for one in page]):
                if generation.account is not None or self._pin(generation):
                    yield from self._store.find([generation.id])

    def _pin(self, generation: Generation) -> bool:
        try:
            account, brought = self._router.route(generation.request)
        except InvalidRequest as error:  # a worker refuses it, unpaid
            log.warning("generation %s is left as it is: %s", generation.id, error)
            return False
        return bool(self._store.pin([generation.id], account.name, from_parent=brought))

    def _suspected(self, generation: Generation, account: str, countdown: float | None) -> bool:
        id, failure = generation.id, Failure(UNKNOWN_OUTCOME, _RESTORED)
        since = generation.sent_at or generation.updated_at
        stage = "look at the provider's console" if countdown is None else "to be looked up"
        if not self._store.suspected(id, failure, stage, since=since, look_up_in=countdown):
            return False
        self._services.telemetry.unknown(generation, _RESTORED)
        self._services.lanes.settle(Lane(account, "submit"), [id])
        if countdown is not None:
            self._services.lanes.schedule(Lane(account, "status"), {id: countdown})
        return True
