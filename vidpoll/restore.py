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
from vidpoll.errors import IdempotencyConflict, InvalidRequest
from vidpoll.generation import Failure, Status
from vidpoll.lanes import Lane
from vidpoll.lifecycle import Lifecycle
from vidpoll.providers.http import SUBMIT_DEADLINE_S
from vidpoll.services import Services
from vidpoll.store import Waiting

log = logging.getLogger("vidpoll.restore")

_DEAD_WORKER: Final = "the worker died during the call"


def restore_stuck(services: Services, lifecycle: Lifecycle) -> dict[str, int]:
    """Put everything back where its row says it belongs; how many of each kind were put back."""
    _tell_of_accounts_gone(services)
    return {
        "submitting": _stale_submits(services),
        "unpinned": sum(_accept(services, lifecycle, page) for page in services.store.unpinned()),
        "pending": sum(_pending(services, account) for account in services.accounts.accounts.values()),
        "processing": sum(_processing(services, account) for account in services.accounts.accounts.values()),
    }


def _tell_of_accounts_gone(services: Services) -> None:
    """A generation is pinned to its account; if that left the providers file, nobody can look at it any more."""
    for status in (Status.PENDING, Status.PROCESSING):
        for account, count in services.store.counts_by_account(status).items():
            if services.accounts.get(account) is None:
                log.error("%d %s generations: account %s is not in the providers file", count, status, account)


def _stale_submits(services: Services) -> int:
    """A submit whose worker is gone: repeatable where the provider takes an id of ours, else nobody can tell."""
    stale = services.store.stale_submits(older_than_s=SUBMIT_DEADLINE_S + services.lease_s)
    for id, account in stale:
        provider = services.providers.get(account)
        if provider and provider.capabilities.client_supplied_id:
            services.store.not_sent(id, _DEAD_WORKER)
        else:
            services.store.unknown(id, Failure("unknown_outcome", _DEAD_WORKER))
            log.warning("generation %s: %s; nobody knows whether the provider took it", id, _DEAD_WORKER)
    return len(stale)


def _accept(services: Services, lifecycle: Lifecycle, page: Iterable[Waiting]) -> int:
    """Rows whose sender could not nudge us."""
    accepted = 0
    for generation in services.store.find([waiting.id for waiting in page]):
        try:
            lifecycle.accept(generation.request)
            accepted += 1
        except (InvalidRequest, IdempotencyConflict) as error:
            log.warning("generation %s refused: %s", generation.id, error)
    return accepted


def _pending(services: Services, account: Account) -> int:
    """Nothing to do while the lane has as many ids as there are rows; else all are compared."""
    lane = Lane(account.name, "submit")
    if services.lanes.size(lane) >= services.store.counts_by_account(Status.PENDING).get(account.name, 0):
        return 0
    restored = 0
    for page in services.store.waiting_to_submit(account.name):
        for priority, ids in _by_priority(page):
            restored += services.lanes.schedule(lane, dict.fromkeys(ids, 0.0), priority=priority, only_absent=True)
    return restored


def _processing(services: Services, account: Account) -> int:
    """Overdue rows only, unless the lane has fewer ids than there are rows: then all are compared."""
    lane = Lane(account.name, "status")
    lost_some = services.lanes.size(lane) < services.store.counts_by_account(Status.PROCESSING).get(account.name, 0)
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
