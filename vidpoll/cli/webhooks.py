"""``vidpoll webhooks``: where events are sent, and what became of them."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from vidpoll.cli.output import ENDED_WITHOUT, TIME_IS_UP, AsJson, err, mapping_table, out, print_json
from vidpoll.client import Client
from vidpoll.client_webhooks import KEEP_HOURS, NewSecret
from vidpoll.errors import InvalidRequest
from vidpoll.settings import load_settings
from vidpoll.webhooks.endpoints import Delivery, Endpoint

app = typer.Typer(help="Webhooks: where events are sent to (docs/webhooks.md).", no_args_is_help=True)

#: Deliveries ``show`` shows, and that one page of ``--json`` has.
SHOWN: Final = 20
#: Seconds between two looks at a test, and until one is given up.
_LOOK_S: Final = 0.3
TEST_TIMEOUT_S: Final = 45.0

Id = Annotated[str, typer.Argument(help="The endpoint's id.")]


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where to POST to; https, at a public address.")],
    owner: Annotated[str, typer.Option(help="Whose events.")],
    events: Annotated[
        list[str] | None, typer.Option(help="Which, for one generation.completed; repeatable. All if none is given.")
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Have events sent to an address from now on. The secret is printed once, and cannot be shown again."""
    types = [one for given in events for one in given.split(",") if one] if events else None
    made = _client().add_webhook(owner, url, event_types=types, description=description)
    _told_secret(made, as_json=as_json)


@app.command("list")
def list_(
    owner: Annotated[str | None, typer.Option(help="Whose; everybody's if not given.")] = None, as_json: AsJson = False
) -> None:
    """The endpoints, newest first, and how each does."""
    found = _client().webhooks(owner)
    if as_json:
        print_json([one.to_json() for one in found])
    elif found:
        out.print(mapping_table([_line(one) for one in found], _line(found[0])))
    else:
        out.print("no endpoints yet; make one with `vidpoll webhooks add URL --owner NAME`")


@app.command()
def show(
    id: Id,
    status: Annotated[str | None, typer.Option(help="Only what is waiting, delivered or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many deliveries.")] = SHOWN,
    as_json: AsJson = False,
) -> None:
    """An endpoint, and the last that was, or is to be, sent to it."""
    if status not in (None, "waiting", "delivered", "failed"):
        raise InvalidRequest(["--status: must be waiting, delivered or failed"])
    client = _client()
    endpoint = client.webhook(id)
    sent = client.webhook_deliveries(id, status=status, limit=limit)
    if as_json:
        print_json(endpoint.to_json() | {"deliveries": [one.to_json() for one in sent]})
        return
    for name, value in _about(endpoint).items():
        out.print(f"{name:<12} {value}", highlight=False, markup=False, soft_wrap=True)
    if sent:
        out.print(mapping_table([_delivery_line(one) for one in sent], _delivery_line(sent[0])))


@app.command()
def rotate(
    id: Id,
    keep_hours: Annotated[float, typer.Option(help="For how long the secrets before sign as well; 0: not at all.")] = (
        KEEP_HOURS
    ),
    as_json: AsJson = False,
) -> None:
    """Make a new secret. Until --keep-hours are over, what is sent carries a signature of each that is valid."""
    _told_secret(_client().rotate_webhook_secret(id, keep_hours=keep_hours), as_json=as_json)


@app.command()
def enable(id: Id, as_json: AsJson = False) -> None:
    """Send to it again, what waits first."""
    _told(id, "enabled", _client().enable_webhook(id), "it was enabled", as_json=as_json)


@app.command()
def disable(id: Id, as_json: AsJson = False) -> None:
    """Send it nothing more. What happens meanwhile is sent by `replay --since` only."""
    _told(id, "disabled", _client().disable_webhook(id), "it was disabled", as_json=as_json)


@app.command()
def remove(id: Id, as_json: AsJson = False) -> None:
    """Delete it, and what waits for it."""
    _client().remove_webhook(id)
    _told(id, "removed", True, "", as_json=as_json)


@app.command("test")
def try_out(
    id: Id,
    timeout_s: Annotated[float, typer.Option(help="Give up waiting after so many seconds.")] = TEST_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Have a worker send a signed `webhook.test`, and say what came of it.

    The exit code is 0 when it was delivered, 3 when it was not, 4 when no worker has sent it within --timeout-s.
    """
    client, give_up_at = _client(), time.monotonic() + timeout_s
    number = client.test_webhook(id)
    while (found := client.webhook_delivery(id, number)) and found.status == "waiting":
        if time.monotonic() > give_up_at:
            break
        time.sleep(_LOOK_S)
    if found is None:
        raise InvalidRequest([f"{id}: it was removed meanwhile"])
    if as_json:
        print_json(found.to_json())
    else:
        out.print(f"{found.event_id}: {_outcome(found)}", highlight=False, markup=False, soft_wrap=True)
    if found.status != "delivered":
        raise typer.Exit(ENDED_WITHOUT if found.status == "failed" else TIME_IS_UP)


@app.command()
def replay(
    endpoint: Annotated[str | None, typer.Option(help="To this endpoint.")] = None,
    event: Annotated[str | None, typer.Option(help="This event alone (evt_…); to every endpoint if none is given.")] = (
        None
    ),
    since: Annotated[
        str | None, typer.Option(help="What happened since: a moment (2026-11-21T10:00Z), or an age (90m, 12h, 3d).")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what was given up.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send again what was delivered or given up, under the same ids."""
    client, moment = _client(), _moment(since) if since else None
    if endpoint is None and event is None:
        raise InvalidRequest(["--endpoint ID: to which? only --event ID goes to all of them"])
    ids = [endpoint] if endpoint else [str(one.id) for one in client.webhooks() if one.status == "enabled"]
    again = {id: client.replay_webhook(id, event_id=event, since=moment, failed=failed) for id in ids}
    count = sum(again.values())
    if as_json:
        print_json({"replayed": count, "endpoints": {id: number for id, number in again.items() if number}})
    else:
        out.print(f"{count} wait to be sent again")


# -- words ------------------------------------------------------------------------------------------------------------


def _client() -> Client:
    return Client(settings=load_settings())


def _told_secret(made: NewSecret, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": str(made.endpoint_id), "secret": made.secret})
        return
    print(made.endpoint_id)
    print(made.secret)
    err.print("keep the secret: it is not shown again", highlight=False)


def _told(id: str, what: str, done: bool, else_words: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": id, what: done})
    else:
        out.print(f"{id}: {what if done else else_words}", highlight=False, markup=False)


def _line(one: Endpoint) -> dict[str, Any]:
    return {
        "id": one.id, "owner": one.owner, "health": one.health, "waiting": one.waiting, "failed": one.failed,
        "url": one.url, "events": _types(one), "description": one.description,
    }  # fmt: skip


def _about(one: Endpoint) -> dict[str, Any]:
    told = {
        "id": one.id, "owner": one.owner, "url": one.url, "events": _types(one), "description": one.description,
        "health": one.health, "disabled": one.disabled_reason, "failing": _at(one.failing_since),
        "last taken": _at(one.last_delivered_at), "secrets": f"{one.secrets} valid", "waiting": one.waiting,
        "failed": one.failed,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value not in (None, "")}


def _types(one: Endpoint) -> str:
    return " ".join(one.event_types)


def _delivery_line(one: Delivery) -> dict[str, Any]:
    return {
        "event": one.event_id, "type": one.event_type, "of": one.subject, "version": one.version,
        "status": one.status, "tries": one.tries, "what": _outcome(one),
    }  # fmt: skip


def _outcome(one: Delivery) -> str:
    said = " ".join(str(part) for part in (one.last_status, one.last_words) if part)
    if one.status == "waiting":
        return f"waits, next try {_at(one.next_at)}" + (f"; last: {said}" if said else "")
    return f"{one.status} {_at(one.ended_at)}" + (f": {said}" if said else "")


def _at(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else None


def _moment(text: str) -> datetime:
    """``2026-11-21T10:00Z``, or so long ago: ``90m``, ``12h``, ``3d``."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        if text[-1:] in units:
            return datetime.now(UTC) - timedelta(**{units[text[-1]]: float(text[:-1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            [f"--since {text!r}: write a moment, 2026-11-21T10:00Z, or an age, 90m, 12h, 3d"]
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
