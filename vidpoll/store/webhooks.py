"""Webhook endpoints in Postgres: made, read, rotated, enabled, disabled, removed. What is sent to them is apart."""

from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, text, update
from sqlalchemy.types import Text, Uuid

from vidpoll.errors import EndpointNotFound, WrongState
from vidpoll.store import webhook_tables
from vidpoll.store.engine import EngineBound, answering, transaction
from vidpoll.store.times import later
from vidpoll.webhooks.endpoints import MOST_ENDPOINTS, MOST_SECRETS, DisabledCode, Endpoint, EndpointRequest

_ROW: Final = webhook_tables.webhook_endpoints.c
_DELIVERY: Final = webhook_tables.webhook_deliveries.c
_SECRET: Final = webhook_tables.webhook_secrets.c
#: Endpoints a list holds at most.
_MOST_LISTED: Final = 1000


class WebhookEndpoints(EngineBound):
    """What is asked for, and how it stands. ``owner`` means: only if it is theirs."""

    def add_endpoint(self, request: EndpointRequest, id: UUID, secret: str) -> None:
        """Make an endpoint with its first secret; it is told what is committed from now on.

        Raises:
            WrongState: the owner has as many as one may have.
        """
        with transaction(self._engine) as connection:
            held = select(func.count()).where(_ROW.owner == request.owner)
            if connection.execute(held).scalar_one() >= MOST_ENDPOINTS:
                raise WrongState(f"{request.owner} has {MOST_ENDPOINTS} endpoints, which is the most; remove one first")
            connection.execute(insert(_ROW.id.table).values(id=id, **request.model_dump()))
            connection.execute(insert(_SECRET.id.table).values(endpoint_id=id, secret=secret))

    def endpoint(self, id: UUID, *, owner: str | None = None) -> Endpoint:
        """How one stands.

        Raises:
            EndpointNotFound: there is none.
        """
        found = self._endpoints(id, owner)
        if not found:
            raise EndpointNotFound(id)
        return found[0]

    def endpoints(self, owner: str | None = None) -> list[Endpoint]:
        """The owner's, or everybody's; newest first."""
        return self._endpoints(None, owner)

    def _endpoints(self, id: UUID | None, owner: str | None) -> list[Endpoint]:
        with answering(self._engine) as connection:
            rows = connection.execute(_ENDPOINT, {"id": id, "owner": owner, "most": _MOST_LISTED}).mappings()
            return [Endpoint(**row) for row in rows]

    def rotate_secret(self, id: UUID, secret: str, *, keep_s: float, owner: str | None = None) -> None:
        """Sign with ``secret`` from now on, and with those before for ``keep_s`` seconds more.

        Raises:
            EndpointNotFound: there is none.
            WrongState: so many secrets are valid that another would be too many.
        """
        with transaction(self._engine) as connection:
            _locked(connection, id, owner)
            mine, valid = _SECRET.endpoint_id == id, or_(_SECRET.expires_at.is_(None), _SECRET.expires_at > func.now())
            valid_now = connection.execute(select(func.count()).where(mine, valid)).scalar_one()
            if keep_s > 0 and valid_now >= MOST_SECRETS:
                raise WrongState(f"{valid_now} secrets are valid, which is the most; wait, or end them: --keep-hours 0")
            expires_at = func.least(_SECRET.expires_at, later(keep_s))  # which passes over NULL
            connection.execute(update(_SECRET.id.table).where(mine, valid).values(expires_at=expires_at))
            connection.execute(insert(_SECRET.id.table).values(endpoint_id=id, secret=secret))

    def disable_endpoint(self, id: UUID, code: DisabledCode, reason: str, *, owner: str | None = None) -> bool:
        """Send it nothing more; what waits stays. False where it was disabled before.

        Raises:
            EndpointNotFound: there is none.
        """
        disabled = {"status": "disabled", "disabled_code": code, "disabled_reason": reason}
        with transaction(self._engine) as connection:
            return _changed(connection, id, owner, "enabled", disabled)

    def enable_endpoint(self, id: UUID, *, owner: str | None = None) -> bool:
        """Send to it again, first what waits, and that now; False where it was enabled.

        Raises:
            EndpointNotFound: there is none.
        """
        anew = {"failing_since": None, "failures_in_a_row": 0, "rests_until": None}
        enabled = {"status": "enabled", "disabled_code": None, "disabled_reason": None, **anew}
        with transaction(self._engine) as connection:
            if not _changed(connection, id, owner, "disabled", enabled):
                return False
            waits = (_DELIVERY.endpoint_id == id, _DELIVERY.status == "waiting")
            connection.execute(update(_DELIVERY.id.table).where(*waits).values(next_at=func.now()))
        return True

    def remove_endpoint(self, id: UUID, *, owner: str | None = None) -> None:
        """Delete it, its secrets and its deliveries.

        Raises:
            EndpointNotFound: there is none.
        """
        whose = () if owner is None else (_ROW.owner == owner,)
        with answering(self._engine) as connection:
            if not connection.execute(delete(_ROW.id.table).where(_ROW.id == id, *whose)).rowcount:
                raise EndpointNotFound(id)


def _locked(connection: Connection, id: UUID, owner: str | None) -> str:
    """Its status, while nobody else changes it."""
    whose = () if owner is None else (_ROW.owner == owner,)
    query = select(_ROW.status).where(_ROW.id == id, *whose).with_for_update(key_share=True)
    found = connection.execute(query).one_or_none()
    if found is None:
        raise EndpointNotFound(id)
    return str(found.status)


def _changed(connection: Connection, id: UUID, owner: str | None, expected: str, values: dict[str, Any]) -> bool:
    if _locked(connection, id, owner) != expected:
        return False
    connection.execute(update(_ROW.id.table).where(_ROW.id == id).values(updated_at=func.now(), **values))
    return True


_ENDPOINT: Final = text((Path(__file__).parent / "webhook_endpoint.sql").read_text()).bindparams(
    bindparam("id", type_=Uuid), bindparam("owner", type_=Text)
)
