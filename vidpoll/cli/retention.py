"""``vidpoll prune``: delete what is kept no longer, or what an owner has."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from vidpoll.cli.output import AsJson, err, mapping_table, out, print_json
from vidpoll.errors import InvalidRequest
from vidpoll.retention import Pruned, Report, erase, nobody_looks
from vidpoll.retention import prune as prune_old
from vidpoll.services import build_archive, build_store
from vidpoll.settings import Settings, load_settings
from vidpoll.store import Store

_DAY_S: Final = 24 * 3600
_WORDS: Final = {
    "dead_letters": "refused messages",
    "api_keys": "revoked API keys",
    "durations": "durations of models gone",
    "webhook_deliveries": "webhooks that were sent",
    "webhook_endpoints": "webhook endpoints",
    "projects": "ended projects",
    "generations": "ended generations",
    "archived_files": "copies of deleted generations",
    "generation_events": "events of ended generations",
}

#: What stays, where the table is called otherwise.
_STAY: Final = {"archived_files": "copies that are being written, or that the archive does not delete,"}


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; nothing is deleted.")] = False,
    owner: Annotated[str | None, typer.Option(help="With --erase: whose.")] = None,
    erase_all: Annotated[
        bool, typer.Option("--erase", help="Delete all that ended of --owner, however young. There is no way back.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what is kept no longer (VIDPOLL_KEEP_…_DAYS); beat does it by itself. Safe to interrupt and run again."""
    if (owner is None) == erase_all:
        raise InvalidRequest(["--owner NAME and --erase belong together: all that ended of this owner is deleted"])
    settings = load_settings()
    store = build_store(settings)
    with _progress(quiet=as_json) as report:
        found = _pruned(store, settings, owner, really=not dry_run, report=report)
    left = None if owner is None else _left(store.count_of(owner), found if dry_run else ())
    if as_json:
        print_json({"dry_run": dry_run, "pruned": [asdict(one) for one in found], "left": left})
        return
    out.print(mapping_table((_row(one, owner) for one in found), ["what", "older than", "rows", "deleted"]))
    stay = " and ".join(f"{count} {_STAY.get(what, what)}" for what, count in (left or {}).items() if count)
    if stay:
        out.print(f"{stay} of {owner} stay: they have not ended, or may still end late; run it again then")


def _left(there: dict[str, int], counted: Iterable[Pruned]) -> dict[str, int]:
    """What stays; what was only counted is still among what is there."""
    would_go = {one.what: one.old for one in counted}
    return {what: max(0, count - would_go.get(what, 0)) for what, count in there.items()}


def _pruned(store: Store, settings: Settings, owner: str | None, *, really: bool, report: Report) -> list[Pruned]:
    archive = build_archive(settings)
    if owner is not None:
        return erase(store, owner, really=really, report=report, archive=archive)
    offered = settings.accounts.policies()
    return prune_old(store, settings.keep, offered, really=really, report=report, archive=archive)


def _row(one: Pruned, owner: str | None) -> dict[str, str]:
    if one.keep_s is None:
        return {"what": _WORDS[one.what], "older than": "kept for ever", "rows": "", "deleted": ""}
    older = f"{one.keep_s / _DAY_S:g} days" if owner is None else f"any age, of {owner}"
    return {"what": _WORDS[one.what], "older than": older, "rows": f"{one.old:,}", "deleted": f"{one.gone:,}"}


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Report]:
    """A bar on a terminal, which tells how much was found; how much there is, nobody knows before."""
    if quiet or not err.is_terminal:
        yield nobody_looks
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task("", total=None)
        yield lambda one: progress.update(bar, description=f"{_WORDS[one.what]}: {one.old:,} found")
