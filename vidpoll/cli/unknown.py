"""``vidpoll unknown``: submits nobody knows the outcome of, and what a person decides."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from vidpoll.cli.output import AsJson, out, print_json
from vidpoll.errors import InvalidRequest
from vidpoll.generation import Generation, Status
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import build, build_store
from vidpoll.settings import load_settings
from vidpoll.suspects import Suspects
from vidpoll.unknowns import Unknowns

app = typer.Typer(
    help="Submits nobody knows the outcome of: see them, and decide where the provider cannot be asked.",
    no_args_is_help=True,
)
Id = Annotated[str, typer.Argument(help="A generation's id.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest.")] = 100, as_json: AsJson = False
) -> None:
    """Generations that are unknown, newest first: who is to decide, and what the provider's list told."""
    found = build_store(load_settings()).recent(limit, status=Status.UNKNOWN)
    if as_json:
        print_json([one.to_json() | {"waits_for": _waits_for(one)} for one in found])
    elif found:
        out.print(_table(found))
        out.print(
            "\nlook at the provider's console, then: vidpoll unknown resolve ID --operation NAME  (it was taken)\n"
            "  vidpoll unknown resubmit ID --pay-again  (pay for another call)   vidpoll unknown fail ID  (give it up)",
            highlight=False,
            markup=False,
        )
    else:
        out.print("nothing is unknown")


@app.command()
def resolve(
    id: Id,
    operation: Annotated[str, typer.Option(help="The provider's id of the operation it became.")],
    as_json: AsJson = False,
) -> None:
    """It was taken: watch this operation of the provider."""
    _decide(id, lambda unknowns, found: unknowns.resolve(found, operation), f"watched as {operation}", as_json)


@app.command()
def resubmit(
    id: Id,
    pay_again: Annotated[
        bool, typer.Option("--pay-again", help="Yes, even if the first call is paid for too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the paid call anew."""
    if not pay_again:
        raise InvalidRequest(
            [f"--pay-again: is missing; the first call of {id} may have been taken, and this would pay for another"]
        )
    _decide(id, Unknowns.resubmit, "will be submitted anew", as_json)


@app.command()
def fail(id: Id, as_json: AsJson = False) -> None:
    """Give it up: it becomes failed."""
    _decide(id, Unknowns.fail, "failed", as_json)


@app.command()
def suspect(
    before: Annotated[str, typer.Option(help="Accepted before this moment, e.g. 2026-11-21T19:30:00+00:00.")],
    account: Annotated[str | None, typer.Option(help="Of this account only.")] = None,
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="You decide all: requests that were sent again have another id now.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; nothing is changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """After a backup of Postgres was restored: what was not sent by its rows, and may have been since, becomes unknown.

    It is looked up where the provider can be asked, else you decide. Pause the accounts' submit calls first.
    """
    moment, suspects = _moment(before), Suspects(build(load_settings()))
    if dry_run:
        by_account = suspects.count(moment, account)
        words = ", ".join(f"{name or 'of no account yet'} {count}" for name, count in sorted(by_account.items()))
        told = f"{sum(by_account.values())} would become unknown" + (f": {words}" if words else "")
        print_json({"would": by_account}) if as_json else out.print(told, highlight=False, markup=False)
        return
    asked, left = suspects.suspect(moment, account, by_hand=by_hand)
    if as_json:
        print_json({"unknown": asked + left, "looked_up": asked, "waits_for_you": left})
        return
    out.print(f"{asked + left} became unknown: {asked} are looked up at the provider, {left} wait for you")
    out.print("see: vidpoll unknown list", highlight=False)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest([f"--before: {text!r} is no moment; write it like 2026-11-21T19:30:00+00:00"]) from None
    if moment.tzinfo is None:
        raise InvalidRequest([f"--before: {text!r} has no time zone; add one: {text}+00:00 for UTC"])
    if moment > datetime.now(UTC):
        raise InvalidRequest([f"--before: {text} is to come; what nobody asked for yet cannot have been sent"])
    return moment


def _decide(id: str, decision: Callable[[Unknowns, UUID], None], said: str, as_json: bool) -> None:
    try:
        found = UUID(id)
    except ValueError:
        raise InvalidRequest([f"id: {id!r} is not a UUID"]) from None
    decision(Lifecycle(build(load_settings())).unknowns, found)
    print_json({"id": id, "decided": said}) if as_json else out.print(f"{id}: {said}", highlight=False)


def _waits_for(one: Generation) -> str:
    return "you" if one.next_check_at is None else "the provider's answer"


def _table(found: list[Generation]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("id", min_width=36, overflow="fold")
    for name in ("account", "model", "sent", "waits for"):
        table.add_column(name, no_wrap=name != "model")
    table.add_column("what is known", overflow="fold")
    for one in found:
        sent = f"{one.sent_at:%Y-%m-%d %H:%M:%S}" if one.sent_at else ""
        words = f"{(one.error or {}).get('message', '')}; {one.stage}" if one.looked_up else one.stage or ""
        table.add_row(str(one.id), str(one.account), escape(one.model), sent, _waits_for(one), escape(words))
    return table
