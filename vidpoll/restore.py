"""Rebuild from the rows what got lost: with a worker, with a message, with the whole Redis.

Safe to run at any time and twice at once: ids that are in their lane are left alone, moves are guarded by the store,
and the lanes' token buckets pace what comes back, so a restart is no stampede.
"""

import logging
from collections.abc import Iterable
from itertools import groupby
from typing import Final
from uuid import UUID

from vidpoll.accounts import Account
from vidpoll.generation import Failure, Status
from vidpoll.lanes import Lane
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services
from vidpoll.store import Waiting

log = logging.getLogger("vidpoll.restore")

#: Seconds after which a row that no worker took up must have lost its message.
LOST_MESSAGE_S: Final = 15.0
_DEAD_WORKER: Final = "the worker died during the call"


def restore_stuck(services: Services, lifecycle: Lifecycle) -> dict[str, int]:
    """Put everything back where its row says it belongs; how many of each kind were put back.

    Nothing is done, and nothing told, while another restore is at it.
    """
    with services.store.one_at_a_time() as mine:
        return _restore(services, lifecycle) if mine else {}


def _restore(services: Services, lifecycle: Lifecycle) -> dict[str, int]:
    """What is at the providers comes first: it holds the places that decide how many may be submitted."""
    accounts = list(services.accounts.accounts.values())
    at_provider = services.store.counts_by_account(Status.PROCESSING)
    to_submit = services.store.counts_by_account(Status.PENDING, Status.SUBMITTING)
    _tell_of_accounts_gone(services, to_submit.keys() | at_provider.keys())
    return {
        "processing": sum(_processing(services, account, at_provider.get(account.name, 0)) for account in accounts),
        "submitting": _stale_submits(services),
        "unpinned": sum(_take_up(services, lifecycle, page) for page in services.store.unpinned(LOST_MESSAGE_S)),
        "pending": sum(_pending(services, account, to_submit.get(account.name, 0)) for account in accounts),
    }


def _tell_of_accounts_gone(services: Services, names: Iterable[str]) -> None:
    """A generation is pinned to its account; if that left the providers file, nobody can look at it any more."""
    for name in names:
        if services.accounts.get(name) is None:
            log.error("generations wait for account %s, which is not in the providers file", name)


def _stale_submits(services: Services) -> int:
    """A submit whose worker is gone: repeatable where the provider takes an id of ours, else nobody can tell."""
    longest = max(account.submit_timeout_s for account in services.accounts.accounts.values())
    stale = services.store.stale_submits(older_than_s=longest + services.lease_s)
    for id, account in stale:
        provider = services.providers.get(account)
        if provider and provider.capabilities.client_supplied_id:
            services.store.not_sent(id, _DEAD_WORKER)
            services.lanes.schedule(Lane(account, "submit"), {id: 0.0}, only_absent=True)
        else:
            services.store.unknown(id, Failure("unknown_outcome", _DEAD_WORKER))
            log.warning("generation %s: %s; nobody knows whether the provider took it", id, _DEAD_WORKER)
    return len(stale)


def _take_up(services: Services, lifecycle: Lifecycle, page: Iterable[Waiting]) -> int:
    """Rows whose message was lost."""
    generations = services.store.find([waiting.id for waiting in page])
    for generation in generations:
        lifecycle.take_up(generation)
    return len(generations)


def _pending(services: Services, account: Account, rows: int) -> int:
    """Nothing to do while the lane has as many ids as ``rows`` belong there; else all are compared.

    A generation that is being submitted is still in the lane, under its lease, so it is among the rows.
    """
    lane = Lane(account.name, "submit")
    if services.lanes.size(lane) >= rows:
        return 0
    restored = 0
    for page in services.store.waiting_to_submit(account.name):
        for priority, ids in _by_priority(page):
            restored += services.lanes.schedule(lane, dict.fromkeys(ids, 0.0), priority=priority, only_absent=True)
    return restored


def _processing(services: Services, account: Account, rows: int) -> int:
    """Overdue rows only, unless the lane has fewer ids than ``rows`` belong there: then all are compared."""
    lane = Lane(account.name, "status")
    lost_some = services.lanes.size(lane) < rows
    restored = 0
    for page in services.store.being_watched(account.name, late_by_s=None if lost_some else services.lease_s):
        restored += services.lanes.schedule(lane, {one.id: one.countdown for one in page}, only_absent=True)
        if account.max_in_flight:
            places = {one.id: one.remaining_s for one in page}
            services.lanes.hold(Lane(account.name, "submit"), places)
    return restored


def _by_priority(page: Iterable[Waiting]) -> Iterable[tuple[int, list[UUID]]]:
    ordered = sorted(page, key=lambda waiting: waiting.priority)
    for priority, group in groupby(ordered, key=lambda waiting: waiting.priority):
        yield priority, [waiting.id for waiting in group]
