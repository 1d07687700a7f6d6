"""From events to deliveries, by a durable cursor over transactions: nothing is missed, and nothing made twice."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Row, bindparam, func, select, text, update
from sqlalchemy.types import BigInteger, Integer, Text, Uuid

from vidpoll.store import webhook_tables
from vidpoll.store.engine import EngineBound, transaction
from vidpoll.webhooks.events import GENERATION, KINDS, PROJECT

_CURSOR: Final = webhook_tables.webhook_cursor
#: Events a page of them holds.
PAGE: Final = 500


class GenerationNews(NamedTuple):
    """A line of ``generation_events`` that endpoints are to be told; see webhook_news.sql."""

    id: int
    generation_id: UUID
    owner: str
    project_id: str | None
    version: int
    kind: str
    status: str
    data: dict[str, Any]
    at: datetime
    transaction_id: int
    idempotency_key: str | None
    provider: str
    model: str
    of_kind: str
    endpoints: list[UUID]


class ProjectNews(NamedTuple):
    """The end of a project that endpoints are to be told; see webhook_project_news.sql."""

    id: int
    project_id: UUID
    owner: str
    version: int
    kind: str
    document: dict[str, Any]
    at: datetime
    transaction_id: int
    endpoints: list[UUID]


class NewDelivery(NamedTuple):
    """A delivery that is to be made."""

    endpoint_id: UUID
    event_id: str
    event_type: str
    subject: UUID
    version: int
    body: str


News = GenerationNews | ProjectNews
Write = Callable[[News], Sequence[NewDelivery]]


@dataclass(frozen=True, slots=True)
class _Since:
    """Where to read on.

    Attributes:
        transaction: every older one had ended, and was read.
        at: events before this moment were read, too.
        seen: the snapshot by which all pages are read; None for whatever is committed.
        endpoint: whose news; None for everybody's.
    """

    transaction: int
    at: str
    seen: str | None = None
    endpoint: UUID | None = None


class WebhookOutbox(EngineBound):
    """What happened, turned into what is to be sent."""

    def make_deliveries(self, write: Write) -> dict[UUID, float]:
        """Turn what was committed since the last time into deliveries; endpoints that got some, and when each is free.

        Of two at once the second waits, and finds it done. One that breaks off is done again from where it began.

        Args:
            write: the deliveries of an event, one for each of its ``endpoints``.
        """
        told: dict[UUID, float] = {}
        with transaction(self._engine) as connection:
            since, horizon = _begin(connection)
            for page in _pages(connection, since):
                rows = _made(connection, [one for news in page for one in write(news)])
                told |= {row.endpoint_id: row.free_s for row in rows}
            moved = {"transaction_id": horizon, "moved_at": func.now()}
            connection.execute(update(_CURSOR).where(_CURSOR.c.name == "events").values(**moved))
        return told

    def make_deliveries_again(self, endpoint_id: UUID, since: datetime, write: Write) -> int:
        """Make those of one endpoint that were never made since a moment, since it was disabled then; how many."""
        made = 0
        with transaction(self._engine) as connection:
            for page in _pages(connection, _Since(0, since.isoformat(), endpoint=endpoint_id)):
                made += sum(row.deliveries for row in _made(connection, [one for news in page for one in write(news)]))
        return made


def _begin(connection: Connection) -> tuple[_Since, int]:
    """Where to read on, nobody else doing so; and where the next is to. What commits after this is found then.

    No event is older than the margin that was not read. So the past is not told again where the database was restored
    into another cluster, whose transactions are counted anew: then old numbers say nothing, or come up once more.
    """
    query = select(_CURSOR.c.transaction_id, func.to_char(_CURSOR.c.moved_at - _MARGIN, _ISO)).with_for_update()
    transaction_id, from_at = connection.execute(query.where(_CURSOR.c.name == "events")).one()
    oldest, following, seen = connection.execute(_HORIZON).one()
    if transaction_id > following:
        return _Since(0, from_at), oldest
    return _Since(transaction_id, from_at, seen), oldest


def _pages(connection: Connection, since: _Since) -> Iterator[list[News]]:
    kinds: tuple[tuple[Any, type[GenerationNews | ProjectNews], str], ...] = (
        (_NEWS, GenerationNews, GENERATION), (_PROJECT_NEWS, ProjectNews, PROJECT),
    )  # fmt: skip
    for query, made, subject in kinds:
        after = 0
        while True:
            where = {"since": since.transaction, "from_at": since.at, "seen": since.seen, "endpoint": since.endpoint}
            given = {**where, "after": after, "most": PAGE, "kinds": list(KINDS[subject])}
            rows = connection.execute(query, given).mappings().all()
            yield [made(**{name: row[name] for name in made._fields}) for row in rows]
            if len(rows) < PAGE:
                break
            after = rows[-1]["id"]


def _made(connection: Connection, deliveries: Sequence[NewDelivery]) -> Sequence[Row[Any]]:
    """Write them; a row for each endpoint that got some, see webhook_outbox.sql."""
    if not deliveries:
        return ()
    given = {
        "endpoints": [one.endpoint_id for one in deliveries],
        "events": [one.event_id for one in deliveries],
        "types": [one.event_type for one in deliveries],
        "subjects": [one.subject for one in deliveries],
        "versions": [one.version for one in deliveries],
        "bodies": [one.body for one in deliveries],
    }
    return connection.execute(_OUTBOX, given).all()


def _sql(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text()


#: Longer than any transaction that writes events.
_MARGIN: Final = text("interval '1 day'")
_ISO: Final = 'YYYY-MM-DD"T"HH24:MI:SSOF'
_HORIZON: Final = text(
    "SELECT pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint, now::text"
    " FROM pg_current_snapshot() AS now"
)
_GIVEN: Final = (
    bindparam("since", type_=BigInteger),
    bindparam("after", type_=BigInteger),
    bindparam("from_at", type_=Text),
    bindparam("seen", type_=Text),
    bindparam("endpoint", type_=Uuid),
    bindparam("kinds", type_=ARRAY(Text)),
)
_NEWS: Final = text(_sql("webhook_news")).bindparams(*_GIVEN)
_PROJECT_NEWS: Final = text(_sql("webhook_project_news")).bindparams(*_GIVEN)
_OUTBOX: Final = text(_sql("webhook_outbox")).bindparams(
    bindparam("endpoints", type_=ARRAY(Uuid)),
    bindparam("events", type_=ARRAY(Text)),
    bindparam("types", type_=ARRAY(Text)),
    bindparam("subjects", type_=ARRAY(Uuid)),
    bindparam("versions", type_=ARRAY(Integer)),
    bindparam("bodies", type_=ARRAY(Text)),
)
