"""One line for each case: what was done to vidpoll, and what it cost. Figures come from ledgers and clocks."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.acceptance.faults.fleet import Fleet, Ids

_COLUMNS: Final = ("case", "injected", "charges", "lost", "doubled", "unknown", "recovered", "result")


@dataclass
class Case:
    """What a test found out.

    Attributes:
        charges: generations paid for, of those asked for.
        doubled: charges too many.
        recovered_s: seconds from the end of the fault (or from the crash) until work went on.
        notes: further figures.
    """

    number: int
    injected: str
    test: str
    asked_for: int | None = None
    charges: int | None = None
    lost: int | None = None
    doubled: int | None = None
    unknown: int | None = None
    recovered_s: float | None = None
    result: str = "failed"
    notes: dict[str, Any] = field(default_factory=dict)

    def settle(self, fleet: "Fleet", ids: "Ids") -> None:
        """Take charges, doubles and losses from the ledger and the rows."""
        ids = list(ids)
        report = fleet.report()
        self.asked_for, self.charges, self.doubled = len(ids), report["charged"], report["duplicate_charges"]
        self.lost = len(fleet.lost(ids))
        self.unknown = fleet.status_counts(ids)["unknown"]

    def note(self, **notes: Any) -> None:
        """Keep further figures."""
        self.notes |= {name: round(value, 2) if isinstance(value, float) else value for name, value in notes.items()}


def table(cases: list[Case]) -> str:
    """All of them, in their order, as aligned text."""
    rows = [_COLUMNS, *(_cells(case) for case in sorted(cases, key=lambda case: (case.number, case.test)))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def write(cases: list[Case], path: Path) -> None:
    """The same as JSON."""
    path.write_text(json.dumps([asdict(case) for case in sorted(cases, key=lambda case: case.number)], indent=2) + "\n")


def _cells(case: Case) -> tuple[str, ...]:
    charges = "–" if case.charges is None else f"{case.charges}/{case.asked_for}"
    recovered = "–" if case.recovered_s is None else f"{case.recovered_s:.1f} s"
    notes = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in case.notes.items())
    return (
        str(case.number), case.injected, charges, _number(case.lost), _number(case.doubled), _number(case.unknown),
        recovered, case.result + (f"  ({notes})" if notes else ""),
    )  # fmt: skip


def _number(value: int | None) -> str:
    return "–" if value is None else str(value)
