"""``vidpoll demo``: the main job on real parts, watched live, with the simulator's ledger as the judge."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import requests
import typer
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vidpoll.accounts import Accounts
from vidpoll.cli.demo_figures import LEGEND, accounted_for, figures, parts_table, summary_lines, unfinished_table
from vidpoll.cli.jsonl import read_requests
from vidpoll.cli.output import STYLES, AsJson, err, out, print_json
from vidpoll.client import Client
from vidpoll.devstack import DevStack, project_folder
from vidpoll.errors import InvalidRequest, NotConfigured
from vidpoll.generation import Generation, GenerationRequest, Status
from vidpoll.logs import set_up_logs
from vidpoll.providers_file import load_accounts
from vidpoll.settings import load_settings, running_stack

#: What the simulator allows each key in any second: the rate and burst of the accounts as shipped.
STATUS_LIMIT: Final = 12
SUBMIT_LIMIT: Final = 7


def demo(
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many videos to ask for.")] = 100,
    file: Annotated[
        Path | None, typer.Option(help="Requests to take, one JSON object a line; taken again in turn.")
    ] = None,
    time_scale: Annotated[float, typer.Option(min=0.0, help="Scale of the simulated durations; 1 is Veo-like.")] = 0.2,
    timeout_s: Annotated[float, typer.Option(min=1.0, help="Give up after so many seconds.")] = 240.0,
    dir: Annotated[Path, typer.Option(help="Folder of the demo's own stack; emptied first.")] = Path(".vidpoll/demo"),
    as_json: AsJson = False,
) -> None:
    """Run COUNT generations at all providers, in a stack of its own; check that each ended and was paid for once."""
    wanted = _requests(file or project_folder() / "config" / "demo-requests.jsonl", count)
    say = err.print if as_json else out.print
    set_up_logs(load_settings())
    say("starting Redis, Postgres, the simulated providers, a worker, beat and the API …")
    _empty(dir)
    limits = ["--status-limit", str(STATUS_LIMIT), "--submit-limit", str(SUBMIT_LIMIT)]
    with DevStack(dir, simulator=limits, time_scale=time_scale, own_servers=True, api_port=0) as stack:
        accounts = _simulated_accounts(stack)
        started_at = time.monotonic()
        client = Client(broker_url=stack.urls["broker_url"], database_url=stack.urls["database_url"])
        ids = client.submit_many(wanted)
        say(f"{len(ids)} requests are in; every paid call and every check now goes through the lanes")
        generations = _watch(client, ids, stack, timeout_s, quiet=as_json)
        summary = figures(generations, stack, accounts, time.monotonic() - started_at)
    if as_json:
        print_json(summary)
    else:
        _print(generations, summary)
    if not accounted_for(summary):
        raise typer.Exit(1)


def _requests(path: Path, count: int) -> list[GenerationRequest]:
    """``count`` requests from the file, which is read again from its start when it is shorter; every prompt differs."""
    requests, broken = read_requests(path, {"owner": "demo"})
    if broken or not requests:
        raise InvalidRequest(
            [f"{path}, line {number}: {error}" for number, error in broken.items()] or [f"{path} is empty"]
        )
    taken = []
    for number in range(count):
        request = requests[number % len(requests)][1]
        again = number // len(requests)
        prompt = f"{request.prompt} (take {again + 1})" if again else request.prompt
        taken.append(request.model_copy(update={"id": uuid4(), "prompt": prompt}))
    return taken


def _empty(folder: Path) -> None:
    """Remove what an earlier demo left, and only that: the folder must be a stack's, held by nobody."""
    if folder.exists() and any(folder.iterdir()) and not (folder / "lock").exists():
        raise InvalidRequest([f"--dir {folder}: is not empty and no stack's folder; name another one"])
    if running_stack(folder):
        return
    for name in ("redis", "postgres", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _simulated_accounts(stack: DevStack) -> Accounts:
    """The accounts the demo uses; it must not spend money, so all of them have to be the simulator's."""
    simulator = stack.urls["simulator_url"]
    accounts = load_accounts(stack.providers_file, {**os.environ, "VIDPOLL_SIMULATOR_URL": simulator})
    for account in accounts.accounts.values():
        if not account.base_url.startswith(simulator):
            raise NotConfigured(
                f"{stack.providers_file}: account {account.name} is at {account.base_url}, so the demo would pay for "
                "videos; name a file with ${VIDPOLL_SIMULATOR_URL} accounts in VIDPOLL_PROVIDERS_FILE"
            )
    return accounts


def _watch(client: Client, ids: Sequence[UUID], stack: DevStack, timeout_s: float, *, quiet: bool) -> list[Generation]:
    """Show how it goes until every generation is final, or the time is up."""
    give_up_at = time.monotonic() + timeout_s
    with _display(len(ids), quiet) as show:
        while True:
            for said in stack.revive():
                err.print(said, style="yellow")
            generations = client.status(ids)
            show(generations, _report(stack))
            if all(one.status.final for one in generations) or time.monotonic() > give_up_at:
                return generations
            time.sleep(0.5)


@contextmanager
def _display(total: int, quiet: bool) -> Iterator[Any]:
    """A live bar with counts and calls per second; on no terminal, a line every five seconds."""
    progress = Progress(
        TextColumn("[bold]final"), BarColumn(bar_width=40), MofNCompleteColumn(), TimeElapsedColumn(), console=out
    )
    bar = progress.add_task("final", total=total)
    pace = _Pace()
    if quiet or not out.is_terminal:
        yield lambda generations, report: pace.say(_line(generations, report, pace))
        return
    with Live(console=out, refresh_per_second=4) as live:

        def show(generations: Sequence[Generation], report: dict[str, Any]) -> None:
            progress.update(bar, completed=sum(one.status.final for one in generations))
            live.update(Group(progress, _line(generations, report, pace)))

        yield show


class _Pace:
    """Calls per second between two looks at the ledger."""

    def __init__(self) -> None:
        self._calls, self._at, self._said_at = 0, time.monotonic(), 0.0
        self._rate = 0.0

    def say(self, line: str) -> None:
        """Print the line, if the last one was five seconds ago."""
        if time.monotonic() - self._said_at >= 5:
            self._said_at = time.monotonic()
            err.print(line, highlight=False, soft_wrap=True)

    def rate(self, calls: int) -> float:
        now = time.monotonic()
        if now - self._at > 0.9:
            self._rate = (calls - self._calls) / (now - self._at)
            self._calls, self._at = calls, now
        return self._rate


def _line(generations: Sequence[Generation], report: dict[str, Any], pace: _Pace) -> str:
    counts = ((status, sum(one.status is status for one in generations)) for status in Status)
    told = "  ".join(f"[{STYLES[status]}]{status} {count}[/]" for status, count in counts if count)
    accounts = sum(name.endswith(":status") for name in report["by_key"])
    rate, most, refused = pace.rate(report["status_calls"]), report["max_calls_in_any_second"], report["refused_429"]
    return (
        f"{told}  │  {rate:.0f} status calls/s on {accounts} accounts, at most {most} in any second on one "
        f"(of {STATUS_LIMIT})  │  {refused} 429s"
    )


def _report(stack: DevStack) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{stack.urls['simulator_url']}/_sim/report", timeout=10).json()
    return found


def _print(generations: Sequence[Generation], summary: dict[str, Any]) -> None:
    """Each provider's part, what has no video, the figures of all, the verdict."""
    out.print(parts_table(summary))
    out.print(LEGEND, style="dim", highlight=False)
    if any(one.status is not Status.COMPLETED for one in generations):
        out.print()
        out.print(unfinished_table(generations))
    out.print()
    for line in summary_lines(summary):
        out.print(line, highlight=False)
    verdict = (
        "[green]every request ended, and each was paid for once[/]"
        if accounted_for(summary)
        else "[bold red]not everything is accounted for: see the figures above[/]"
    )
    out.print(f"\n{verdict}")
