"""``vidpoll config check`` and ``vidpoll version``."""

import platform
from dataclasses import asdict
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated, Final

import typer

from vidpoll.cli.checking import check as find_mistakes
from vidpoll.cli.output import AsJson, out, print_json
from vidpoll.store.migrating import head

app = typer.Typer(help="What an operator configures.", no_args_is_help=True)
_STYLES: Final = {"error": "bold red", "warning": "yellow"}
_PARTS: Final = ("celery", "kombu", "redis", "sqlalchemy", "psycopg")


@app.callback()
def _group() -> None:
    """What an operator configures."""


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="The providers file; that of VIDPOLL_PROVIDERS_FILE if not given.")
    ] = None,
    celery: Annotated[
        Path | None, typer.Option(help="Celery's settings; config/celeryconfig.py, if it is there, if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell every mistake in the environment, the providers file and Celery's settings; exit code 1 if there is one.

    Nobody is contacted, and no key is sent. Warnings alone leave the exit code 0.
    """
    found = sorted(find_mistakes(file, celery), key=lambda one: one.level)
    errors = sum(one.level == "error" for one in found)
    if as_json:
        print_json({"ok": not errors, "errors": errors, "mistakes": [asdict(one) for one in found]})
    else:
        for one in found:
            where = ": ".join(part for part in (one.file, one.account and f"account {one.account}", one.key) if part)
            out.print(f"{one.level:>7} ", style=_STYLES[one.level], end="")
            out.print(f"{where}: {one.words}", highlight=False, markup=False, soft_wrap=True)
        summary = f"{_counted(errors, 'error')}, {_counted(len(found) - errors, 'warning')}"
        out.print(summary if found else "nothing is wrong", highlight=False)
    if errors:
        raise typer.Exit(1)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def version(as_json: AsJson = False) -> None:
    """The version of vidpoll, of the tables it needs, and of what it stands on."""
    told = {"vidpoll": version_of("vidpoll"), "schema": head(), "python": platform.python_version()}
    told |= {name: version_of(name) for name in _PARTS}
    if as_json:
        print_json(told)
    else:
        for name, number in told.items():
            out.print(f"{name:>12}  {number}", highlight=False)
