"""What other services do with webhook endpoints: a part of :class:`vidpoll.Client`. All of it needs the database."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from vidpoll import messages
from vidpoll.errors import BrokerUnavailable, InvalidRequest, WrongState

if TYPE_CHECKING:
    from vidpoll.settings import Settings
    from vidpoll.store import Store
    from vidpoll.webhooks.endpoints import Delivery, Endpoint

log = logging.getLogger("vidpoll.client")

#: Hours for which the secret before stays valid, if not told otherwise; and at most.
KEEP_HOURS: Final = 24.0
MOST_KEEP_HOURS: Final = 30 * 24.0


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint's newest secret, which is never shown again.

    Attributes:
        secret: ``whsec_…``, what its receiver verifies with.
    """

    endpoint_id: UUID
    secret: str = field(repr=False)


class WebhookCalls:
    """Endpoints, and what was sent to them. With ``owner``: only if it is theirs."""

    if TYPE_CHECKING:

        @property
        def _settings(self) -> "Settings": ...
        def _readable(self) -> "Store": ...
        def _send(self, task: str, payloads: Sequence[Mapping[str, Any]]) -> None: ...

    def add_webhook(
        self, owner: str, url: str, *, event_types: Sequence[str] | None = None, description: str = ""
    ) -> NewSecret:
        """Have the owner's events sent to ``url``, from now on.

        Args:
            event_types: which; all of them if not given (``vidpoll.webhooks.events.TYPES``).

        Raises:
            InvalidRequest: naming everything that is wrong, an address that is not public for one.
            WrongState: the owner has as many as one may have.
            StoreUnavailable: the database does not answer.

        Example::

            made = client.add_webhook("alice", "https://example.com/hooks", event_types=["generation.completed"])
            keep(made.secret)
        """
        from vidpoll.resolving import Resolver
        from vidpoll.webhooks.endpoints import EndpointRequest
        from vidpoll.webhooks.signing import new_secret

        fields: dict[str, Any] = {"owner": owner, "url": url, "description": description}
        if event_types is not None:
            fields["event_types"] = list(event_types)
        local = self._settings.webhooks_local
        request = EndpointRequest.checked(fields, local=local, look_up=Resolver().addresses)
        made = NewSecret(uuid4(), new_secret())
        self._readable().add_endpoint(request, made.endpoint_id, made.secret)
        return made

    def webhook(self, id: UUID | str, *, owner: str | None = None) -> "Endpoint":
        """How an endpoint stands.

        Raises:
            EndpointNotFound: it is not there.
        """
        return self._readable().endpoint(messages.as_uuid(id), owner=owner)

    def webhooks(self, owner: str | None = None) -> "list[Endpoint]":
        """The owner's endpoints, or everybody's; newest first."""
        return self._readable().endpoints(owner)

    def webhook_deliveries(
        self,
        id: UUID | str,
        *,
        owner: str | None = None,
        before: int | None = None,
        status: str | None = None,
        limit: int = 50,
    ) -> "list[Delivery]":
        """What was, and is to be, sent to an endpoint; newest first.

        Raises:
            EndpointNotFound: it is not there.
        """
        store, endpoint = self._readable(), self.webhook(id, owner=owner)
        return store.deliveries(endpoint.id, before=before, status=status, limit=limit)

    def rotate_webhook_secret(
        self, id: UUID | str, *, keep_hours: float = KEEP_HOURS, owner: str | None = None
    ) -> NewSecret:
        """A new secret; for ``keep_hours`` more, what is sent is signed with those before as well.

        Raises:
            InvalidRequest: ``keep_hours`` is out of range.
            EndpointNotFound: it is not there.
            WrongState: too many secrets are valid.
        """
        from vidpoll.webhooks.signing import new_secret

        if not 0 <= keep_hours <= MOST_KEEP_HOURS:
            raise InvalidRequest([f"keep_hours: must be 0 to {MOST_KEEP_HOURS:g}"])
        made = NewSecret(messages.as_uuid(id), new_secret())
        self._readable().rotate_secret(made.endpoint_id, made.secret, keep_s=keep_hours * 3600, owner=owner)
        return made

    def disable_webhook(self, id: UUID | str, *, owner: str | None = None) -> bool:
        """Send it nothing more; what happens meanwhile only :meth:`replay_webhook` sends. False if it was disabled.

        Raises:
            EndpointNotFound: it is not there.
        """
        return self._readable().disable_endpoint(messages.as_uuid(id), "asked", "somebody asked for it", owner=owner)

    def enable_webhook(self, id: UUID | str, *, owner: str | None = None) -> bool:
        """Send to it again, what waits first; False if it was enabled.

        Raises:
            EndpointNotFound: it is not there.
        """
        enabled = self._readable().enable_endpoint(messages.as_uuid(id), owner=owner)
        self._deliver_soon(messages.as_uuid(id))
        return enabled

    def remove_webhook(self, id: UUID | str, *, owner: str | None = None) -> None:
        """Delete it, and what waits for it.

        Raises:
            EndpointNotFound: it is not there.
        """
        self._readable().remove_endpoint(messages.as_uuid(id), owner=owner)

    def test_webhook(self, id: UUID | str, *, owner: str | None = None) -> int:
        """Have a ``webhook.test`` sent, once and now; the delivery's number, for :meth:`webhook_delivery`.

        Raises:
            EndpointNotFound: it is not there.
            WrongState: it is disabled.
        """
        from vidpoll.webhooks import events

        store, endpoint = self._readable(), self.webhook(id, owner=owner)
        if endpoint.status == "disabled":
            raise WrongState(f"endpoint {endpoint.id} is disabled: {endpoint.disabled_reason}; enable it first")
        number = uuid4()
        body = events.body(events.TEST, datetime.now(UTC), {"endpoint_id": str(endpoint.id)})
        delivery_id = store.add_delivery(endpoint.id, f"evt_test_{number.hex}", events.TEST, number, body)
        store.probe_soon(endpoint.id)
        self._deliver_soon(endpoint.id)
        return delivery_id

    def webhook_delivery(self, id: UUID | str, delivery_id: int) -> "Delivery | None":
        """One delivery of an endpoint, None if there is no such."""
        return self._readable().delivery(messages.as_uuid(id), delivery_id)

    def replay_webhook(
        self,
        id: UUID | str,
        *,
        event_id: str | None = None,
        since: datetime | None = None,
        failed: bool = False,
        owner: str | None = None,
    ) -> int:
        """Send again what was delivered or given up, under the same ids; how many.

        Args:
            event_id: this one alone.
            since: what happened since then; also what was never sent, since the endpoint was disabled.
            failed: only what was given up.

        Raises:
            InvalidRequest: none of the three says what.
            EndpointNotFound: it is not there.
            WrongState: it is disabled.
        """
        if event_id is None and since is None and not failed:
            raise InvalidRequest(["replay: say what: an event, since when, or what failed"])
        if since is not None and since.tzinfo is None:
            raise InvalidRequest(["since: must name its time zone"])
        store, endpoint = self._readable(), self.webhook(id, owner=owner)
        if endpoint.status == "disabled":
            raise WrongState(f"endpoint {endpoint.id} is disabled: {endpoint.disabled_reason}; enable it first")
        again = store.replay(endpoint.id, event_id=event_id, since=since, failed=failed)
        if since is not None and not failed and event_id is None:
            again += self._never_sent(endpoint.id, since)
        self._deliver_soon(endpoint.id)
        return again

    def _never_sent(self, id: UUID, since: datetime) -> int:
        from vidpoll.webhook_news import deliveries_of

        return self._readable().make_deliveries_again(id, since, deliveries_of)

    def _deliver_soon(self, id: UUID) -> None:
        """Tell a worker; while the broker is away, the sweep finds what waits."""
        try:
            self._send(messages.DELIVER, [{"ids": [str(id)]}])
        except BrokerUnavailable as error:
            log.warning("what waits for endpoint %s is stored, and sent when the broker answers again: %s", id, error)
