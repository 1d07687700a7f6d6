"""``vidpoll archive``: how copying results gets on, and another try for what failed."""

from typing import Annotated, Any
from uuid import UUID

import typer

from vidpoll.cli.output import AsJson, mapping_table, out, print_json, seconds_words
from vidpoll.copies import file_json
from vidpoll.errors import InvalidRequest
from vidpoll.redact import redacted
from vidpoll.services import build_archive, build_store
from vidpoll.settings import load_settings
from vidpoll.store import ArchivedFile

app = typer.Typer(help="Copies of results: how they get on, and another try.", no_args_is_help=True)


@app.command()
def status(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many of those with an error.")] = 20,
    as_json: AsJson = False,
) -> None:
    """How many files are copied, wait or failed, and what went wrong with the newest."""
    settings = load_settings()
    archive, store = build_archive(settings), build_store(settings)
    state, totals, problems = store.archive_state(), store.archive_totals(), store.archive_problems(limit)
    stored, size = totals.get("stored", (0, 0))
    told: dict[str, Any] = {
        "on": archive is not None, "stored": stored, "bytes": size, "waiting": state.waiting,
        "oldest_s": round(state.oldest_s, 1), "expiring": state.expiring, "failed": state.failed,
        "erasing": totals.get("erasing", (0, 0))[0],
    }  # fmt: skip
    if as_json:
        files = [{"generation_id": one.generation_id, **file_json(one, archive)} for one in problems]
        print_json(told | {"problems": files})
        return
    where = f"to {redacted(settings.archive_url or '')}" if archive else "nowhere: VIDPOLL_ARCHIVE_URL is not set"
    out.print(f"results are copied {where}", highlight=False, markup=False, soft_wrap=True)
    oldest = f", the oldest for {seconds_words(state.oldest_s)}" if state.waiting else ""
    soon = f", {state.expiring} of them gone at their provider within an hour" if state.expiring else ""
    out.print(f"{stored:,} stored ({size:,} bytes), {state.waiting:,} wait{oldest}{soon}, {state.failed:,} failed")
    if problems:
        out.print(mapping_table(map(_row, problems), ["generation", "file", "archive", "attempts", "code", "message"]))
    if state.failed:
        out.print("try again: vidpoll archive retry ID … or --all", highlight=False, markup=False)


def _row(file: ArchivedFile) -> dict[str, Any]:
    error = file.error or {}
    return {
        "generation": str(file.generation_id), "file": file.position, "archive": file.status,
        "attempts": file.attempts, "code": error.get("code"), "message": error.get("message"),
    }  # fmt: skip


@app.command()
def retry(
    ids: Annotated[list[str] | None, typer.Argument(help="Generation ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every file that failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try again to copy what failed; the sweep of beat takes it up within seconds."""
    if bool(ids) == everything:
        raise InvalidRequest(["name generations, or give --all"])
    settings = load_settings()
    if build_archive(settings) is None:
        raise InvalidRequest(["VIDPOLL_ARCHIVE_URL is not set, so nothing is copied"])
    moved = build_store(settings).archive_retried(None if everything else [_id(one) for one in ids or ()])
    if as_json:
        print_json({"retried": len(moved)})
    else:
        out.print(f"{len(moved)} files are tried again" if moved else "none of them had failed")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest([f"id: {text!r} is not a UUID"]) from None
