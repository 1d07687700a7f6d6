"""What commands print: tables for people, one JSON line for machines."""

import json
import math
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.exceptions import TyperException

from vidpoll.errors import VidpollError
from vidpoll.eta import Eta
from vidpoll.generation import Generation
from vidpoll.redact import redacted

#: Exit code of what stayed until the end, which came without all there was to be.
ENDED_WITHOUT: Final = 3
#: Exit code of what gave up waiting; what it waited for goes on.
TIME_IS_UP: Final = 4
#: Columns from which on everything about a generation fits in one line.
WIDE: Final = 180
#: Where nobody looks at a terminal, lines may be long.
out: Final = Console(width=None if sys.stdout.isatty() else 240)
err: Final = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]

STYLES: Final = {
    "completed": "green", "failed": "red", "cancelled": "yellow", "unknown": "magenta",
    "processing": "cyan", "submitting": "blue", "pending": "dim",
    "running": "cyan", "waiting": "dim", "skipped": "yellow",
}  # fmt: skip


def print_json(value: object) -> None:
    """One line of JSON on standard output."""
    print(json.dumps(value, default=_plain, ensure_ascii=False), flush=True)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def complain(error: VidpollError, *, as_json: bool) -> None:
    """Say what went wrong, on standard error."""
    problems = error_json(error)["error"].get("errors", [])
    if as_json:
        print_json(error_json(error))
    elif problems:
        err.print(f"[bold red]error:[/] {len(problems)} things are wrong", highlight=False)
        for problem in problems:
            err.print(f"  {problem}", soft_wrap=True, highlight=False, markup=False)
    else:
        err.print(f"[bold red]error:[/] {escape(redacted(str(error)))}", soft_wrap=True, highlight=False)


def error_json(error: VidpollError) -> dict[str, Any]:
    """What went wrong, for machines; where it is several things, each of them in ``errors`` too."""
    problems = [redacted(one) for one in getattr(error, "problems", ())]
    several = {"errors": problems} if len(problems) > 1 else {}
    return {"error": {"code": error.code, "message": redacted(str(error)), **several}}


def complain_of_usage(error: TyperException, *, as_json: bool) -> None:
    """Say what is wrong with the command as it was typed; a command without its subcommand shows its help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return  # the help was printed
    words = str(error.format_message()).rstrip(".")
    if as_json:
        print_json({"error": {"code": "usage", "message": words}})
    else:
        see = f"; see {context.command_path} --help" if context else ""
        err.print(f"[bold red]error:[/] {escape(words + see)}", soft_wrap=True, highlight=False)


def generation_json(one: Generation, eta: Eta | None) -> dict[str, Any]:
    """The row, and what follows from it: seconds as they are at the moment it was read."""
    next_check_s = one.next_check_s()
    return one.to_json() | {
        "eta_s": eta.p50_s if eta else None,
        "eta_p90_s": eta.p90_s if eta else None,
        "next_check_s": None if next_check_s is None else math.ceil(next_check_s),
        "elapsed_s": int(one.elapsed_s()),
    }


def generation_table(generations: Iterable[tuple[Generation, Eta | None]], title: str | None = None) -> Table:
    """Generations, one a line; on a narrow terminal the long columns go below the id, which is never cut."""
    narrow = out.width < WIDE
    table = Table(title=title, box=None, header_style="bold", pad_edge=False)
    table.add_column("id", overflow="fold", min_width=36)
    for name in ("status", "progress", "checks", "elapsed"):
        table.add_column(name, no_wrap=True, justify="left" if name == "status" else "right")
    if not narrow:
        for name in ("next look", "ETA", "model"):
            table.add_column(name, no_wrap=True)
        table.add_column("video or reason", overflow="fold")
    for one, eta in generations:
        elapsed, model = seconds_words(one.elapsed_s()), f"[dim]{escape(one.model)}[/]"
        cells = [f"[{STYLES[one.status]}]{one.status}[/]", f"{one.progress} %", str(one.checks), elapsed]
        if narrow:
            look = next_look(one) and f"next look {next_look(one)}"
            ahead = ", ".join(words for words in (eta_words(eta), look) if words)
            table.add_row("\n".join([str(one.id), f"{model} {outcome(one)}", *([ahead] if ahead else [])]), *cells)
        else:
            table.add_row(str(one.id), *cells, next_look(one), eta_words(eta), model, outcome(one))
    return table


def eta_words(eta: Eta | None) -> str:
    """``≈ 40 s (90 %: 2 min)``; nothing when nobody can tell."""
    return f"≈ {seconds_words(eta.p50_s)} (90 %: {seconds_words(eta.p90_s)})" if eta else ""


def next_look(one: Generation) -> str:
    """When the provider is asked next; nothing when that is not planned."""
    seconds = one.next_check_s()
    return "" if seconds is None else f"in {seconds_words(math.ceil(seconds))}" if seconds else "now"


def seconds_words(seconds: float) -> str:
    """Seconds in the unit people would say them in.

    Example:
        >>> seconds_words(40.7), seconds_words(150), seconds_words(9000)
        ('40 s', '2 min', '2.5 h')
    """
    if seconds < 100:
        return f"{int(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def mapping_table(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> Table:
    """Dictionaries, one a line."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = list(columns)
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if row[name] is None else str(row[name])) for name in columns))
    return table


def outcome(one: Generation) -> str:
    """The video's address, else why there is none, else what is being done; safe to print as markup."""
    if one.video_url:
        return escape(one.video_url)
    if one.error:
        return escape(f"{one.error['code']}: {one.error['message']}")
    return escape(one.stage or "")


def age(one: Generation) -> str:
    """Seconds since it was asked for; until it ended, if it has."""
    end = one.completed_at or one.read_at
    return f"{(end - one.created_at).total_seconds():.0f} s"
