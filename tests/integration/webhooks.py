"""Plays dispatcher and worker for webhooks, and lets time pass by moving rows into the past."""

import uuid
from typing import Any

import psycopg

from tests.integration.driver import Driver
from vidpoll.delivering import Webhooks
from vidpoll.lanes import WEBHOOKS
from vidpoll.services import Services
from vidpoll.store import Store
from vidpoll.webhooks.endpoints import Delivery, Endpoint, EndpointRequest
from vidpoll.webhooks.signing import new_secret

MOMENTS = {
    "webhook_endpoints": ("failing_since", "rests_until", "held_until", "last_delivered_at"),
    "webhook_deliveries": ("next_at", "scheduled_at", "last_tried_at", "created_at", "ended_at"),
    "webhook_secrets": ("expires_at",),
}


class Postman:
    """Sends what is due now, as a worker's task would."""

    def __init__(self, services: Services, driver: Driver, database_url: str) -> None:
        self.store: Store = services.store
        self.driver, self._database_url = driver, database_url
        self.lanes = services.lanes
        self.webhooks = Webhooks(services, driver.lifecycle, threads=16)

    def endpoint(self, url: str, owner: str = "alice", **changes: Any) -> tuple[uuid.UUID, str]:
        """A new endpoint, and its secret."""
        request = EndpointRequest.checked({"owner": owner, "url": url, **changes}, local=True)
        id, secret = uuid.uuid4(), new_secret()
        self.store.add_endpoint(request, id, secret)
        return id, secret

    def get(self, id: uuid.UUID) -> Endpoint:
        return self.store.endpoint(id)

    def deliveries(self, id: uuid.UUID) -> list[Delivery]:
        """Oldest first."""
        return self.store.deliveries(id, limit=10_000)[::-1]

    def round(self) -> None:
        """Once what the lane hands out now."""
        self.webhooks.work(self.driver.claim(WEBHOOKS)[0])

    def run(self) -> None:
        """See what is new, then send until nothing more is due at once."""
        self.webhooks.make_deliveries()
        for _ in range(50):
            claimed = self.driver.claim(WEBHOOKS)[0]
            if not claimed:
                return
            self.webhooks.work(claimed)
        raise AssertionError("it does not end")

    def pass_time(self, seconds: float) -> None:
        """So much later: every moment of webhooks lies further back, and the lane is rebuilt from them."""
        with psycopg.connect(self._database_url) as connection:
            for table, columns in MOMENTS.items():
                sets = ", ".join(f"{column} = {column} - make_interval(secs => %s)" for column in columns)
                connection.execute(f"UPDATE {table} SET {sets}", [seconds] * len(columns))
        self.lanes._redis.delete(WEBHOOKS.key("due"), WEBHOOKS.key("claims"))
        self.webhooks.sweep()
