"""Commands for operators: health, the dead letters, the database."""

from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.markup import escape

from vidpoll.cli.output import AsJson, mapping_table, out, print_json
from vidpoll.health import look
from vidpoll.services import build, build_store
from vidpoll.settings import load_settings
from vidpoll.store import connect
from vidpoll.store.migrating import upgrade


def dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest.")] = 20, as_json: AsJson = False
) -> None:
    """Messages that were refused, newest first."""
    found = build_store(load_settings()).buried(limit)
    if as_json:
        print_json(found)
    elif found:
        out.print(mapping_table(found, ["at", "task", "message_id", "code", "reason"]))
    else:
        out.print("no dead letters")


def db_upgrade(as_json: AsJson = False) -> None:
    """Bring the database up to the tables this version needs; safe to run again."""
    revision = upgrade(connect(load_settings().need("database_url")))
    print_json({"revision": revision}) if as_json else out.print(f"the database is at revision {revision}")


_STYLES: Final = {"ok": "green", "warning": "yellow", "failing": "bold red"}


def health(
    worker: Annotated[str | None, typer.Option(help="Look at the worker of this name only, e.g. worker@host.")] = None,
    as_json: AsJson = False,
) -> None:
    """Whether vidpoll gets on with its work; for probes: exit code 0, or 1 when something is failing."""
    settings = load_settings()
    findings = look(build(settings), settings.need("broker_url"), worker=worker)
    failing = any(one.state == "failing" for one in findings)
    if as_json:
        print_json({"healthy": not failing, "findings": [asdict(one) for one in findings]})
    else:
        for one in findings:
            out.print(
                f"[{_STYLES[one.state]}]{one.state:>8}[/]  {escape(one.name)}: {escape(one.words)}", highlight=False
            )
    if failing:
        raise typer.Exit(1)
