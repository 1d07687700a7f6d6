"""``vidpoll lanes``: what waits in each lane, how late it is, and what holds it back."""

import math
import time
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from vidpoll import stretching
from vidpoll.cli.output import AsJson, out, print_json, seconds_words
from vidpoll.lanes import Lane, both_lanes
from vidpoll.services import Services, build
from vidpoll.settings import load_settings

#: Seconds between two looks.
LOOK_S: Final = 1.0
#: Columns from which on words stand in a column of their own.
ROOMY: Final = 130


def lanes(
    account: Annotated[list[str] | None, typer.Argument(help="Accounts; all if none is given.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Live, until Ctrl-C; with --json a line a second.")] = False,
    as_json: AsJson = False,
) -> None:
    """What waits in each lane, how late it is, its rate, and who paused it."""
    services = build(load_settings())
    names = [services.accounts.named(name).name for name in account or services.accounts.accounts]
    if not watch:
        rows = _rows(services, names)
        print_json(rows) if as_json else out.print(_table(rows))
    elif as_json:
        while True:
            print_json(_rows(services, names))
            time.sleep(LOOK_S)
    else:
        _watch(services, names)


def _watch(services: Services, names: list[str]) -> None:
    with Live(console=out, auto_refresh=False) as live:
        while True:
            live.update(_table(_rows(services, names), time.strftime("%H:%M:%S")), refresh=True)
            time.sleep(LOOK_S)


def _rows(services: Services, names: list[str]) -> list[dict[str, Any]]:
    return [_row(services, lane) for name in names for lane in both_lanes(name)]


def _row(services: Services, lane: Lane) -> dict[str, Any]:
    """The lane's view, with its rates: configured, and in force; None in force while it is paused."""
    limits = services.limits(lane)
    tokens, in_force = services.lanes.free(lane, limits)
    rates = {"rate": limits.rate, "rate_in_force": None if in_force is None else round(in_force, 2), "tokens": tokens}
    row = services.lanes.view(lane) | rates | {"max_in_flight": limits.max_in_flight}
    return row | {"webhooks": _webhooks(services, lane)}


def _webhooks(services: Services, lane: Lane) -> dict[str, Any] | None:
    """Whether webhooks arrive, and how much rarer looks are for it; None where none are wanted."""
    if lane.verb != "status" or not services.accounts[lane.account].webhooks:
        return None
    standing = services.hints.standing(lane.account)
    return {
        "last_s": None if standing.last_s is None else round(standing.last_s, 1),
        "share": None if standing.share is None else round(standing.share, 3),
        "factor": round(stretching.factor(standing.announced, standing.ended), 2),
    }


def _table(rows: list[dict[str, Any]], title: str | None = None) -> RenderableType:
    """On a narrow terminal what holds lanes back stands below the table."""
    roomy, notes = out.width >= ROOMY, dict[tuple[str, str], list[str]]()
    table = Table(title=title, box=None, header_style="bold", pad_edge=False)
    table.add_column("account", overflow="fold", min_width=14)
    table.add_column("calls")
    for name in ("waiting", "due", "late", "calls/s", "free", "in flight"):
        table.add_column(name, no_wrap=True, justify="right")
    if roomy:
        table.add_column("held back", overflow="fold")
    for row in rows:
        held = _held_back(row)
        table.add_row(escape(row["account"]), row["verb"], *_figures(row), *([held] if roomy else []))
        if held:
            notes.setdefault((row["account"], held), []).append(row["verb"])
    below = [f"{escape(account)} {' and '.join(verbs)}: {held}" for (account, held), verbs in notes.items()]
    below = ([] if roomy else below) + [_hooks(row) for row in rows if row["webhooks"]]
    return Group(table, "", *below) if below else table


def _figures(row: dict[str, Any]) -> tuple[str, ...]:
    late_s, most = row["late_s"], row["max_in_flight"]
    late = "" if not late_s or late_s < 1 else seconds_words(late_s)
    places = f"{row['in_flight']}/{most}" if row["verb"] == "submit" and most else ""
    return str(row["waiting"]), str(row["due"]), late, _rate(row), str(row["tokens"]), places


def _rate(row: dict[str, Any]) -> str:
    """The rate in force; the configured one behind it, where it is another."""
    configured, in_force = row["rate"], row["rate_in_force"]
    if in_force is None:
        return "[yellow]paused[/]"
    same = math.isclose(in_force, configured, rel_tol=0.005)
    return f"{configured:g}" if same else f"[yellow]{in_force:.3g}[/] of {configured:g}"


def _held_back(row: dict[str, Any]) -> str:
    """Who paused it, why, for how long; and what else is not as configured."""
    found = []
    if stopped := row["stopped"]:
        lasts = "until resumed" if stopped["for_s"] is None else f"for {seconds_words(stopped['for_s'])}"
        found.append(f"paused by {stopped['by']} {lasts}: {stopped['reason']}")
    if row["paused_s"]:
        found.append(f"paused for {seconds_words(math.ceil(row['paused_s']))}: {row['reason'] or 'refused'}")
    elif row["slow_rate"]:
        found.append("slowed after a refusal")
    if row["set_rate"]:
        found.append("rate set by an operator")
    return f"[yellow]{escape('; '.join(found))}[/]" if found else ""


def _hooks(row: dict[str, Any]) -> str:
    """Whether the vendor's webhooks arrive."""
    told = row["webhooks"]
    if told["last_s"] is None:
        return f"{escape(row['account'])}: [yellow]no webhook has arrived yet[/]"
    share = "" if told["share"] is None else f", {told['share']:.0%} of the ends lately"
    rarer = f"; looks are {told['factor']:.1f} times rarer" if told["factor"] > 1 else ""
    return f"{escape(row['account'])}: webhooks, the last {seconds_words(told['last_s'])} ago{share}{rarer}"
