"""What is told of the copies of a generation's files: to clients and operators, and to vendors that fetch them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from vidpoll import catalogue, urls
from vidpoll.archive import Archive
from vidpoll.generation import Generation
from vidpoll.projects.standing import Project, State
from vidpoll.results import files_of, moment_of
from vidpoll.store import ArchivedFile, Store
from vidpoll.url_lifetimes import ends_at
from vidpoll.urls import LookUp

#: How long before its end a provider's address is not handed on any more: what is made of it may have to wait.
SOON: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Copies:
    """How the copies of one generation stand.

    Attributes:
        archive: ``stored`` when all files are, ``failed`` when one could not be, else ``waiting``; None where nothing
            is to be copied.
        archived_url: of the first file: on the web if it can be read there (perhaps signed, for a while), else as
            fsspec reads it; None while it is not stored.
        expires_at: when the provider's first URL ends, as far as is known.
        files: each of them.
    """

    archive: str | None
    archived_url: str | None
    expires_at: datetime | None
    files: list[dict[str, Any]]


def copies_of(generation: Generation, files: Sequence[ArchivedFile], archive: Archive | None) -> Copies:
    """What is told of a generation's copies."""
    ends = _all_ends(generation, files)
    return Copies(
        archive=_together({one.status for one in files}),
        archived_url=_url(files[0], archive) if files else None,
        expires_at=min(ends, default=None),
        files=[file_json(one, archive) for one in files],
    )


def file_json(file: ArchivedFile, archive: Archive | None) -> dict[str, Any]:
    """One file, for machines; the provider's URL is in the generation's result."""
    return {
        "position": file.position, "kind": file.kind, "archive": file.status, "archived_url": _url(file, archive),
        "content_type": file.content_type, "bytes": file.bytes, "sha256": file.sha256, "attempts": file.attempts,
        "error": file.error, "stored_at": file.stored_at, "expires_at": file.expires_at,
    }  # fmt: skip


def fetchable_copies(store: Store, archive: Archive | None, look_up: LookUp) -> Callable[[Generation], str | None]:
    """What tells where a generation's copy is that vendors are to fetch, as its own address has ended, or soon does.

    None where that goes on, and where no vendor could fetch the copy.

    Example::

        parent = parent_of(request, store.find, fetchable_copies(store, archive, Resolver().addresses))
    """

    def copy_of(generation: Generation) -> str | None:
        files = store.archived_of([generation.id]).get(generation.id, [])
        ends_at = min(_all_ends(generation, files), default=None)
        if ends_at is None or not generation.past(ends_at - SOON):
            return None
        return _fetchable(files, archive, look_up)

    return copy_of


def lasting_addresses(
    project_id: UUID, store: Store, archive: Archive | None, look_up: LookUp
) -> dict[str, str | None]:
    """For each address of a project's results that has ended, or soon does, that of its copy, for vendors to fetch.

    None where it has ended, and there is no such copy.
    """
    found: dict[str, str | None] = {}
    ending = store.find(store.project_results_ending(project_id, SOON.total_seconds()))
    files = store.archived_of([one.id for one in ending])
    for generation in ending:
        its = {file.position: file for file in files.get(generation.id, [])}
        # Both: a file whose address was asked for anew ends later than the one in the result.
        ends = [*_all_ends(generation, [*its.values()]), *_ends(generation)]
        has_ended = generation.past(min(ends, default=None))
        for position, media in enumerate(files_of(generation.result or {})):
            copy = _fetchable([its[position]], archive, look_up) if position in its else None
            if copy:
                found[media.url] = copy
            elif has_ended:
                found[media.url] = None
    return found


def copies_in(project: Project, store: Store, archive: Archive | None) -> dict[UUID, str]:
    """The ``archived_url`` of each generation of a project that has one."""
    done = [step.generation_id for step in project.steps if step.state is State.COMPLETED and step.generation_id]
    found = {id: _url(files[0], archive) for id, files in store.archived_of(done).items()}
    return {id: url for id, url in found.items() if url}


def link(files: Sequence[ArchivedFile], archive: Archive | None) -> str | None:
    """Where the copy of the first file can be read over HTTP; None where it cannot."""
    first = files[0] if files else None
    if first is None or archive is None or first.status != "stored" or first.name is None:
        return None
    return archive.link(first.name) if archive.owns(first.name, first.archived_url) else None


def _fetchable(files: Sequence[ArchivedFile], archive: Archive | None, look_up: LookUp) -> str | None:
    copy = link(files, archive)
    return copy if copy and urls.problem(copy, look_up=look_up) is None else None


def _together(statuses: set[str]) -> str | None:
    return next((one for one in ("failed", "waiting", "stored") if one in statuses), None)


def _url(file: ArchivedFile, archive: Archive | None) -> str | None:
    if file.status != "stored":
        return None
    return link([file], archive) or file.archived_url


def _all_ends(generation: Generation, files: Sequence[ArchivedFile]) -> list[datetime]:
    return [one.expires_at for one in files if one.expires_at] or [*_ends(generation)]


def _ends(generation: Generation) -> Iterable[datetime]:
    """When the provider's URLs end, of one that nobody noted files of."""
    if generation.completed_at is None or generation.result is None:
        return
    told = moment_of(generation.result.get("expires_at"))
    if told is not None:
        yield told
        return
    known = catalogue.find(generation.provider, generation.model)
    lasts_s = known.url_lifetime_s if known else None
    for file in files_of(generation.result):
        signed = ends_at(file.url)
        if signed is not None:
            yield signed
        elif lasts_s is not None:
            yield generation.completed_at + timedelta(seconds=lasts_s)
