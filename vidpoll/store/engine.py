"""The connection pool to Postgres, and the edge where its errors become ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, TimeoutError

from vidpoll.errors import NotConfigured, StoreUnavailable
from vidpoll.store.patience import PatientConnection

#: Seconds a statement may run before Postgres ends it, and seconds to wait for a free connection.
STATEMENT_TIMEOUT_S = 15
POOL_TIMEOUT_S = 10
#: What Postgres does about a client that vanished with its host: without it, the locks that one held, of a sweep for
#: one, would stay for the hours the system's own keep-alive takes. (Of no effect where client and server are one host.)
_NOTICED_BY_POSTGRES = (
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20000"
)


def connect(database_url: str, *, pool_size: int = 5, statement_timeout_s: float = STATEMENT_TIMEOUT_S) -> Engine:
    """A pool of ``pool_size`` connections; nothing is connected before the first statement.

    A statement that takes longer than ``statement_timeout_s`` is ended.

    Every statement commits by itself: each transition of the store is one statement, so it is one transaction too.

    Raises:
        NotConfigured: the URL is not one of Postgres.

    Example:
        >>> connect("postgresql://postgres@127.0.0.1:5432/vidpoll").dialect.driver
        'psycopg'
    """
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        raise NotConfigured(
            "the database URL cannot be read; write postgresql://user:password@host:port/name"
        ) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise NotConfigured(f"the database must be Postgres, the URL says {url.get_backend_name()!r}")
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
        pool_size=pool_size,
        max_overflow=4,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=False,
        pool_recycle=1800,
        connect_args={
            "connect_timeout": 5,
            "application_name": "vidpoll",
            "options": f"-c statement_timeout={statement_timeout_s * 1000:.0f} {_NOTICED_BY_POSTGRES}",
            # A peer that vanished is noticed within half a minute, also by a connection that nobody uses.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
    )
    event.listen(engine, "do_connect", _connect_patiently)
    return engine


def _connect_patiently(dialect: object, record: object, arguments: list[Any], options: dict[str, Any]) -> Any:
    return PatientConnection.connect(*arguments, **options)


def nobody_listens() -> None:
    """What to do about new events where nobody waits for them."""


def nobody_advances(project_id: UUID) -> None:
    """What to do for a project where nobody can be told: the sweep of ``advancing.py`` finds it."""


def nobody_delivers() -> None:
    """What to do for webhooks where nobody can be told: the sweep of ``delivering.py`` finds the events."""


class EngineBound:
    """Base of the store's parts: what they share is the pool.

    Args:
        on_events: called after each commit that wrote events; it must be quick and not raise.
        on_project: called with a project's id after each commit that ended one of its steps; it must not raise.
        on_webhooks: called after each commit that ended something an endpoint may be told of; it must not raise.
    """

    def __init__(
        self,
        engine: Engine,
        on_events: Callable[[], None] = nobody_listens,
        on_project: Callable[[UUID], None] = nobody_advances,
        on_webhooks: Callable[[], None] = nobody_delivers,
    ) -> None:
        self._engine = engine
        self._on_events = on_events
        self._on_project = on_project
        self._on_webhooks = on_webhooks


@contextmanager
def answering(engine: Engine) -> Iterator[sqlalchemy.Connection]:
    """A connection of the pool; a Postgres that does not answer raises StoreUnavailable."""
    try:
        with engine.connect() as connection:
            yield connection
    except (OperationalError, InterfaceError, TimeoutError) as error:
        raise StoreUnavailable(f"Postgres: {_first_line(error)}") from error
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
            raise NotConfigured("the database lacks tables this version needs; run `vidpoll db upgrade`") from None
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise NotConfigured(f"Postgres: {_first_line(error)}; config/roles.sql has what each role may do") from None
        if error.connection_invalidated or isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction):
            raise StoreUnavailable(f"Postgres: {_first_line(error)}") from error
        raise


@contextmanager
def transaction(engine: Engine) -> Iterator[sqlalchemy.Connection]:
    """The same, for several statements that commit together."""
    with answering(engine) as connection:
        connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            yield connection


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
