"""What a worker does with a grant of a lane: wait for its moment, give it back, or pause the lane for everyone."""

import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from vidpoll.lanes import Lane, both_lanes
from vidpoll.providers.base import RateLimited, Unauthorized
from vidpoll.providers.http import RETRY_AFTER_DEFAULT_S
from vidpoll.services import Services

log = logging.getLogger("vidpoll.grants")

#: A grant not used within so many seconds is given back, so that a provider never sees two seconds' worth at once.
STALE_GRANT_S: Final = 1.0
#: An operation that is refused while others of the account were answered so many seconds ago is refused alone.
HEARD_S: Final = 5.0


class Grants:
    """A grant is made for one moment, ``call_at_us`` on Redis' clock."""

    def __init__(self, services: Services) -> None:
        self._lanes = services.lanes
        self._store = services.store
        self._limits = services.limits
        self._accounts = services.accounts
        self._clock = services.clock
        self._heard: dict[str, float] = {}

    def stale(self, call_at_us: int) -> bool:
        """Whether the grant is too old to be used."""
        return self._lanes.now_us() > call_at_us + STALE_GRANT_S * 1e6

    def wait_until(self, call_at_us: int) -> None:
        """Wait for the grant's moment: what messages take on their way is evened out, calls keep the bucket's pace."""
        self._clock.sleep(max(0.0, min(STALE_GRANT_S, (call_at_us - self._lanes.now_us()) / 1e6)))

    def give_back(self, lane: Lane, ids: Sequence[UUID]) -> None:
        """Do not call on an old token: the ids are due at once, as urgent as before, and will leave with a new one."""
        if lane.verb == "submit":
            self._lanes.release(lane, ids)
        for generation in self._store.find(ids):
            priority = generation.priority if lane.verb == "submit" else 0
            self._lanes.schedule(lane, {generation.id: 0.0}, priority=priority)

    def pause_for(self, account_name: str, outcome: object) -> float | None:
        """What a check's answer says of its whole account: for how many seconds it waits now, if it does."""
        match outcome:
            case RateLimited(retry_after):
                return self.pause(Lane(account_name, "status"), retry_after, "the provider asked for it")
            case Unauthorized(reason, whole_account) if whole_account or not self._answered_just_now(account_name):
                return self.rest_account(account_name, reason)
            case _:
                return None

    def pause(self, lane: Lane, retry_after: float | None, reason: str) -> float:
        """The whole lane waits, for every worker at once; for how many seconds."""
        seconds = RETRY_AFTER_DEFAULT_S if retry_after is None else retry_after
        self._lanes.pause(lane, self._limits(lane), seconds, reason)
        return seconds

    def heard(self, account_name: str) -> None:
        """The provider answered this account properly."""
        self._heard[account_name] = self._clock.monotonic()

    def rest_account(self, account_name: str, reason: str) -> float:
        """A refused key or balance concerns every call of the account; its generations wait so many seconds."""
        log.error("account %s is refused, and rests: %s", account_name, reason)
        seconds = self._accounts[account_name].refused_pause_s
        for lane in both_lanes(account_name):
            self.pause(lane, seconds, f"the account is refused: {reason}")
        return seconds

    def _answered_just_now(self, account_name: str) -> bool:
        """Whether a refusal can concern one operation only: Google is known to answer 403 to single ones."""
        heard_at = self._heard.get(account_name)
        return heard_at is not None and self._clock.monotonic() - heard_at < HEARD_S
