"""When to look next at a generation: its model's schedule, with what was learned and how busy its lane is."""

import logging
from contextlib import suppress
from typing import Final

from vidpoll import schedule
from vidpoll.accounts import Account
from vidpoll.errors import LanesUnavailable, StoreUnavailable
from vidpoll.generation import Generation
from vidpoll.lanes import Lane
from vidpoll.pressure import Pressure
from vidpoll.providers.base import Pending
from vidpoll.schedule import Look
from vidpoll.services import Services

log = logging.getLogger("vidpoll.outlook")

#: Seconds for which a lane's size is good enough, and how many of it are timed out: those are looked at by another
#: schedule, and hardly ever.
SIZE_S: Final = 2.0
LATE_S: Final = 30.0
#: Seconds to the next look when none can be planned.
FALLBACK_S: Final = 10.0


class Outlook:
    """Plans looks. One for each process; safe to use from many threads."""

    def __init__(self, services: Services) -> None:
        self._lanes = services.lanes
        self._store = services.store
        self._limits = services.limits
        self._providers = services.providers
        self._monotonic = services.clock.monotonic
        self._forecasts = services.forecasts
        self._pressures = {name: Pressure() for name in services.accounts.accounts}
        self._waiting: dict[str, tuple[float, int]] = {}
        self._late: dict[str, int] = {}
        self._late_at = float("-inf")

    def refresh(self, account_name: str) -> None:
        """Bring what looks are planned by up to date, if it is old. An old one is good enough during an outage."""
        self._forecasts.refresh()
        now = self._monotonic()
        if now - self._late_at > LATE_S:
            self._late_at = now
            with suppress(StoreUnavailable):
                self._late = self._store.late_by_account()
        asked_at, waiting = self._waiting.get(account_name, (float("-inf"), 0))
        if now - asked_at > SIZE_S:
            with suppress(LanesUnavailable):
                waiting = self._lanes.size(Lane(account_name, "status")) - self._late.get(account_name, 0)
            self._waiting[account_name] = (now, max(0, waiting))

    def countdown(self, account: Account, generation: Generation, seen: Pending | None = None, *, checks: int) -> float:
        """Seconds until the next look, before which ``checks`` were made; ``seen`` is what the last one told.

        Asks nobody and raises nothing: the first look is planned before the provider's id of what was paid for is
        stored.
        """
        try:
            return self._planned(account, generation, seen, checks)
        except Exception:
            log.exception("generation %s: its next look cannot be planned, and is made in a while", generation.id)
            return FALLBACK_S

    def _planned(self, account: Account, generation: Generation, seen: Pending | None, checks: int) -> float:
        policy, limits = account.policy(generation.model), self._limits(Lane(account.name, "status"))
        pressure, (_, waiting) = self._pressures[account.name], self._waiting.get(account.name, (0.0, 0))
        looks_per_s = limits.rate * limits.batch
        look = Look(
            checks=checks,
            age_s=generation.seconds_since(generation.submitted_at or generation.sent_at),
            forecast=self._forecasts.of(generation.provider, generation.model, generation.params, policy),
            priority=generation.priority,
            overdue=generation.past(generation.expected_at),
            queued=seen.queued if seen else False,
            running_s=seen.running_s if seen else None,
            not_before_s=self._not_before(account, seen),
            pressure=pressure.factor,
            longest_s=pressure.longest_s(waiting=waiting, looks_per_s=looks_per_s),
        )
        countdown = schedule.countdown(policy.schedule, look)
        if not generation.timed_out:
            pressure.planned(countdown, waiting=waiting, looks_per_s=looks_per_s)
        return countdown

    def _not_before(self, account: Account, seen: Pending | None) -> float:
        hint = seen.poll_after_s if seen else None
        return max(self._providers[account.name].capabilities.min_interval_s, hint or 0.0)
