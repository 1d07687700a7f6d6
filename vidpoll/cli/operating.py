"""Commands for operators: the lanes, the dead letters, the database."""

from typing import Annotated

import typer

from vidpoll.cli.output import AsJson, mapping_table, out, print_json
from vidpoll.lanes import both_lanes
from vidpoll.services import build_lanes, build_store
from vidpoll.settings import load_settings
from vidpoll.store import connect
from vidpoll.store.migrating import upgrade


def lanes(as_json: AsJson = False) -> None:
    """What waits in each lane, what is due, and which lanes are paused or slowed."""
    settings = load_settings()
    reader = build_lanes(settings)
    rows = []
    for account in settings.accounts.accounts.values():
        rates = {"submit": account.submit_rate, "status": account.status_rate}
        rows += [{**reader.view(lane), "rate": rates[lane.verb]} for lane in both_lanes(account.name)]
    if as_json:
        print_json(rows)
    else:
        out.print(
            mapping_table(rows, ["account", "verb", "waiting", "due", "in_flight", "rate", "slow_rate", "paused_s"])
        )


def dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest.")] = 20, as_json: AsJson = False
) -> None:
    """Messages that were refused, newest first."""
    found = build_store(load_settings()).buried(limit)
    if as_json:
        print_json(found)
    elif found:
        out.print(mapping_table(found, ["at", "task", "message_id", "code", "reason"]))
    else:
        out.print("no dead letters")


def db_upgrade(as_json: AsJson = False) -> None:
    """Bring the database up to the tables this version needs; safe to run again."""
    revision = upgrade(connect(load_settings().need("database_url")))
    print_json({"revision": revision}) if as_json else out.print(f"the database is at revision {revision}")
