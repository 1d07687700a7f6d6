"""API keys of the HTTP side: create, list, revoke."""

from typing import Annotated

import typer

from vidpoll.cli.output import AsJson, mapping_table, out, print_json
from vidpoll.errors import InvalidRequest
from vidpoll.keys import SCOPES, new_key
from vidpoll.services import build_store
from vidpoll.settings import load_settings

app = typer.Typer(help="API keys of the HTTP side.", no_args_is_help=True)


@app.command()
def create(
    owner: Annotated[str, typer.Option(help="Whose generations it may see.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="read, write or operate; repeatable. read and write if none is given.")
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key. It is printed once, and cannot be shown again."""
    scopes = scope or ["read", "write"]
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise InvalidRequest([f"--scope {one!r}: must be one of {', '.join(SCOPES)}" for one in unknown])
    if not owner.strip() or len(owner) > 200:
        raise InvalidRequest(["--owner: must have 1 to 200 characters"])
    id, key, secret_hash = new_key()
    build_store(load_settings()).add_key(id, owner, scopes, secret_hash, name)
    if as_json:
        print_json({"id": id, "owner": owner, "scopes": sorted(set(scopes)), "key": key})
    else:
        print(key)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """The keys, without their secrets."""
    keys = build_store(load_settings()).keys()
    rows = [
        {
            "id": key.id, "owner": key.owner, "scopes": " ".join(key.scopes), "name": key.name,
            "created_at": f"{key.created_at:%Y-%m-%d %H:%M}",
            "revoked_at": f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else None,
        }
        for key in keys
    ]  # fmt: skip
    if as_json:
        print_json(rows)
    elif rows:
        out.print(mapping_table(rows, rows[0]))
    else:
        out.print("no keys yet; make one with `vidpoll keys create --owner NAME`")


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="Its id, the part between vp_ and the next _.")], as_json: AsJson = False
) -> None:
    """End a key; it stops working within five seconds."""
    if not build_store(load_settings()).revoke_key(id):
        raise InvalidRequest([f"{id}: there is no such key, or it was revoked before; see `vidpoll keys list`"])
    print_json({"id": id, "revoked": True}) if as_json else out.print(f"{id}: revoked")
