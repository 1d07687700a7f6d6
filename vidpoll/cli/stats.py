"""``vidpoll stats``: how generations ended, as ``GET /v1/stats`` tells it."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vidpoll.cli.output import AsJson, out, print_json, seconds_words
from vidpoll.services import build_store
from vidpoll.settings import load_settings
from vidpoll.store import Statistics

#: Columns from which on every figure fits.
ROOMY = 130


def stats(
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 366, help="Those asked for within so many hours.")] = 24,
    provider: Annotated[str | None, typer.Option(help="Of this provider only.")] = None,
    model: Annotated[str | None, typer.Option(help="Of this model only.")] = None,
    owner: Annotated[str | None, typer.Option(help="Of this owner only.")] = None,
    as_json: AsJson = False,
) -> None:
    """How generations ended: how many, how long they took, why they failed, how often they were looked at."""
    store = build_store(load_settings())
    together, models = store.statistics(owner, hours, provider=provider, model=model)
    if as_json:
        print_json({"hours": hours, **together.to_json(), "by_model": [one.to_json() for one in models]})
    elif not together.total:
        out.print(f"nothing was asked for within {hours:g} hours that this is about")
    else:
        out.print(_table([*models, together] if len(models) > 1 else models))
        _tell_errors(together)


def _table(found: Iterable[Statistics]) -> Table:
    roomy = out.width >= ROOMY
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("provider and model", overflow="fold")
    for name in ("asked", "done", "failed", "success", "half in", "90 % in"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("average", "before call", "at provider", "seen after", "checks", "submits") if roomy else ():
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        figures = [str(one.total), str(one.completed), str(one.failed), _percent(one.success_rate)]
        figures += [_seconds(one.p50_completion_s), _seconds(one.p90_completion_s)]
        if roomy:
            figures += [_seconds(one.average_completion_s), _seconds(one.average_queue_s), _seconds(one.average_run_s)]
            figures += [_seconds(one.average_detection_s), _number(one.average_checks), _number(one.average_submits)]
        table.add_row(escape(f"{one.provider} {one.model}") if one.model else "[bold]all[/]", *figures)
    return table


def _tell_errors(together: Statistics) -> None:
    if together.errors:
        told = ", ".join(f"{code} {times}" for code, times in together.errors.items())
        out.print(f"\nfailed with: {told}", highlight=False, markup=False, soft_wrap=True)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds < 10 else seconds_words(seconds)


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:.1f}"
