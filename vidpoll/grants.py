"""What a worker does with a grant of a lane: wait for its moment, give it back, or pause the lane for everyone."""

import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from vidpoll.accounts import JITTER_S
from vidpoll.generation import Status
from vidpoll.lanes import Lane, both_lanes
from vidpoll.providers.http import RETRY_AFTER_DEFAULT_S
from vidpoll.providers.outcomes import Cancelled, Failed, Pending, RateLimited, Ready, Unauthorized
from vidpoll.services import Services

log = logging.getLogger("vidpoll.grants")

#: A grant older than so many seconds is given back without another thought.
STALE_GRANT_S: Final = 1.0
#: An operation that is refused while others of the account were answered so many seconds ago is refused alone.
HEARD_S: Final = 5.0
#: Seconds a look may wait for the token of a second call.
FOLLOW_UP_S: Final = 10.0


class Grants:
    """A grant is made for one moment, ``call_at_us`` on Redis' clock."""

    def __init__(self, services: Services) -> None:
        self._lanes = services.lanes
        self._store = services.store
        self._providers = services.providers
        self._limits = services.limits
        self._accounts = services.accounts
        self._clock = services.clock
        self._telemetry = services.telemetry
        self._heard: dict[str, float] = {}

    def stale(self, call_at_us: int) -> bool:
        """Whether the grant is too old to be used."""
        return self._lanes.now_us() > call_at_us + STALE_GRANT_S * 1e6

    def renewed(self, lane: Lane, call_at_us: int, *, calls: int) -> int | None:
        """The moment at which the calls may be made: the grant's, or now with fresh tokens; None if there are none.

        A grant is good for its moment only. Were late ones used, those that queued while a provider hung would all
        leave together with the next ones.
        """
        now_us = self._lanes.now_us()
        if now_us <= call_at_us + JITTER_S * 1e6:
            return call_at_us
        if not self._lanes.take(lane, self._limits(lane), calls):
            return None
        self._telemetry.granted(lane.account, lane.verb, calls)
        return now_us

    def another(self, lane: Lane) -> bool:
        """Wait for a token for one more call that follows from one just made; False when there is none soon."""
        wait_s = self._lanes.reserve(lane, self._limits(lane), longest_s=FOLLOW_UP_S)
        if wait_s is None:
            return False
        self._telemetry.granted(lane.account, lane.verb, 1)
        self._clock.sleep(wait_s)
        return True

    def wait_until(self, call_at_us: int) -> None:
        """Wait for the grant's moment: what messages take on their way is evened out, calls keep the bucket's pace."""
        self._clock.sleep(max(0.0, min(STALE_GRANT_S, (call_at_us - self._lanes.now_us()) / 1e6)))

    def give_back(self, lane: Lane, ids: Sequence[UUID]) -> None:
        """Do not call on an old token: the ids are due at once, ahead of those that had no turn, and get a new one."""
        found = self._store.find(ids)
        if lane.verb == "submit":
            # One that another worker is calling for keeps its place.
            found = [one for one in found if one.status is Status.PENDING]
            self._lanes.release(lane, [one.id for one in found])
        self._lanes.schedule(lane, {one.id: 0.0 for one in found})

    def pause_for(self, account_name: str, outcome: object) -> float | None:
        """What a check's answer says of its whole account: for how many seconds it waits now, if it does."""
        match outcome:
            case RateLimited(retry_after):
                seconds = RETRY_AFTER_DEFAULT_S if retry_after is None else retry_after
                return self.pause(Lane(account_name, "status"), seconds, "the provider asked for it")
            case Unauthorized(reason) if not self.refused_alone(account_name, outcome):
                return self.rest_account(account_name, reason)
            case Ready() | Failed() | Cancelled() | Pending():
                self.heard(account_name)
        return None

    def heed_quota(self, lane: Lane) -> None:
        """Wait until the provider takes calls again, where it said that none are left; at the full rate then."""
        assert lane.verb in ("submit", "status"), "only these call a provider"
        seconds = self._providers[lane.account].out_of_quota(lane.verb)
        if seconds is not None:
            words = f"the provider says that no calls are left for {seconds:.1f} s"
            self._lanes.pause(lane, self._limits(lane), seconds, words, refused=False)
            self._telemetry.paused(lane.account, lane.verb, seconds, words)

    def pause(self, lane: Lane, seconds: float, reason: str) -> float:
        """The whole lane waits, for every worker at once; for how many seconds."""
        self._lanes.pause(lane, self._limits(lane), seconds, reason)
        self._telemetry.paused(lane.account, lane.verb, seconds, reason)
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

    def refused_alone(self, account_name: str, refusal: Unauthorized) -> bool:
        """Whether a refusal can concern one operation, or one model, only: the account was answered a moment ago."""
        heard_at = self._heard.get(account_name, float("-inf"))
        return not refusal.whole_account and self._clock.monotonic() - heard_at < HEARD_S
