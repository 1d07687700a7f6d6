"""When to look next at a generation: its model's schedule, with what was learned and how busy its lane is."""

import threading
from collections import defaultdict
from typing import Final

from vidpoll import schedule
from vidpoll.accounts import Account
from vidpoll.generation import Generation
from vidpoll.lanes import Lane
from vidpoll.pressure import Pressure
from vidpoll.providers.base import Pending
from vidpoll.schedule import Look
from vidpoll.services import Services

#: Seconds for which a lane's size is good enough.
SIZE_S: Final = 2.0


class Outlook:
    """Plans looks. One for each process; safe to use from many threads."""

    def __init__(self, services: Services) -> None:
        self._lanes = services.lanes
        self._limits = services.limits
        self._providers = services.providers
        self._monotonic = services.clock.monotonic
        self._forecasts = services.forecasts
        self._pressures: dict[Lane, Pressure] = defaultdict(Pressure)
        self._sizes: dict[Lane, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def countdown(self, account: Account, generation: Generation, seen: Pending | None = None, *, checks: int) -> float:
        """Seconds until the next look, before which ``checks`` were made; ``seen`` is what the last one told."""
        policy, lane = account.policy(generation.model), Lane(account.name, "status")
        limits, waiting = self._limits(lane), self._size(lane)
        with self._lock:
            pressure = self._pressures[lane]
        looks_per_s = limits.rate * limits.batch
        look = Look(
            checks=checks,
            age_s=generation.age_s(),
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
        pressure.planned(countdown, waiting=waiting, looks_per_s=looks_per_s)
        return countdown

    def _not_before(self, account: Account, seen: Pending | None) -> float:
        hint = seen.poll_after_s if seen else None
        return max(self._providers[account.name].capabilities.min_interval_s, hint or 0.0)

    def _size(self, lane: Lane) -> int:
        """How many ids are in the lane, as of a moment ago."""
        now = self._monotonic()
        asked_at, size = self._sizes.get(lane, (float("-inf"), 0))
        if now - asked_at > SIZE_S:
            size = self._lanes.size(lane)
            self._sizes[lane] = (now, size)
        return size
