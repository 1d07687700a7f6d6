"""What an outcome does to a generation: commit the row first, then put its lanes right.

A crash between the two costs a lease or a sweep of ``restore.py``, never a generation. The verbs of ``lifecycle.py``
choose the step.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from vidpoll import schedule
from vidpoll.accounts import Account
from vidpoll.errors import InvalidRequest, LanesUnavailable, StoreUnavailable, Unavailable
from vidpoll.generation import TIMED_OUT, Failure, Generation, Status
from vidpoll.lanes import ARCHIVE, Flow, Lane
from vidpoll.outlook import Outlook
from vidpoll.providers.outcomes import Ready
from vidpoll.reconcile import FIRST_LOOK_UP_S
from vidpoll.result_files import new_files
from vidpoll.services import Services
from vidpoll.store import Checked, NewFile

log = logging.getLogger("vidpoll.steps")

#: Pauses between tries to store what only we know, seconds; together about two minutes.
STORE_PAUSES_S: Final = (0.1, 0.5, 1, 2, 4, 8, 15, 30, 30, 30)
#: The same for what restore can find out too, if later.
SHORT_PAUSES_S: Final = STORE_PAUSES_S[:4]
#: Seconds until work that failed for want of a server of ours is tried again.
OUTAGE_S: Final = 5.0
#: Seconds until the next look at one of which a webhook said meanwhile that it is done.
HINTED_S: Final = 2.0
UNKNOWN_OUTCOME: Final = "unknown_outcome"


class Steps:
    """Row and lanes together, in that order."""

    def __init__(self, services: Services, outlook: Outlook) -> None:
        self._outlook = outlook
        self._store = services.store
        self._lanes = services.lanes
        self._hints = services.hints
        self._accounts = services.accounts
        self._providers = services.providers
        self._clock = services.clock
        self._archives = services.archive is not None
        self._telemetry = services.telemetry

    # -- around the paid call -----------------------------------------------------------------------------------------

    def enter_submit_lane(self, account_name: str, ids: Sequence[UUID], flow: Flow) -> int:
        """Wait for the paid call, in turn with the other flows; how many did not wait there yet."""
        return self._lanes.enqueue(Lane(account_name, "submit"), ids, flow)

    def submit_again(
        self, lane: Lane, generation: Generation, reason: str, countdown: float, *, failed: bool = True
    ) -> None:
        """The provider did not take this call: wait for another."""
        id, token = generation.id, generation.submit_token
        if self.until_stored(
            lambda: self._store.not_sent(id, token, reason, failed=failed), f"generation {id} was not taken"
        ):
            self._telemetry.submit_again(generation, "not_sent", reason, countdown)
            self._back_to_submit_lane(lane, generation, countdown)

    def replay(self, lane: Lane, generation: Generation, reason: str) -> None:
        """The provider may have taken it, and takes a replay for the same one: replay it, with backoff."""
        id, token = generation.id, generation.submit_token
        if self.until_stored(
            lambda: self._store.unanswered(id, token, reason), f"generation {id} was sent, and not answered"
        ):
            countdown = schedule.backoff(generation.failures_in_a_row + 1)
            self._telemetry.submit_again(generation, "unanswered", reason, countdown)
            self._back_to_submit_lane(lane, generation, countdown)

    def _back_to_submit_lane(self, lane: Lane, generation: Generation, countdown: float) -> None:
        self._lanes.release(lane, [generation.id])
        self._lanes.schedule(lane, {generation.id: countdown})

    def leave_unknown(
        self, account_name: str, generation: Generation, reason: str, *, stale_s: float | None = None
    ) -> bool:
        """Nobody knows whether the provider took it: it is asked where it can be, else a person decides."""
        id, token = generation.id, generation.submit_token
        can_ask = self._providers[account_name].capabilities.look_up
        countdown = FIRST_LOOK_UP_S if can_ask else None
        failure = Failure(UNKNOWN_OUTCOME, reason)
        if not self.until_stored(
            lambda: self._store.unknown(id, failure, token=token, stale_s=stale_s, look_up_in=countdown),
            f"generation {id} was sent, and not answered",
        ):
            return False
        self._telemetry.unknown(generation, reason)
        self._lanes.settle(Lane(account_name, "submit"), [id])
        if countdown is not None:
            self._lanes.schedule(Lane(account_name, "status"), {id: countdown})
        return True

    def watch(self, account: Account, generation: Generation, operation_name: str) -> bool:
        """Commit the provider's id, then look for the first time in a while; whether it is watched under this id."""
        policy = account.policy(generation.model)
        timeout_s = generation.timeout_s or policy.timeout_s
        countdown = self._outlook.countdown(account, generation, checks=0)
        moved = self.until_stored(
            lambda: self._store.processing(
                generation.id, operation_name, countdown=countdown, expected_s=policy.expected_s, timeout_s=timeout_s
            ),
            f"generation {generation.id} was accepted as operation {operation_name}",
        )
        if moved:
            self._telemetry.processing(generation, operation_name, countdown)
        self._lanes.settle(Lane(account.name, "submit"), [generation.id])
        if not moved and not self._stored_already(generation.id, operation_name):
            log.error("generation %s: operation %s could not be noted", generation.id, operation_name)
            return False
        if account.max_in_flight:
            self._lanes.hold(Lane(account.name, "submit"), {generation.id: timeout_s})
        if self._hinted(account.name, [generation.id]):
            countdown = min(countdown, HINTED_S)
        self._lanes.schedule(Lane(account.name, "status"), {generation.id: countdown})
        return True

    def until_stored(self, store: Callable[[], bool], what: str, pauses: Sequence[float] = STORE_PAUSES_S) -> bool:
        """Store what only we know: again and again while Postgres is away, for about two minutes."""
        for pause in pauses:
            try:
                return store()
            except StoreUnavailable as error:
                log.error("%s, which cannot be stored now: %s", what, error)
                self._clock.sleep(pause)
        return store()

    def _stored_already(self, id: UUID, operation_name: str) -> bool:
        """Whether a commit whose answer got lost, or another worker, noted the same."""
        return any(
            one.status is Status.PROCESSING and one.operation_name == operation_name for one in self._store.find([id])
        )

    @contextmanager
    def back_in_lane_on_failure(self, lane: Lane, ids: Sequence[UUID]) -> Iterator[None]:
        """Have ids due again soon when a server of ours is away: only what ends its worker is to stay leased."""
        try:
            yield
        except Exception:
            with suppress(Unavailable):
                self._lanes.schedule(lane, dict.fromkeys(ids, OUTAGE_S))
            raise

    # -- watching -----------------------------------------------------------------------------------------------------

    def look_again(self, lane: Lane, checked: Sequence[Checked]) -> None:
        """Note what was seen, and wait for the next look."""
        if checked:
            hinted = self._hinted(lane.account, [one.id for one in checked])
            checked = [
                replace(one, countdown=min(one.countdown, HINTED_S)) if one.id in hinted else one for one in checked
            ]
            self._store.checked(checked)
            self._lanes.schedule(lane, {one.id: one.countdown for one in checked})

    def _hinted(self, account_name: str, ids: Sequence[UUID]) -> Collection[UUID]:
        """Those of which a webhook said something since they were last looked at; nobody knows while Redis is away."""
        if self._calls_back(account_name):
            with suppress(LanesUnavailable):
                return self._hints.take(ids)
        return ()

    def _ended(self, account_name: str) -> None:
        """Count an end that a look found, announced by a webhook or not."""
        if self._calls_back(account_name):
            with suppress(LanesUnavailable):
                self._hints.ended(account_name)

    def _calls_back(self, account_name: str) -> bool:
        account = self._accounts.get(account_name)
        return account is not None and account.webhooks

    # -- ends ---------------------------------------------------------------------------------------------------------

    def complete(self, account_name: str, generation: Generation, ready: Ready) -> None:
        """There is a result."""
        told = {name: value for name, value in asdict(ready).items() if value not in (None, ())}
        queued_s, run_s = told.pop("queued_s", None), told.pop("run_s", None)
        files = self._files(account_name, generation, told)
        told |= _ends(generation, files)
        to_copy = files if self._archives else []
        at = self._store.completed(generation.id, ready.urls[0], told, queued_s=queued_s, run_s=run_s, files=to_copy)
        if at:
            took_s = None if queued_s is None or run_s is None else queued_s + run_s
            self._telemetry.completed(generation, at, took_s=took_s, cost=ready.cost)
            self._ended(account_name)
        self.leave_lanes(account_name, [generation.id])
        if at and to_copy:
            self._lanes.schedule(ARCHIVE, {one.id: 0.0 for one in to_copy}, only_absent=True)

    def _files(self, account_name: str, generation: Generation, result: Mapping[str, Any]) -> list[NewFile]:
        capabilities, one = self._providers[account_name].capabilities, generation
        return new_files(one.id, result, one.provider, one.model, capabilities)

    def refuse(self, account_name: str, generation: Generation, failure: Failure) -> None:
        """The provider said no to the paid call."""
        id, token = generation.id, generation.submit_token
        if self.until_stored(
            lambda: self._store.failed(id, failure, expected=Status.SUBMITTING, token=token),
            f"generation {id} was refused",
        ):
            self._telemetry.failed(generation, failure)
        self.leave_lanes(account_name, [id])

    def refuse_unpaid(self, generation: Generation, error: InvalidRequest) -> None:
        """Nobody here can make this video, so no call is made for it."""
        failure = Failure(error.code, str(error))
        if self._store.failed(generation.id, failure, expected=Status.PENDING):
            self._telemetry.failed(generation, failure)

    def fail(self, account_name: str, generation: Generation, failure: Failure) -> None:
        """There will be none, as a look showed. One that timed out is final already."""
        if generation.timed_out:
            self.give_up(account_name, generation)
            return
        if self._store.failed(generation.id, failure, expected=Status.PROCESSING, by_check=True):
            self._telemetry.failed(generation, failure)
            self._ended(account_name)
        self.leave_lanes(account_name, [generation.id])

    def give_up(self, account_name: str, generation: Generation) -> None:
        """It timed out, and will not be looked at any more."""
        self._store.given_up(generation.id)
        self.leave_lanes(account_name, [generation.id])

    def time_out(self, account: Account, generation: Generation) -> None:
        """Stop expecting it, but look now and then for as long as the provider keeps it, since it was paid for."""
        policy = account.policy(generation.model)
        own = self._providers[account.name].capabilities.retention_s
        retention_s = own if policy.retention_s is None else policy.retention_s
        can_cancel = self._providers[account.name].capabilities.cancel
        countdown = 0.0 if can_cancel else schedule.late(policy.timeout_s, 0.0)
        words = f"no video after {generation.age_s():.0f} s, {generation.checks + 1} checks"
        failure = Failure(TIMED_OUT, words, retryable=True)
        if self._store.timed_out(generation.id, failure, countdown=countdown, retention_s=retention_s):
            self._telemetry.failed(generation, failure)
        self._lanes.release(Lane(account.name, "submit"), [generation.id])
        self._lanes.schedule(Lane(account.name, "status"), {generation.id: countdown})

    def cancelled(self, account_name: str, generation: Generation) -> None:
        """The provider stopped it; because it was asked to, or by itself."""
        if generation.cancel_requested_at is None or generation.timed_out:
            words = "the provider cancelled it"
            self.fail(account_name, generation, Failure("cancelled_by_provider", words, retryable=True))
            return
        if self._store.cancelled(generation.id, expected=Status.PROCESSING):
            self._telemetry.cancelled(generation)
        self.leave_lanes(account_name, [generation.id])

    def leave_lanes(self, account_name: str, ids: Sequence[UUID]) -> None:
        """Nothing more is to be called for these."""
        self._lanes.settle(Lane(account_name, "submit"), ids)
        self._lanes.release(Lane(account_name, "submit"), ids)
        self._lanes.settle(Lane(account_name, "status"), ids)


def _ends(generation: Generation, files: Sequence[NewFile]) -> dict[str, str]:
    """Until when the first of a result's URLs works, where anybody tells: counted from when its row was read."""
    lasts = [one.live_s for one in files if one.live_s is not None]
    return {"expires_at": (generation.read_at + timedelta(seconds=min(lasts))).isoformat()} if lasts else {}
