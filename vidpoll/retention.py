"""Deletes what is kept no longer: events, generations, refused messages, revoked keys, durations of models gone.

Copies of a generation's files go after it: their rows stay until the archive has deleted them.

Safe to run at any time, twice at once, and to be interrupted: a run remembers nothing, and begins with the oldest rows.
What has not ended, or is still looked at, is never touched.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from vidpoll.archive import Archive, StorageFailed
from vidpoll.clock import Clock
from vidpoll.settings import Keep
from vidpoll.store import Page, Store
from vidpoll.store.pruning import Place

log = logging.getLogger("vidpoll.retention")

#: Seconds for which durations are kept that were learned of a model the providers file has no more.
MODELS_GONE_S: Final = 90 * 24 * 3600.0
#: Copies that are deleted between two looks at the clock.
COPIES_PAGE: Final = 100
#: After a page, rest so many times as long as it took: others need the disk too.
REST_FACTOR: Final = 1.0

#: The page of a kind of rows that begins at a place: those older than so many seconds.
_Pages = Callable[[float, Place | None], Page]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What came of one kind of rows.

    Attributes:
        what: the table.
        keep_s: seconds for which its rows are kept; None for ever.
        old: rows found that are older.
        gone: rows deleted.
        finished: all were looked at; False when the time was up before, so that the next run has to go on.
    """

    what: str
    keep_s: float | None
    old: int = 0
    gone: int = 0
    finished: bool = True


Report = Callable[[Pruned], None]


def nobody_looks(_: Pruned) -> None:
    """What to do about progress where nobody looks."""


def prune(
    store: Store,
    keep: Keep,
    offered: Collection[tuple[str, str]],
    *,
    really: bool = True,
    most_s: float = float("inf"),
    report: Report = nobody_looks,
    clock: Clock | None = None,
    archive: Archive | None = None,
) -> list[Pruned]:
    """Delete what is older than ``keep`` says; what came of each kind of rows.

    Args:
        offered: (provider, model) of the providers file.
        really: False only counts.
        most_s: seconds after which it ends, between two pages, and leaves the rest to the next run.
        report: told after each page how far its kind is.
        archive: where copies of files are.

    Raises:
        StoreUnavailable: Postgres does not answer; what was deleted until then is gone.

    Example::

        prune(store, load_settings().keep, accounts.policies(), really=False)
    """
    clock = clock or Clock()
    end_at = clock.monotonic() + most_s
    kinds: Iterable[tuple[str, float | None, _Pages]] = (
        ("dead_letters", keep.dead_letters_s, partial(store.prune_dead_letters, really=really)),
        ("api_keys", keep.revoked_keys_s, partial(store.prune_keys, really=really)),
        ("webhook_deliveries", keep.deliveries_s, partial(store.prune_deliveries, really=really)),
        ("durations", MODELS_GONE_S, lambda keep_s, _: store.prune_durations(keep_s, list(offered), really=really)),
        ("projects", keep.generations_s, partial(store.prune_projects, really=really)),
        ("generations", keep.generations_s, partial(store.prune_generations, really=really)),
        ("archived_files", 0.0, partial(_erase_copies, store, archive, really=really)),
        ("generation_events", keep.events_s, partial(store.prune_events, really=really)),
    )
    return [_last(_pruned(what, keep_s, pages, end_at, clock), report) for what, keep_s, pages in kinds]


def erase(
    store: Store,
    owner: str,
    *,
    really: bool = True,
    report: Report = nobody_looks,
    archive: Archive | None = None,
) -> list[Pruned]:
    """Delete all of one owner that ended, however young: projects, generations with their events and the copies of
    their files, and refused messages; and the owner's webhook endpoints, with all that was sent to them.

    What has not ended, or may still end late, stays; ``store.count_of(owner)`` tells how much.

    Raises:
        StoreUnavailable: as :func:`prune`.
    """
    kinds: Iterable[tuple[str, _Pages]] = (
        ("projects", lambda _, place: store.erase_projects(owner, place, really=really)),
        ("generations", lambda _, place: store.erase_generations(owner, place, really=really)),
        ("archived_files", partial(_erase_copies, store, archive, really=really)),
        ("dead_letters", lambda _, place: store.erase_dead_letters(owner, place, really=really)),
        ("webhook_endpoints", lambda _, place: store.erase_endpoints(owner, place, really=really)),
    )
    return [_last(_pruned(what, 0.0, pages, float("inf"), Clock()), report) for what, pages in kinds]


def _erase_copies(store: Store, archive: Archive | None, _: float, place: Place | None, *, really: bool) -> Page:
    """A page of copies whose generation is deleted; what the archive does not delete now stays noted."""
    found = store.archive_erasing(COPIES_PAGE, UUID(place["id"]) if place else None)
    gone = [id for id, name, url in found if really and _is_erased(archive, name, url)]
    erased = store.archive_erased(gone) if gone else 0
    return Page(len(found), erased, {"id": str(found[-1][0])} if len(found) == COPIES_PAGE else None)


def _is_erased(archive: Archive | None, name: str | None, url: str | None) -> bool:
    """Delete a copy; whether there is none any more."""
    if name is None:
        return True
    if archive is None or not archive.owns(name, url):
        log.warning("%s is to be deleted, and VIDPOLL_ARCHIVE_URL names another archive, or none", url or name)
        return False
    try:
        archive.delete(name)
    except StorageFailed as failed:
        log.warning("%s is to be deleted, and the archive does not: %s", name, failed)
        return False
    return True


def _last(pruned: Iterator[Pruned], report: Report) -> Pruned:
    last = next(pruned)
    for last in pruned:
        report(last)
    return last


def _pruned(what: str, keep_s: float | None, pages: _Pages, end_at: float, clock: Clock) -> Iterator[Pruned]:
    """How far a kind is: at the beginning, and after each page."""
    if keep_s is None:
        yield Pruned(what, None)
        return
    old = gone = 0
    place: Place | None = None
    yield Pruned(what, keep_s, finished=False)
    while (began := clock.monotonic()) < end_at:
        page = pages(keep_s, place)
        old, gone, place = old + page.old, gone + page.gone, page.next
        yield Pruned(what, keep_s, old, gone, finished=place is None)
        if place is None:
            return
        clock.sleep(REST_FACTOR * (clock.monotonic() - began))
