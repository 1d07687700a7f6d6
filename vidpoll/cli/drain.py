"""``vidpoll drain``: no new paid calls, until what was paid for has ended."""

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from vidpoll.cli.output import TIME_IS_UP, AsJson, err, out, print_json, seconds_words
from vidpoll.cli.steering import who
from vidpoll.errors import Unavailable
from vidpoll.generation import Status
from vidpoll.services import Services, build
from vidpoll.settings import load_settings
from vidpoll.steering import Steering

REASON: Final = "draining"
#: Seconds between two looks.
LOOK_S: Final = 1.0
#: Seconds for which nothing must be in flight: what was granted before the pause is given back within one.
QUIET_S: Final = 2.0
_Counts = Mapping[str, Mapping[Status, int]]


def drain(
    account: Annotated[list[str] | None, typer.Argument(help="Accounts; all if none is given.")] = None,
    timeout: Annotated[float, typer.Option(min=0, help="Give up waiting after so many seconds.")] = 3600.0,
    by: Annotated[str | None, typer.Option(help="Who decides; the user of this system if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Pause the paid calls of accounts, and wait until nothing is at their providers any more.

    Looks go on. Afterwards the accounts stay paused. The exit code is 0 when they are empty, 4 when the time is up, 1
    when some wait to be sent again that may be there already.
    """
    services = build(load_settings())
    steering = Steering(services)
    names = [steering.account(name).name for name in account or services.accounts.accounts]
    steering.pause_paid_calls(names, REASON, by=who(by))
    began = time.monotonic()
    try:
        counts = _wait(services, names, began + timeout, show=not as_json)
        to_replay = {name: count for name, count in services.store.maybe_sent_by_account().items() if name in counts}
        _tell(counts, to_replay, time.monotonic() - began, as_json)
    finally:
        if not as_json:
            _tell_how_to_go_on(names)
    if _in_flight(counts):
        raise typer.Exit(TIME_IS_UP)
    if to_replay:
        raise typer.Exit(1)


def _wait(services: Services, names: Sequence[str], give_up_at: float, *, show: bool) -> _Counts:
    """Look until nothing is in flight for a while, or the time is up; what there was at the last look.

    Raises:
        Unavailable: the time is up, and Postgres does not answer; until then it is asked again.
    """
    most: dict[str, int] = dict.fromkeys(names, 0)
    quiet_since, away = None, False
    with Live(console=out, auto_refresh=False, transient=True) as live:
        while True:
            try:
                counts, now, away = _counts(services, names), time.monotonic(), False
            except Unavailable as error:
                if time.monotonic() >= give_up_at:
                    raise
                if not away:
                    err.print(f"{error}; looking again until the time is up", style="yellow", highlight=False)
                quiet_since, away = None, True
                time.sleep(LOOK_S)
                continue
            most = {name: max(most[name], _of(counts[name])) for name in names}
            if show:
                live.update(_table(counts, most), refresh=True)
            quiet_since = None if _in_flight(counts) else quiet_since or now
            if now >= give_up_at or (quiet_since is not None and now - quiet_since >= QUIET_S):
                return counts
            time.sleep(LOOK_S)


def _counts(services: Services, names: Sequence[str]) -> _Counts:
    counts = {name: dict.fromkeys(Status, 0) for name in names}
    for (status, _, account), (count, _) in services.store.open_by_account().items():
        if account in counts:
            counts[account][status] += count
    return counts


def _of(counts: Mapping[Status, int]) -> int:
    return counts[Status.SUBMITTING] + counts[Status.PROCESSING]


def _in_flight(counts: _Counts) -> int:
    return sum(map(_of, counts.values()))


def _table(counts: _Counts, most: Mapping[str, int]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("account", "", "in flight", "waiting", "unknown"):
        table.add_column(name, justify="left" if name in ("account", "") else "right", no_wrap=bool(name))
    for name, its in counts.items():
        done, whole = most[name] - _of(its), most[name]
        bar = ProgressBar(total=max(1, whole), completed=done if whole else 1, width=24)
        table.add_row(escape(name), bar, str(_of(its)), str(its[Status.PENDING]), str(its[Status.UNKNOWN]))
    return table


def _tell(counts: _Counts, to_replay: Mapping[str, int], seconds: float, as_json: bool) -> None:
    left, replays = _in_flight(counts), sum(to_replay.values())
    if as_json:
        accounts = {name: _json(its) | {"to_replay": to_replay.get(name, 0)} for name, its in counts.items()}
        drained, waited_s = not left and not replays, round(seconds, 1)
        print_json({
            "drained": drained, "waited_s": waited_s, "in_flight": left, "to_replay": replays, "accounts": accounts,
        })  # fmt: skip
        return
    if left:
        err.print(f"the time is up after {seconds_words(seconds)}; {left} are still in flight", highlight=False)
    elif not replays:
        out.print(f"nothing is at the providers any more, after {seconds_words(seconds)}", highlight=False)
    if replays:
        err.print(
            f"{replays} wait to be sent again under the same id, and may be there already: resume, and drain again",
            style="yellow", highlight=False, soft_wrap=True,
        )  # fmt: skip
    unknown = sum(its[Status.UNKNOWN] for its in counts.values())
    if unknown:
        err.print(f"{unknown} are unknown, and may be there: vidpoll unknown list", style="yellow", highlight=False)


def _json(counts: Mapping[Status, int]) -> dict[str, Any]:
    named = {str(status): counts[status] for status in (Status.SUBMITTING, Status.PROCESSING, Status.UNKNOWN)}
    return {"in_flight": _of(counts), "waiting": counts[Status.PENDING], **named}


def _tell_how_to_go_on(names: Sequence[str]) -> None:
    err.print(
        f"paid calls stay paused; go on with: {'; '.join(f'vidpoll resume {name}' for name in names)}",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
