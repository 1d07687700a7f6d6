"""What commands print: tables for people, one JSON line for machines."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vidpoll.errors import VidpollError
from vidpoll.generation import Generation

#: Columns from which on everything about a generation fits in one line.
WIDE: Final = 150
#: Where nobody looks at a terminal, lines may be long.
out: Final = Console(width=None if sys.stdout.isatty() else 240)
err: Final = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]

STYLES: Final = {
    "completed": "green", "failed": "red", "cancelled": "yellow", "unknown": "magenta",
    "processing": "cyan", "submitting": "blue", "pending": "dim",
}  # fmt: skip


def print_json(value: object) -> None:
    """One line of JSON on standard output."""
    print(json.dumps(value, default=str, ensure_ascii=False), flush=True)


def complain(error: VidpollError, *, as_json: bool) -> None:
    """Say what went wrong, on standard error."""
    if as_json:
        print_json({"error": {"code": error.code, "message": str(error)}})
    else:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)


def generation_table(generations: Iterable[Generation], title: str | None = None) -> Table:
    """Generations, one a line; on a narrow terminal the model and the outcome go below the id, which is never cut."""
    narrow = out.width < WIDE
    table = Table(title=title, box=None, header_style="bold", pad_edge=False)
    table.add_column("id", overflow="fold", min_width=36)
    for name in ("status", "progress", "checks", "age"):
        table.add_column(name, no_wrap=True, justify="left" if name == "status" else "right")
    if not narrow:
        table.add_column("model", no_wrap=True)
        table.add_column("video or reason", overflow="fold")
    for one in generations:
        model, video = escape(one.model), outcome(one)
        id = f"{one.id}\n[dim]{model}[/] {video}" if narrow else str(one.id)
        cells = [id, f"[{STYLES[one.status]}]{one.status}[/]", f"{one.progress} %", str(one.checks), age(one)]
        table.add_row(*cells, *([] if narrow else [model, video]))
    return table


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
