"""Was the promise kept? Judged by the simulator's ledger and the rows, never by what vidpoll says of itself."""

from collections import Counter
from typing import Any
from uuid import UUID

from tests.acceptance.faults.fleet import Fleet

_FINAL = "('completed', 'failed', 'cancelled')"


def broken_promises(fleet: Fleet, ids: list[UUID]) -> list[str]:
    """Everything that is not as promised, in words; empty when the promise was kept."""
    report, rows = fleet.report(), fleet.rows(ids)
    return [
        *([f"{report['duplicate_charges']} charges too many"] if report["duplicate_charges"] else []),
        *_lost(fleet, ids, rows),
        *_unaccounted(fleet, rows),
        *_final_states_that_changed(fleet),
        *_over_budget(fleet, report),
    ]


def _lost(fleet: Fleet, ids: list[UUID], rows: list[dict[str, Any]]) -> list[str]:
    missing = len(set(map(str, ids)) - {str(row["id"]) for row in rows})
    open_ones = [str(row["id"]) for row in rows if row["completed_at"] is None and row["status"] != "unknown"]
    lost = len(fleet.lost(open_ones)) if open_ones else 0
    return ([f"{missing} accepted generations have no row"] if missing else []) + (
        [f"{lost} generations are neither final nor watched"] if lost else []
    )


def _unaccounted(fleet: Fleet, rows: list[dict[str, Any]]) -> list[str]:
    """Every charged job is some row's operation; or that of an unknown row, whose name nobody knows."""
    known = {row["operation_name"] for row in rows}
    orphans = [job for job in fleet.jobs() if job["name"] not in known]
    unknown = sum(row["status"] == "unknown" for row in rows)
    return [f"{len(orphans)} jobs were paid for, only {unknown} rows are unknown"] if len(orphans) > unknown else []


def _final_states_that_changed(fleet: Fleet) -> list[str]:
    changed = fleet.sql(
        f"""
        SELECT after.generation_id FROM generation_events AS before
        JOIN generation_events AS after ON after.generation_id = before.generation_id AND after.id > before.id
        WHERE before.status IN {_FINAL} AND after.status <> before.status
            AND NOT (before.data ->> 'code' = 'timed_out' AND after.status = 'completed')
        """
    )
    return [f"{len(changed)} final states changed"] if changed else []


def _over_budget(fleet: Fleet, report: dict[str, Any]) -> list[str]:
    limits = {
        "status": fleet.limits.status_rate + fleet.limits.status_burst,
        "submit": fleet.limits.submit_rate + fleet.limits.submit_burst,
    }
    return [
        f"{lane}: {told['max_calls_in_any_second']} calls in a second, {limits[lane.rpartition(':')[2]]:g} allowed"
        for lane, told in report["by_key"].items()
        if told["max_calls_in_any_second"] > limits[lane.rpartition(":")[2]]
    ]


def outcomes(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many rows ended how."""
    return dict(
        Counter(
            f"{row['status']}" + (f" ({_why(row)})" if row["status"] in ("failed", "unknown") else "") for row in rows
        ).most_common()
    )


def _why(row: dict[str, Any]) -> str:
    return str(row["account"] if row["status"] == "unknown" else row["error"]["code"])
