"""The real Postgres and the real Redis under virtual time, with an await point at every statement and command.

Postgres: ``now()`` and ``clock_timestamp()`` in a statement become a parameter, so the statement itself is vidpoll's own.
Redis: ``redis.call('TIME')`` in a script becomes an additional key, so the script goes by the virtual clock.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import psycopg
import redis
from redis.client import Pipeline
from sqlalchemy import Engine, create_engine, event

from tests.simulation.faults import Trouble
from tests.simulation.strands import Killed
from tests.simulation.time import Time
from vidpoll.generation import Generation
from vidpoll.store import Store

_NOW: Final = "CAST(%(virtual_now)s AS timestamptz)"
_TIME: Final = "redis.call('TIME')"
#: The key whose place the virtual time takes when the command leaves.
_MOMENT: Final = "the-virtual-moment"
_VIRTUAL_TIME: Final = "{math.floor(KEYS[#KEYS] / 1000000), KEYS[#KEYS] % 1000000}"


class OrderedStore(Store):
    """Rows in an order that does not depend on where Postgres happens to keep them."""

    def find(self, ids: Sequence[UUID]) -> list[Generation]:
        """The same, sorted."""
        return sorted(super().find(ids), key=lambda one: one.id)

    def pin(self, ids: Sequence[UUID], account: str, **more: Any) -> dict[UUID, str]:
        """The same, sorted."""
        return dict(sorted(super().pin(ids, account, **more).items()))


def postgres(url: str, time: Time, trouble: Trouble) -> Engine:
    """An engine as vidpoll makes it, but for the pool: a strand may be left while it holds a connection."""
    engine = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"),
        isolation_level="AUTOCOMMIT",
        pool_size=0,
        connect_args={"options": "-c synchronous_commit=off"},  # the server itself is never killed in here
    )

    @event.listens_for(engine, "do_execute")
    def _(cursor: Any, statement: str, parameters: Any, _context: Any) -> bool:
        def execute() -> None:
            virtual = statement.replace("clock_timestamp()", _NOW).replace("now()", _NOW)
            cursor.execute(virtual, {**(parameters or {}), "virtual_now": time.postgres()})

        in_transaction = not cursor.connection.autocommit
        with _as_lost_connection(cursor.connection):
            trouble.around(
                "sql", _label(statement, parameters), execute, psycopg.OperationalError, alone=in_transaction
            )
        return True

    commit = engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        trouble.around("sql", "COMMIT", lambda: commit(connection), psycopg.OperationalError, alone=True)

    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]
    engine.connect().close()  # SQLAlchemy asks the server a few things first, under a lock of its own
    return engine


@contextmanager
def _as_lost_connection(connection: Any) -> Iterator[None]:
    """What a session held is free once its connection is lost, and at once, so that runs are repeatable."""
    try:
        yield
    except (psycopg.OperationalError, Killed):
        connection.rollback()
        connection.execute("SELECT pg_advisory_unlock_all()")
        connection.rollback()
        raise


def _label(statement: str, parameters: Any) -> str:
    to = (parameters or {}).get("status", "")
    return " ".join(statement.split()[:5])[:60] + (f" → {to}" if to else "")


class VirtualRedis(redis.Redis):
    """A client on virtual time, with an await point at every command, script and pipeline."""

    time_: Time
    trouble_: Trouble

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command."""

        def execute() -> Any:
            timed = [str(self.time_.redis_us()) if one == _MOMENT else one for one in args]
            return super(VirtualRedis, self).execute_command(*timed, **options)

        return self.trouble_.around("redis", _command(args), execute, _lost)

    def time(self, **_: Any) -> Any:
        """Redis' virtual clock; asked for like any other command."""
        return self.trouble_.around("redis", "TIME", lambda: divmod(self.time_.redis_us(), 1_000_000), _lost)

    def register_script(self, script: Any) -> Any:
        """The script, told the virtual time as its last key."""
        assert "'TIME'" not in script.replace(_TIME, "")
        registered = super().register_script(script.replace(_TIME, _VIRTUAL_TIME))
        super().execute_command("SCRIPT LOAD", registered.script)
        return lambda keys, args: registered(keys=[*keys, _MOMENT], args=args)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        """A pipeline is one await point."""
        made = VirtualPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        made.trouble_ = self.trouble_
        return made


class VirtualPipeline(Pipeline):
    """Commands that are sent together."""

    trouble_: Trouble

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """All of them."""
        what = "+".join(
            _command(command.args if hasattr(command, "args") else command[0]) for command in self.command_stack
        )
        return self.trouble_.around("redis", what, lambda: super(VirtualPipeline, self).execute(raise_on_error), _lost)


def _command(args: Sequence[Any]) -> str:
    words = [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in args]
    if words[0] != "EVALSHA":
        return " ".join([words[0], *words[1:3]]).replace("vidpoll:", "")
    keys = words[3 : 3 + int(words[2])]
    return f"script {keys[0]} {words[3 + len(keys) :][:4]}".replace("vidpoll:", "")


def _lost(reason: str) -> Exception:
    return redis.ConnectionError(reason)


def client(url: str, time: Time, trouble: Trouble) -> VirtualRedis:
    """A client of its own for a worker."""
    made = VirtualRedis.from_url(url)
    made.time_, made.trouble_ = time, trouble
    return made
