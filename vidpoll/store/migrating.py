"""Bring a database up to the tables this version needs. Alembic, configured here instead of in an ini file."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from vidpoll.store.engine import answering


def upgrade(engine: Engine) -> str:
    """Run every migration the database has not had; the revision it has then.

    Safe to run again, and from several processes at once: an advisory lock lets one go first.

    Raises:
        StoreUnavailable: Postgres does not answer.
    """
    config = _config()
    with answering(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        return MigrationContext.configure(connection).get_current_revision() or ""


def head() -> str:
    """The revision this version needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
