"""Deliveries in Postgres: who sends them, what came of each try, what is sent again.

A worker *holds* an endpoint while it sends to it, so no two send to one at once, whatever became of the lanes. What
came of a try is noted whether it still holds it or not.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, bindparam, func, insert, or_, select, text, update
from sqlalchemy.types import Boolean, DateTime, Float, Text, Uuid

from vidpoll.store import webhook_tables
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.times import later
from vidpoll.webhooks.endpoints import Delivery, Due, Hold
from vidpoll.webhooks.retrying import DOWN_AFTER

_ENDPOINT: Final = webhook_tables.webhook_endpoints.c
_SECRET: Final = webhook_tables.webhook_secrets.c
_ROW: Final = webhook_tables.webhook_deliveries.c
_SHOWN: Final = (
    _ROW.id, _ROW.event_id, _ROW.event_type, _ROW.subject, _ROW.version, _ROW.status, _ROW.attempts, _ROW.tries,
    _ROW.next_at, _ROW.last_tried_at, _ROW.last_status, _ROW.last_words, _ROW.created_at, _ROW.ended_at,
)  # fmt: skip


class WebhookDeliveries(EngineBound):
    """What is on its way."""

    # -- sending ------------------------------------------------------------------------------------------------------

    def hold_endpoint(self, id: UUID, holder: UUID, hold_s: float) -> Hold | None:
        """Have an endpoint for oneself for so many seconds; None while it is disabled, rests, or is another's.

        Holding it again goes on holding it.
        """
        free = or_(_ENDPOINT.held_until.is_(None), _ENDPOINT.held_until < func.now(), _ENDPOINT.held_by == holder)
        rested = or_(_ENDPOINT.rests_until.is_(None), _ENDPOINT.rests_until <= func.now())
        held = update(_ENDPOINT.id.table).where(_ENDPOINT.id == id, _ENDPOINT.status == "enabled", free, rested)
        failing_s = func.extract("epoch", func.now() - _ENDPOINT.failing_since).cast(Float)
        told = (_ENDPOINT.owner, _ENDPOINT.url, _ENDPOINT.failures_in_a_row, failing_s.label("failing_s"))
        valid = or_(_SECRET.expires_at.is_(None), _SECRET.expires_at > func.now())
        with answering(self._engine) as connection:
            row = connection.execute(
                held.values(held_by=holder, held_until=later(hold_s)).returning(*told)
            ).one_or_none()
            if row is None:
                return None
            query = select(_SECRET.secret).where(_SECRET.endpoint_id == id, valid).order_by(_SECRET.id.desc())
            keys = tuple(connection.execute(query).scalars())
            return Hold(id, row.owner, row.url, keys, row.failures_in_a_row, row.failing_s)

    def due_deliveries(self, id: UUID, *, probe: bool, most: int) -> list[Due]:
        """What is to be sent to an endpoint now, of each subject one; see webhook_due.sql."""
        with answering(self._engine) as connection:
            rows = connection.execute(_DUE, {"endpoint": id, "probe": probe, "most": most}).mappings()
            return [Due(**row) for row in rows]

    def delivered(self, delivery_id: int, status: int | None) -> None:
        """Waiting → delivered."""
        self._tried(delivery_id, status, None, status_after="delivered", ended_at=func.now())

    def not_delivered(
        self, delivery_id: int, status: int | None, words: str, *, attempts: int, again_s: float | None, counts: bool
    ) -> None:
        """Waiting → waiting, tried again in ``again_s`` seconds, or → failed when that is None.

        A try that does not count leaves the schedule as it is: then ``again_s`` is not looked at.
        """
        if not counts:
            self._tried(delivery_id, status, words, next_at=_ROW.scheduled_at)
        elif again_s is None:
            self._tried(delivery_id, status, words, status_after="failed", attempts=attempts, ended_at=func.now())
        else:
            at = later(again_s)
            self._tried(delivery_id, status, words, attempts=attempts, next_at=at, scheduled_at=at)

    def _tried(
        self, id: int, status: int | None, words: str | None, *, status_after: str = "waiting", **values: Any
    ) -> None:
        tried = {"tries": _ROW.tries + 1, "last_tried_at": func.now(), "last_status": status, "last_words": words}
        moved = update(_ROW.id.table).where(_ROW.id == id, _ROW.status == "waiting")
        with answering(self._engine) as connection:
            connection.execute(moved.values(status=status_after, **tried, **values))

    def endpoint_works(self, id: UUID) -> None:
        """It took something: what waits for it is due now, whatever its schedule says."""
        anew = {"failing_since": None, "failures_in_a_row": 0, "rests_until": None, "last_delivered_at": func.now()}
        waits = (_ROW.endpoint_id == id, _ROW.status == "waiting", _ROW.next_at > func.now())
        with answering(self._engine) as connection:
            was = connection.execute(select(_ENDPOINT.failures_in_a_row).where(_ENDPOINT.id == id)).scalar_one_or_none()
            connection.execute(update(_ENDPOINT.id.table).where(_ENDPOINT.id == id).values(**anew))
            if was is not None and was >= DOWN_AFTER:
                connection.execute(update(_ROW.id.table).where(*waits).values(next_at=func.now()))

    def endpoint_fails(self, id: UUID, failures_in_a_row: int, rest_s: float | None) -> None:
        """It failed so many times in a row; nothing is sent to it for ``rest_s`` seconds, if given."""
        values: dict[str, Any] = {
            "failures_in_a_row": failures_in_a_row,
            "failing_since": func.coalesce(_ENDPOINT.failing_since, func.now()),
        }
        if rest_s is not None:
            values["rests_until"] = later(rest_s)
        with answering(self._engine) as connection:
            connection.execute(update(_ENDPOINT.id.table).where(_ENDPOINT.id == id).values(**values))

    def let_go(self, id: UUID, holder: UUID) -> None:
        """Hold it no longer."""
        mine = update(_ENDPOINT.id.table).where(_ENDPOINT.id == id, _ENDPOINT.held_by == holder)
        with answering(self._engine) as connection:
            connection.execute(mine.values(held_by=None, held_until=None))

    def endpoints_next(self, ids: Sequence[UUID] | None = None) -> dict[UUID, float]:
        """Endpoints for which something waits, and in how many seconds it is due; see webhook_next.sql."""
        given = {"endpoints": None if ids is None else list(ids), "down": DOWN_AFTER}
        with answering(self._engine) as connection:
            return {row.id: row.seconds for row in connection.execute(_NEXT, given)}

    # -- reading, and what somebody asks for --------------------------------------------------------------------------

    def deliveries(
        self, endpoint_id: UUID, *, before: int | None = None, status: str | None = None, limit: int = 50
    ) -> list[Delivery]:
        """The newest of an endpoint, older than the one ``before`` names."""
        query = select(*_SHOWN).where(_ROW.endpoint_id == endpoint_id)
        if before is not None:
            query = query.where(_ROW.id < before)
        if status is not None:
            query = query.where(_ROW.status == status)
        with answering(self._engine) as connection:
            rows = connection.execute(query.order_by(_ROW.id.desc()).limit(limit)).mappings()
            return [Delivery(**row) for row in rows]

    def add_delivery(self, endpoint_id: UUID, event_id: str, event_type: str, subject: UUID, body: str) -> int:
        """Have something sent that no event made: a test. Its number."""
        values = {"event_id": event_id, "event_type": event_type, "subject": subject, "version": 1, "body": body}
        made = insert(_ROW.id.table).values(endpoint_id=endpoint_id, **values).returning(_ROW.id)
        with answering(self._engine) as connection:
            return int(connection.execute(made).scalar_one())

    def delivery(self, endpoint_id: UUID, id: int) -> Delivery | None:
        """One of an endpoint."""
        query = select(*_SHOWN).where(_ROW.endpoint_id == endpoint_id, _ROW.id == id)
        with answering(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
            return Delivery(**row) if row else None

    def replay(
        self, endpoint_id: UUID, *, event_id: str | None = None, since: datetime | None = None, failed: bool = False
    ) -> int:
        """Send once more what ended, under the same ids; how many. See webhook_replay.sql."""
        given = {"endpoint": endpoint_id, "event": event_id, "since": since, "failed": failed}
        with answering(self._engine) as connection:
            return int(connection.execute(_REPLAY, given).scalar_one())

    def probe_soon(self, id: UUID) -> None:
        """End an endpoint's rest: somebody wants to see whether it is up."""
        with answering(self._engine) as connection:
            connection.execute(update(_ENDPOINT.id.table).where(_ENDPOINT.id == id).values(rests_until=None))

    def webhook_state(self) -> dict[str, float]:
        """What an operator watches: endpoints by state, what waits and was given up, how long the oldest waits."""
        with answering(self._engine) as connection:
            row = connection.execute(_STATE, {"down": DOWN_AFTER}).mappings().one()
            return {name: float(value) for name, value in row.items()}


def _sql(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text()


_DUE: Final = text(_sql("webhook_due")).bindparams(bindparam("probe", type_=Boolean), bindparam("endpoint", type_=Uuid))
_NEXT: Final = text(_sql("webhook_next")).bindparams(bindparam("endpoints", type_=ARRAY(Uuid)))
_REPLAY: Final = text(_sql("webhook_replay")).bindparams(
    bindparam("endpoint", type_=Uuid),
    bindparam("event", type_=Text),
    bindparam("since", type_=DateTime(timezone=True)),
    bindparam("failed", type_=Boolean),
)
_STATE: Final = text(_sql("webhook_state"))
