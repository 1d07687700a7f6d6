"""Figures as a table in Markdown, which is readable as it is, and as one line of JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from tests.benchmarks.polling.figures import Figures
from tests.benchmarks.polling.running import Results
from tests.benchmarks.polling.verdict import Verdict

_HEAD = ("case", "schedule", "calls", "mean delay", "p95", "budget use", "longest gap")


def table(results: Results) -> str:
    """One line for each schedule of each case; seconds, and calls per generation."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for case, found in results.items():
        for number, (schedule, one) in enumerate(found.items()):
            rows.append((case if number == 0 else "", schedule, *_cells(one)))
    return _markdown(rows)


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """What was asked for, what was seen, and whether it was kept."""
    rows: list[tuple[str, ...]] = [("", "asked", "seen", "kept")]
    for one in verdicts:
        sign = "≥" if one.at_least else "≤"
        rows.append((one.what, f"{sign} {one.asked:.4g}", f"{one.seen:.3g}", "yes" if one.kept else "NO"))
    return _markdown(rows)


def json_line(results: Results) -> str:
    """``{case: {schedule: {calls, mean_delay_s, …}}}``."""
    return json.dumps(
        {
            case: {
                schedule: {key: round(value, 4) for key, value in asdict(one).items()}
                for schedule, one in found.items()
            }
            for case, found in results.items()
        }
    )


def _cells(one: Figures) -> tuple[str, ...]:
    return (
        f"{one.calls:.3f}" if one.calls < 2 else f"{one.calls:.1f}",
        *(f"{seconds:,.0f} s" if seconds >= 1000 else f"{seconds:.1f} s" for seconds in (one.mean_delay_s, one.p95_delay_s)),
        f"{100 * one.budget_use:.0f} %",
        f"{one.longest_gap_s:,.0f} s",
    )  # fmt: skip


def _markdown(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
