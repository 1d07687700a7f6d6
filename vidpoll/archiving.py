"""Copies files of results before their providers delete them: the row first, then the lane.

The statement that completes a generation makes a row for each of its files (``store/new_files.py``), and the lane
:data:`~vidpoll.lanes.ARCHIVE` hands them to workers, here. Whatever gets lost on the way, the row is waiting, and the
sweep finds it. What an attempt ended in is a value (``archive/outcomes.py``), and one ``match`` acts on it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from vidpoll.archive import Archive, StorageFailed, copy, name_of
from vidpoll.archive.fetching import source_of
from vidpoll.archive.media import Media
from vidpoll.archive.outcomes import Copied, Dropped, Gone, Outcome, Stopped, StorageAway, Trouble, Unfit, Waits
from vidpoll.archive.patience import UNTOLD_S, again_s, failure, given_up
from vidpoll.errors import NotConfigured, Unavailable
from vidpoll.generation import Failure
from vidpoll.lanes import ARCHIVE
from vidpoll.lifecycle import Lifecycle
from vidpoll.renewing import Renewed, Renewing, Unrenewed
from vidpoll.result_files import new_files
from vidpoll.services import Services
from vidpoll.store import Copying

log = logging.getLogger("vidpoll.archiving")

#: Seconds before a URL ends at which it is not begun with: a fresh one is asked for.
SOON_S: Final = 5.0
#: Seconds until a provider that could not be asked for a fresh URL is asked again.
RENEWING_S: Final = 10.0
#: Seconds the lane rests when the archive takes nothing.
STORAGE_AWAY_S: Final = 10.0
#: Seconds after which a row that waits, and is tried by nobody, must have been lost on the way.
LOST_S: Final = 5.0
#: Seconds back from now in which generations are looked for nobody noted files of, where nobody tells how long their
#: provider keeps them; and at most.
SEARCH_S: Final = 24 * 3600.0
SEARCH_AT_MOST_S: Final = 7 * 24 * 3600.0
#: Generations of a model that one search takes up.
PAGE: Final = 500
#: Seconds after which what a worker left half-written is nobody's: longer than an attempt may take.
LEFT_S: Final = 24 * 3600.0
#: Seconds between two looks for those: a folder of millions of copies is walked through.
TIDY_EVERY_S: Final = 6 * 3600.0


class Archiving:
    """Copies files, on connected services."""

    def __init__(self, services: Services, lifecycle: Lifecycle) -> None:
        self._services = services
        self._store = services.store
        self._lanes = services.lanes
        self._accounts = services.accounts
        self._monotonic = services.clock.monotonic
        self._telemetry = services.telemetry.archive
        self._lease_s = services.lease_s
        self._steps = lifecycle.steps
        self._renewing = Renewing(services)

    # -- one file -----------------------------------------------------------------------------------------------------

    def archive(self, ids: Sequence[UUID]) -> None:
        """Copy files the lane handed out."""
        archive = self._services.archive
        if archive is None:
            self._lanes.settle(ARCHIVE, ids)
            return
        for id in ids:
            with self._steps.back_in_lane_on_failure(ARCHIVE, [id]):
                self._archive(archive, id)

    def _archive(self, archive: Archive, id: UUID) -> None:
        busy_s = archive.limits.timeout_s + 2 * self._lease_s
        file = self._store.archive_begun(id, lease_s=self._lease_s, busy_s=busy_s)
        if file is None:
            self._store.archive_orphaned(id)
            self._leave(id)
            return
        began = self._monotonic()
        outcome, file = self._copied(archive, file)
        self._act(archive, file, outcome, self._monotonic() - began)

    def _copied(self, archive: Archive, file: Copying) -> tuple[Outcome, Copying]:
        """Copy it from where it is, or from a fresh URL where that one ends soon, or is not given any more."""
        ends_soon = file.live_s is not None and file.live_s < SOON_S
        asked = self._renewing.ask(file) if ends_soon else None
        file = self._with(file, asked)
        outcome = self._once(archive, file)
        if isinstance(outcome, Gone) and asked is None:
            asked, old = self._renewing.ask(file), file
            file = self._with(file, asked)
            if file.url != old.url:
                outcome = self._once(archive, file)
        if isinstance(outcome, Gone) and isinstance(asked, Unrenewed) and not asked.for_good:
            return Waits(f"HTTP {outcome.status}, and {asked.reason}"), file
        return outcome, file

    def _with(self, file: Copying, asked: Renewed | Unrenewed | None) -> Copying:
        """The same with a fresh URL, noted in its row; without its operation, where asking again cannot help."""
        match asked:
            case Renewed(url, live_s):
                self._store.archive_renewed(file.id, url, live_s)
                return replace(file, url=url, live_s=live_s)
            case Unrenewed(reason, for_good=True):
                log.warning("file %s of generation %s: %s", file.position, file.generation_id, reason)
                return replace(file, operation_name=None)
            case _:
                return file

    def _once(self, archive: Archive, file: Copying) -> Outcome:
        account = self._accounts.get(file.account)
        try:
            local = account is not None and (account.simulated or account.is_local)
            source = source_of(file.url, lambda url: self._headers(file, url), local=local)
        except Stopped as stopped:
            return stopped.outcome
        try:
            return copy(source, archive, lambda media: self._named(archive, file, media), self._renew_lease(file.id))
        except NotConfigured as no_key:
            return Trouble("no_key", str(no_key))
        except Unavailable:
            raise
        except Exception as error:
            # What a server says can be read in no way that was thought of. It is counted, or it would come for ever.
            log.exception("file %s of generation %s cannot be copied", file.position, file.generation_id)
            return Trouble("broken", f"{type(error).__name__}: what its server says cannot be used")

    def _headers(self, file: Copying, url: str) -> Mapping[str, str]:
        provider = self._services.providers.get(str(file.account))
        return provider.download_headers(url) if provider else {}

    def _named(self, archive: Archive, file: Copying, media: Media) -> str | None:
        """Note the name before anything is under it, so that nothing is ever kept that no row knows."""
        name = name_of(file.owner, file.created_at, file.generation_id, file.position, media.extension)
        if file.name and file.name != name:
            archive.delete(file.name)
        return name if self._store.archive_named(file.id, name) else None

    def _renew_lease(self, id: UUID) -> "_Lease":
        return _Lease(self._services, id)

    # -- what came of it ----------------------------------------------------------------------------------------------

    def _act(self, archive: Archive, file: Copying, outcome: Outcome, took_s: float) -> None:
        match outcome:
            case Copied():
                self._stored(archive, file, outcome, took_s)
            case Dropped():
                self._leave(file.id)
            case StorageAway(reason):
                self._storage_away(file, reason)
            case Waits(reason) if file.age_s < UNTOLD_S:
                self._telemetry.again("renewing")
                words = Failure("renewing", f"a fresh URL is needed: {reason}", retryable=True)
                self._store.archive_again(file.id, words, RENEWING_S, counted=False)
                self._come_back(file.id, RENEWING_S)
            case Waits(reason):
                self._failed(file, Unfit("gone", reason))
            case Gone() | Trouble() | Unfit():
                self._failed(file, outcome)

    def _stored(self, archive: Archive, file: Copying, copied: Copied, took_s: float) -> None:
        moved = self._store.archive_stored(
            file.id, copied.name, archive.url(copied.name),
            content_type=copied.content_type, bytes=copied.bytes, sha256=copied.sha256,
        )  # fmt: skip
        if moved:
            self._telemetry.stored(file.generation_id, file.position, copied.bytes, took_s, file.attempts)
        elif not self._store.archive_is_wanted(file.id):
            # Deleted meanwhile, with all that is known of it; whoever stored it first wrote the very same.
            archive.delete(copied.name)
        self._leave(file.id)

    def _storage_away(self, file: Copying, reason: str) -> None:
        """No file can be stored now: the lane rests for all workers, and this one is not to blame."""
        log.error("the archive takes nothing, and is tried again in %.0f s: %s", STORAGE_AWAY_S, reason)
        self._telemetry.again("storage")
        words = f"the archive takes nothing: {reason}"
        # Ever more rarely: it may be this file alone that is not taken, and the lane rests for all each time.
        countdown = max(STORAGE_AWAY_S, again_s(file.attempts, file.live_s))
        self._store.archive_again(file.id, Failure("storage", words, retryable=True), countdown, counted=False)
        self._come_back(file.id, countdown)
        self._lanes.pause(ARCHIVE, self._services.limits(ARCHIVE), STORAGE_AWAY_S, words, refused=False)

    def _failed(self, file: Copying, outcome: Gone | Trouble | Unfit) -> None:
        failures, renewable = file.failures + 1, file.operation_name is not None
        last = given_up(outcome, failures, live_s=file.live_s, age_s=file.age_s, renewable=renewable)
        if last:
            self._store.archive_failed(file.id, last)
            self._telemetry.failed(file.generation_id, file.position, last)
            self._leave(file.id)
            return
        told = failure(outcome)
        asked_s = outcome.retry_after_s if isinstance(outcome, Trouble) else None
        countdown = again_s(failures, file.live_s, asked_s=asked_s)
        self._store.archive_again(file.id, told, countdown, counted=True)
        self._telemetry.again(told.code)
        log.info(
            "file %s of generation %s is tried again in %.1f s: %s",
            file.position, file.generation_id, countdown, told.message,
        )  # fmt: skip
        self._come_back(file.id, countdown)

    def _leave(self, id: UUID) -> None:
        self._lanes.release(ARCHIVE, [id])
        self._lanes.settle(ARCHIVE, [id])

    def _come_back(self, id: UUID, countdown: float) -> None:
        self._lanes.release(ARCHIVE, [id])
        self._lanes.schedule(ARCHIVE, {id: countdown})

    # -- the sweep ----------------------------------------------------------------------------------------------------

    def sweep(self, *, search: bool = False) -> dict[str, int]:
        """Put files back into their lane that got lost on the way.

        Args:
            search: also look for generations nobody noted files of: a worker of an older version completed them, or it
                was before there was an archive. And tidy up what workers that were killed left half-written.
        """
        found = {"lost": 0, "missed": self._search() if search else 0}
        due = self._store.archive_due(LOST_S)
        found["lost"] = self._lanes.schedule(ARCHIVE, dict.fromkeys(due, 0.0), only_absent=True)
        if search:
            self._tidy()
        return found

    def _search(self) -> int:
        """Only as far back as their providers keep results; the newest first, and the rest the next time."""
        added = 0
        for provider, model in self._accounts.policies():
            own = next((one for one in self._accounts.accounts.values() if one.provider == provider), None)
            capabilities = self._services.providers[own.name].capabilities if own else None
            ttl_s = capabilities.result_ttl_s if capabilities else None
            within_s = min(ttl_s or SEARCH_S, SEARCH_AT_MOST_S)
            for id, _, result, age_s in self._store.archive_missed(provider, model, within_s=within_s, most=PAGE):
                files = new_files(id, result, provider, model, capabilities, age_s=age_s)
                added += self._store.archive_added(id, files) if files else 0
        return added

    def _tidy(self) -> None:
        archive = self._services.archive
        if not self._lanes.once_in("vidpoll.archive_results:tidy", TIDY_EVERY_S):
            return
        try:
            gone = archive.tidy(LEFT_S) if archive else 0
        except StorageFailed as failed:
            log.warning("the archive cannot be tidied up: %s", failed)
            return
        if gone:
            log.info("%d copies that workers left half-written are taken away", gone)


class _Lease:
    """Holds the lane's lease, and the place among those copied at once, while the bytes come."""

    def __init__(self, services: Services, id: UUID) -> None:
        self._lanes, self._lease_s, self._id = services.lanes, services.lease_s, id
        self._monotonic = services.clock.monotonic
        self._renew_at = self._monotonic() + self._lease_s / 3

    def __call__(self) -> None:
        now = self._monotonic()
        if now >= self._renew_at:
            self._renew_at = now + self._lease_s / 3
            self._lanes.schedule(ARCHIVE, {self._id: self._lease_s})
            self._lanes.hold(ARCHIVE, {self._id: self._lease_s})
