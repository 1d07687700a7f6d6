"""``make bench-polling``: all cases, a table, the picture, what was asked for; the last line is JSON. Ends by itself."""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.polling.cases import CASES
from tests.benchmarks.polling.report import json_line, table, verdict_table
from tests.benchmarks.polling.running import Results, run
from tests.benchmarks.polling.verdict import verdicts


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when something asked for was missed and ``--check`` was given."""
    options = _options(arguments)
    results = _run(options.cases)
    if options.picture:
        from tests.benchmarks.polling.picture import draw

        draw(results, options.picture)
    judged = list(verdicts(results))
    if not options.json:
        print(table(results), end="\n\n")
    if options.check and not options.json:
        print(verdict_table(judged), end="\n\n")
    print(json_line(results))
    return 1 if options.check and not all(one.kept for one in judged) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.polling", description=__doc__)
    parser.add_argument("--cases", type=_cases, default=list(CASES), help=f"some of: {', '.join(CASES)}")
    parser.add_argument("--check", action="store_true", help="beside what was asked for; exit code 1 if it is missed")
    parser.add_argument("--json", action="store_true", help="only the line of JSON")
    parser.add_argument("--picture", type=Path, help="draw into this PNG; needs the cases veo_like and load_…")
    return parser.parse_args(arguments)


def _cases(names: str) -> list[str]:
    chosen = names.split(",")
    if unknown := [name for name in chosen if name not in CASES]:
        raise argparse.ArgumentTypeError(f"there is no case {', '.join(unknown)}")
    return chosen


def _run(names: Sequence[str]) -> Results:
    """As many cases side by side as there are cores; their results in the order asked for."""
    found: dict[str, Results] = {}
    bars = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*bars, console=Console(stderr=True)) as progress,
        ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool,
    ):
        task = progress.add_task("cases", total=len(names))
        # The longest first, so that no core waits for the last one.
        running = {pool.submit(run, CASES[name]): name for name in sorted(names, key=_effort, reverse=True)}
        for future in as_completed(running):
            found[running[future]] = future.result()
            progress.update(task, advance=1, description=f"{running[future]} is done")
    return {case: figures for name in names for case, figures in found[name].items()}


def _effort(name: str) -> int:
    case = CASES[name]
    return case.in_flight + 10_000 * len(case.schedules)


if __name__ == "__main__":
    sys.exit(main())
