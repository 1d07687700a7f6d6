"""What the demo tells at its end. Paid, called and late is what the simulator and Celery say, never vidpoll itself."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import requests
from celery import Celery
from rich.table import Table

from vidpoll.accounts import Accounts
from vidpoll.cli.output import STYLES, age, outcome
from vidpoll.devstack import DevStack
from vidpoll.generation import Generation, Status
from vidpoll.messages import CHECK_STATUS, SUBMIT

_LEDGER: Final = ("charged", "duplicate_charges", "submit_calls", "status_calls", "refused_429")
#: Columns of the table, by the name of the figure.
_COLUMNS: Final = {
    "requested": "asked", "completed": "videos", "charged": "paid",
    "checks": "checks", "checks_per_generation": "per video", "status_calls": "calls",
    "mean_detection_delay_s": "delay s", "p95_detection_delay_s": "95 %",
}  # fmt: skip


def figures(generations: Sequence[Generation], stack: DevStack, accounts: Accounts, elapsed_s: float) -> dict[str, Any]:
    """The figures of all, and under ``providers`` those of each account."""
    report, jobs, executed = _simulator(stack, "report"), _simulator(stack, "jobs"), _executions(stack)
    return {
        "requested": len(generations),
        **_ends(generations),
        **{name: report[name] for name in _LEDGER},
        "check_executions": executed.get(CHECK_STATUS, 0),
        "submit_executions": executed.get(SUBMIT, 0),
        "max_calls_in_any_second": report["max_calls_in_any_second"],
        "status_rate": max(account.status_rate for account in accounts.accounts.values()),
        **_delays(generations, jobs),
        "elapsed_s": round(elapsed_s, 1),
        "providers": list(_parts(generations, jobs, report, accounts)),
    }


def accounted_for(summary: Mapping[str, Any]) -> bool:
    """Whether every request ended, and was charged once, to the account it went to."""
    ended = summary["completed"] + summary["failed"] == summary["requested"]
    paid = all(one["charged"] == one["requested"] for one in [summary, *summary["providers"]])
    return bool(ended and paid and not summary["duplicate_charges"])


def parts_table(summary: Mapping[str, Any]) -> Table:
    """A line for each account: what it was asked for, what it made, paid and was asked, how late that was seen."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("provider", no_wrap=True)
    for words in _COLUMNS.values():
        table.add_column(words, justify="right", no_wrap=True)
    for one in summary["providers"]:
        name = one["account"] if one["account"] == one["provider"] else f"{one['provider']} ({one['account']})"
        fine = one["requested"] == one["completed"] == one["charged"]
        table.add_row(name, *(_cell(one[figure]) for figure in _COLUMNS), style="" if fine else "red")
    return table


LEGEND: Final = """\
checks: looks at generations, and how many of them each video took
calls: one may look at several (runware), and a look may take two (fal, minimax)
delay: from done at the provider to stored here; the mean, and what 95 % stay below"""


def unfinished_table(generations: Sequence[Generation]) -> Table:
    """What became of each request that has no video; ids are left out, since the demo's database ends with it."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("model", "outcome", "after", "reason"):
        table.add_column(name, overflow="fold")
    for one in generations:
        if one.status is not Status.COMPLETED:
            table.add_row(one.model, f"[{STYLES[one.status]}]{one.status}[/]", age(one), outcome(one))
    return table


def summary_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """The figures of all, one a line."""
    return (f"{name:>24}  {value}" for name, value in summary.items() if name != "providers")


def _parts(
    generations: Sequence[Generation], jobs: Sequence[Mapping[str, Any]], report: Mapping[str, Any], accounts: Accounts
) -> Iterator[dict[str, Any]]:
    """The figures of each account that was asked for something, in the order of the providers file."""
    paid, keys = Counter(job["key"] for job in jobs), _keys(generations, jobs)
    for account in accounts.accounts.values():
        its = [one for one in generations if one.account == account.name]
        if not its:
            continue
        checks, key = sum(one.checks for one in its), keys.get(account.name)
        yield {
            "provider": account.provider,
            "account": account.name,
            "requested": len(its),
            **_ends(its),
            "charged": paid[key],
            "checks": checks,
            "checks_per_generation": round(checks / len(its), 1),
            "status_calls": report["by_key"].get(f"{key}:status", {}).get("calls", 0),
            **_delays(its, jobs),
        }


def _keys(generations: Sequence[Generation], jobs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Under which key the simulator knows each account: that of its jobs."""
    key_of = {_id(job["name"]): job["key"] for job in jobs}
    return {str(one.account): key_of[id] for one in generations if (id := _id(one.operation_name)) in key_of}


def _ends(generations: Sequence[Generation]) -> dict[str, int]:
    return {status: sum(one.status is status for one in generations) for status in (Status.COMPLETED, Status.FAILED)}


def _delays(generations: Sequence[Generation], jobs: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Seconds from the moment a video was ready at the provider until it stood in the database."""
    ready_at = {_id(job["name"]): job["ready_at"] for job in jobs}
    delays = sorted(
        one.completed_at.timestamp() - ready_at[id]
        for one in generations
        if one.completed_at and (id := _id(one.operation_name)) in ready_at
    )
    return {
        "mean_detection_delay_s": round(sum(delays) / len(delays), 2) if delays else None,
        "p95_detection_delay_s": round(delays[int(0.95 * (len(delays) - 1))], 2) if delays else None,
    }


def _id(name: str | None) -> str:
    """What vidpoll's and the simulator's name of a job have in common: the end, since fal's and Kling's are paths."""
    return str(name).rpartition("/")[2]


def _cell(value: float | None) -> str:
    return f"{value:.1f}" if isinstance(value, float) else "" if value is None else str(value)


def _simulator(stack: DevStack, what: str) -> Any:
    return requests.get(f"{stack.urls['simulator_url']}/_sim/{what}", timeout=30).json()


def _executions(stack: DevStack) -> dict[str, int]:
    """How many tasks of each name the workers ran, by Celery's own count."""
    with Celery(broker=stack.urls["broker_url"], set_as_current=False) as app:
        answers = app.control.inspect(timeout=5, limit=1).stats() or {}
    totals: dict[str, int] = {}
    for worker in answers.values():
        for name, count in worker["total"].items():
            totals[name] = totals.get(name, 0) + count
    return totals
