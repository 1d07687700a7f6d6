"""``vidpoll unknown``: submits nobody knows the outcome of, and what a person decides."""

from collections.abc import Callable
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
