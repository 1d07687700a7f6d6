"""The ``vidpoll`` command."""

import sys

import typer

from vidpoll.cli import demo, durations, generations, keys, models, operating, running, unknown
from vidpoll.cli.output import complain
from vidpoll.errors import VidpollError
from vidpoll.guarded_logs import guard_logs

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
app.add_typer(keys.app, name="keys")

app.command()(generations.submit)
app.command()(generations.status)
app.command()(generations.watch)
app.command()(generations.cancel)
app.command()(generations.refresh)
app.command()(models.models)
app.command()(operating.lanes)
app.command()(operating.health)
app.command()(durations.durations)
app.command("dead-letters")(operating.dead_letters)
app.command()(running.up)
app.command()(running.api)
app.command()(running.simulator)
app.command()(demo.demo)
db.command("upgrade")(operating.db_upgrade)


def main() -> None:
    """Run the command; errors of vidpoll are told in one line, or as JSON with ``--json``, never as a traceback."""
    guard_logs()
    try:
        app()
    except VidpollError as error:
        complain(error, as_json="--json" in sys.argv)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
