"""Bring a database up to the tables this version needs. Alembic, configured here instead of in an ini file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, func, inspect, select, text

from vidpoll.store.engine import answering
from vidpoll.store.patience import PatientConnection

#: Any constant of our own: whoever migrates first holds this advisory lock, others wait for it.
_LOCK: Final = 0x76_69_64_70_6F_6C_6C
#: Seconds a migration may wait for a lock on a table.
LOCK_TIMEOUT_S: Final = 10


def upgrade(engine: Engine, to: str = "head") -> str:
    """Run every migration up to ``to`` that the database has not had; the revision it has then.

    Safe to run again, from several processes at once (an advisory lock lets one go first), and while workers of this
    version or the one before are at work: a migration that cannot have its lock within ten seconds fails, rather than
    let everybody queue behind it; run it again then.

    Raises:
        StoreUnavailable: Postgres does not answer, or a lock could not be had.
    """
    config = _config()
    with _first_in_line(engine), answering(engine) as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_S * 1000}"))
        connection.rollback()
        cast(PatientConnection, connection.connection.driver_connection).patience_s = None
        connection.execution_options(isolation_level="READ COMMITTED")
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        _forget_foreign_transactions(connection)
        revision = MigrationContext.configure(connection).get_current_revision() or ""
        connection.rollback()
        connection.invalidate()  # its timeouts are not those of the pool
        return revision


def _forget_foreign_transactions(connection: Connection) -> None:
    """Of a dump restored into another cluster the events carry that one's transactions, which are yet to come here."""
    events = "generation_events"
    if not inspect(connection).has_table(events) or not _has_column(connection, events, "transaction_id"):
        return
    yet_to_come = "transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    connection.execute(text(f"UPDATE generation_events SET transaction_id = DEFAULT WHERE {yet_to_come}"))  # noqa: S608
    if inspect(connection).has_table("pruned"):
        connection.execute(text(f"UPDATE pruned SET transaction_id = 0 WHERE {yet_to_come}"))  # noqa: S608
    connection.commit()


def _has_column(connection: Connection, table: str, column: str) -> bool:
    return any(found["name"] == column for found in inspect(connection).get_columns(table))


@contextmanager
def _first_in_line(engine: Engine) -> Iterator[None]:
    """Hold the advisory lock. Waiting for it is polling: a blocked statement would hold up index builds."""
    with answering(engine) as connection:
        while not connection.execute(select(func.pg_try_advisory_lock(_LOCK))).scalar_one():
            time.sleep(0.2)
        try:
            yield
        finally:
            connection.execute(select(func.pg_advisory_unlock(_LOCK)))


def head() -> str:
    """The revision this version needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
