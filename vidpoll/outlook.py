"""When to look next at a generation: its model's schedule, with what was learned and how busy its lane is."""

import logging
from contextlib import suppress
from typing import Final

from vidpoll import schedule, stretching
from vidpoll.accounts import Account
from vidpoll.errors import LanesUnavailable, StoreUnavailable
from vidpoll.generation import Generation
from vidpoll.lanes import Lane
from vidpoll.pressure import Pressure
from vidpoll.providers.outcomes import Pending
from vidpoll.schedule import Look
from vidpoll.services import Services

log = logging.getLogger("vidpoll.outlook")

#: Seconds for which a lane's size is good enough, and how many of it are timed out: those are looked at by another
#: schedule, and hardly ever.
SIZE_S: Final = 2.0
LATE_S: Final = 30.0
#: Seconds for which it is good enough what an account's webhooks did lately.
STANDING_S: Final = 5.0
#: Seconds to the next look when none can be planned.
FALLBACK_S: Final = 10.0


class Outlook:
    """Plans looks. One for each process; safe to use from many threads."""

    def __init__(self, services: Services) -> None:
        self._lanes = services.lanes
        self._store = services.store
        self._limits = services.limits_in_force
        self._providers = services.providers
        self._monotonic = services.clock.monotonic
        self._forecasts = services.forecasts
        self._pressures = {name: Pressure() for name in services.accounts.accounts}
        self._waiting: dict[str, tuple[float, int]] = {}
        self._late: dict[str, int] = {}
        self._late_at = float("-inf")
        self._hints = services.hints
        self._accounts = services.accounts
        self._factors: dict[str, tuple[float, float]] = {}

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
        self._refresh_factor(account_name, now)

    def _refresh_factor(self, account_name: str, now: float) -> None:
        """How much rarer looks may be, since webhooks tell of ends; without Redis nobody knows that they do."""
        account = self._accounts.get(account_name)
        if (
            account is None
            or not account.webhooks
            or now - self._factors.get(account_name, (-1e9, 1.0))[0] < STANDING_S
        ):
            return
        factor = 1.0
        with suppress(LanesUnavailable):
            standing = self._hints.standing(account_name)
            factor = stretching.factor(standing.announced, standing.ended)
        self._factors[account_name] = (now, factor)

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
        countdown = self._stretched(account, generation, schedule.countdown(policy.schedule, look))
        if not generation.timed_out:
            pressure.planned(countdown, waiting=waiting, looks_per_s=looks_per_s)
        return countdown

    def _stretched(self, account: Account, generation: Generation, countdown: float) -> float:
        _, factor = self._factors.get(account.name, (0.0, 1.0))
        if factor == 1.0 or generation.timed_out:
            return countdown
        expected_at, policy = generation.expected_at, account.policy(generation.model)
        until_s = generation.seconds_until(expected_at) if expected_at else policy.expected_s
        return stretching.stretched(countdown, factor, until_s)

    def _not_before(self, account: Account, seen: Pending | None) -> float:
        hint = seen.poll_after_s if seen else None
        return max(self._providers[account.name].capabilities.min_interval_s, hint or 0.0)
