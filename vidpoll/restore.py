"""Rebuild from the rows what got lost: with a worker, with a message, with the whole Redis.

Safe to run at any time and twice at once: ids that are in their lane are left alone, moves are guarded by the store,
and the lanes' token buckets pace what comes back, so a restart is no stampede.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from vidpoll.accounts import Account
from vidpoll.generation import Status
from vidpoll.lanes import Flow, Lane
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services
from vidpoll.steering import restore_controls
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
        restored = _restore(services, lifecycle) if mine else {}
    services.telemetry.restored(restored)
    return restored


def _restore(services: Services, lifecycle: Lifecycle) -> dict[str, int]:
    """What operators decided comes first, before anything is put into a lane that they may have paused.

    Then what is at the providers: it holds the places that decide how many may be submitted.
    """
    restore_controls(services)
    accounts = list(services.accounts.accounts.values())
    watched = services.store.watched_by_account()
    to_submit = services.store.to_submit_by_account()
    _tell_of_accounts_gone(services, to_submit.keys() | watched.keys())
    services.heartbeats.forget()
    return {
        "processing": sum(_watched(services, account, watched.get(account.name, 0)) for account in accounts),
        "submitting": sum(_stale_submits(services, lifecycle, account) for account in accounts),
        "unknown": sum(_never_looked_up(services, account) for account in accounts),
        "unpinned": sum(_take_up(services, lifecycle, page) for page in services.store.unpinned(LOST_MESSAGE_S)),
        "pending": sum(_pending(services, account, to_submit.get(account.name, 0)) for account in accounts),
    }


def _tell_of_accounts_gone(services: Services, names: Iterable[str]) -> None:
    """A generation is pinned to its account; if that left the providers file, nobody can look at it any more."""
    for name in names:
        if services.accounts.get(name) is None:
            log.error("generations wait for account %s, which is not in the providers file", name)


def _watched(services: Services, account: Account, rows: int) -> int:
    """Overdue rows only, unless the lane has fewer ids than ``rows`` belong there: then all are compared."""
    lane = Lane(account.name, "status")
    lost_some = services.lanes.size(lane) < rows
    restored = 0
    for page in services.store.being_watched(account.name, late_by_s=None if lost_some else services.lease_s):
        restored += services.lanes.schedule(lane, {one.id: one.countdown for one in page}, only_absent=True)
        if account.max_in_flight:
            _hold_places(services, account, page)
    return restored


def _hold_places(services: Services, account: Account, page: Iterable[Waiting]) -> None:
    """Hold the places of what the provider has. One that ended since we read of it gave its place back before us."""
    lane = Lane(account.name, "submit")
    places = {one.id: one.remaining_s for one in page if one.status is Status.PROCESSING}
    services.lanes.hold(lane, places)
    ended = [one.id for one in services.store.find(list(places)) if one.status.final] if places else []
    services.lanes.release(lane, ended)


def _stale_submits(services: Services, lifecycle: Lifecycle, account: Account) -> int:
    """Submits whose worker is gone: repeatable where the provider takes an id of ours, else nobody can tell."""
    capabilities = services.providers[account.name].capabilities
    stale = 0
    stale_s = account.submit_timeout_s + services.lease_s
    for page in services.store.stale_submits(account.name, stale_s):
        for generation in services.store.find([one.id for one in page]):
            if capabilities.client_supplied_id:
                if services.store.unanswered(generation.id, None, _DEAD_WORKER, stale_s=stale_s):
                    services.telemetry.submit_again(generation, "unanswered", _DEAD_WORKER)
                    stale += 1
            else:
                stale += lifecycle.steps.leave_unknown(account.name, generation, _DEAD_WORKER, stale_s=stale_s)
    return stale


def _never_looked_up(services: Services, account: Account) -> int:
    """Unknown ones that a version before could not look up, though the provider can be asked."""
    if not services.providers[account.name].capabilities.look_up:
        return 0
    found = 0
    for page in services.store.left_unknown(account.name):
        for one in page:
            found += services.store.looked_up(one.id, {"looks": 0}, "to be looked up", again_in=0.0)
        services.lanes.schedule(Lane(account.name, "status"), {one.id: 0.0 for one in page}, only_absent=True)
    return found


def _take_up(services: Services, lifecycle: Lifecycle, page: Iterable[Waiting]) -> int:
    """Rows whose message was lost."""
    generations = services.store.find([waiting.id for waiting in page])
    lifecycle.take_up(sorted(generations, key=lambda one: one.created_at))
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
        flows: dict[Flow, list[UUID]] = defaultdict(list)
        for one in page:
            flows[Flow(one.owner, one.priority)].append(one.id)
        for flow, ids in flows.items():
            restored += services.lanes.enqueue(lane, ids, flow)
    return restored
