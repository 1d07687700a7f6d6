"""Alembic's entry: runs the migrations on the connection that ``vidpoll.store.migrating`` hands over."""

from alembic import context
from sqlalchemy import text

from vidpoll.store.tables import metadata

#: Any constant of our own: whoever migrates first holds this advisory lock, others wait for it.
_LOCK = 0x76_69_64_70_6F_6C_6C

connection = context.config.attributes["connection"].execution_options(isolation_level="READ COMMITTED")
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    context.run_migrations()
