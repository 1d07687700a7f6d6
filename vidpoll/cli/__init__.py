"""The ``vidpoll`` command."""

import logging
import sys

import typer
from typer.exceptions import TyperException

from vidpoll.cli import (
    archive,
    configuration,
    demo,
    drain,
    durations,
    generations,
    keys,
    lanes,
    models,
    operating,
    projects,
    queue,
    retention,
    running,
    stats,
    steering,
    unknown,
    webhooks,
)
from vidpoll.cli.output import TIME_IS_UP, complain, complain_of_usage
from vidpoll.errors import VidpollError, WaitTimeout
from vidpoll.guarded_logs import guard_logs
from vidpoll.telemetry import events

app = typer.Typer(
    name="vidpoll",
    help="Ask AI providers for videos once, watch until they are done, keep the outcome in Postgres.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
db = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(unknown.app, name="unknown")
app.add_typer(projects.app, name="project")
app.add_typer(keys.app, name="keys")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(archive.app, name="archive")
app.add_typer(configuration.app, name="config")

app.command()(generations.submit)
app.command()(generations.status)
app.command()(generations.watch)
app.command()(generations.cancel)
app.command()(generations.refresh)
app.command()(models.models)
app.command()(generations.retry)
app.command()(lanes.lanes)
app.command()(queue.queue)
app.command()(queue.restore)
app.command()(stats.stats)
app.command()(steering.pause)
app.command()(steering.resume)
app.command()(steering.rate)
app.command()(drain.drain)
app.command()(operating.health)
app.command()(durations.durations)
app.command("dead-letters")(operating.dead_letters)
app.command()(configuration.version)
app.command()(running.up)
app.command()(running.api)
app.command()(running.simulator)
app.command()(demo.demo)
app.command()(retention.prune)
db.command("upgrade")(operating.db_upgrade)


def main() -> None:
    """Run the command; what goes wrong is told in one line, or as JSON with ``--json``, never as a traceback.

    Exit codes: 0 done; 1 it could not be done; 2 the command is not written rightly; 3 it ended without a video;
    4 the time is up; 130 interrupted.
    """
    guard_logs()
    # Commands tell what they did by themselves; without a handler a warning's bare name would be printed for each.
    events.addHandler(logging.NullHandler())
    sys.exit(_run())


def _run() -> int:
    as_json = "--json" in sys.argv
    try:
        code = app(standalone_mode=False)
    except WaitTimeout as error:
        complain(error, as_json=as_json)
        return TIME_IS_UP
    except VidpollError as error:
        complain(error, as_json=as_json)
        return 1
    except TyperException as error:
        complain_of_usage(error, as_json=as_json)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        return 130
    return code if isinstance(code, int) else 0
