"""The route for vendors' webhooks: whom it answers what, and that it tells nothing of generations."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from tests import hooked
from tests.api.serving import served
from vidpoll import messages
from vidpoll.api import create_app
from vidpoll.api.settings import ApiSettings
from vidpoll.inbound.base import Post
from vidpoll.settings import Settings
from vidpoll.simulator import Simulator
from vidpoll.store import Store


@pytest.fixture
def settings(database_url: str, redis_url: str, redis_client: Any, simulator: Simulator, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=redis_url, broker_url=redis_url, database_url=database_url, simulator_url=simulator.url,
        providers_file=hooked.write(tmp_path), public_url=hooked.PUBLIC_URL, webhooks_secret=hooked.SECRET,
    )  # fmt: skip


class Vendor:
    """Sends webhooks to one API."""

    def __init__(self, settings: Settings, url: str, broker: "redis.Redis") -> None:
        self.accounts, self.url, self._broker = settings.accounts, url, broker

    def post(
        self, post: Post, provider: str = "replicate", account: str = "replicate", **query: Any
    ) -> requests.Response:
        where = f"{self.url}/v1/webhooks/in/{provider}/{account}"
        return requests.post(where, post.body, headers=dict(post.headers), params=query, timeout=30)

    def genuine(self, operation: str = "p1", id: uuid.UUID | None = None, **how: Any) -> requests.Response:
        generation, token = hooked.address(self.accounts["replicate"], id or uuid.uuid4())
        return self.post(hooked.prediction(operation, time.time(), **how), generation=generation, token=token)

    def told(self) -> list[dict[str, Any]]:
        """What workers would find in their queue."""
        found = [json.loads(one) for one in self._broker.lrange(messages.QUEUE_ACCEPT, 0, -1)]
        return [one["headers"] for one in found if one["headers"]["task"] == messages.WAKE]


@pytest.fixture
def vendor(settings: Settings, url: str, redis_client: Any) -> Vendor:
    return Vendor(settings, url, redis_client)


@pytest.fixture
def url(app: Any) -> Iterator[str]:
    with served(app) as address:
        yield address


def test_a_genuine_one_is_handed_to_a_worker_and_answered_shortly(vendor: Vendor):
    answer = vendor.genuine()

    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert len(vendor.told()) == 1


def test_sent_again_it_is_answered_alike_so_that_the_vendor_is_content(vendor: Vendor):
    id = uuid.uuid4()

    assert [vendor.genuine(id=id).status_code for _ in range(3)] == [200, 200, 200]
    assert len(vendor.told()) == 1


def test_of_progress_nobody_is_told(vendor: Vendor):
    assert vendor.genuine(status="processing").status_code == 200
    assert vendor.told() == []


def test_an_answer_tells_nothing_of_generations(vendor: Vendor, store: Store, make_request: Any):
    there = store.accept(make_request(provider="replicate", model=hooked.MODELS["replicate"]), "replicate").id

    answers = [vendor.genuine(id=id) for id in (there, uuid.uuid4())]

    assert len({(one.status_code, one.content) for one in answers}) == 1


@pytest.mark.parametrize(
    ("provider", "account"),
    [("replicate", "nobody"), ("fal", "replicate"), ("veo", "replicate"), ("replicate", "%00"), ("x", "../../healthz")],
)
def test_where_no_webhooks_are_wanted_there_are_none(vendor: Vendor, provider: str, account: str):
    assert vendor.post(hooked.prediction("p1", time.time()), provider, account).status_code in (404, 405)
    assert vendor.told() == []


def test_what_is_not_the_vendors_is_refused(vendor: Vendor):
    id = uuid.uuid4()
    generation, token = hooked.address(vendor.accounts["replicate"], id)
    now = time.time()
    genuine = hooked.prediction("p1", now)

    answers = [
        vendor.post(genuine, generation=generation, token="0" * 64),
        vendor.post(Post(genuine.headers, genuine.body + b" ", now), generation=generation, token=token),
        vendor.post(hooked.prediction("p1", now - 3600), generation=generation, token=token),
        vendor.post(Post({}, b"", now), generation=generation, token=token),
        vendor.post(genuine, token=token),
    ]

    assert [one.status_code for one in answers] == [401, 401, 401, 400, 400]
    assert [one.json()["code"] for one in answers] == [
        "unauthorized", "unauthorized", "aged_webhook", "malformed_webhook", "malformed_webhook",
    ]  # fmt: skip
    assert vendor.told() == []


def test_a_huge_body_is_not_read(vendor: Vendor):
    answer = vendor.post(Post({}, b"x" * (2 << 20), 0.0), generation=str(uuid.uuid4()), token="x")

    assert answer.status_code == 413


def test_an_address_that_posts_too_often_is_told_to_wait(settings: Settings, redis_client: Any):
    app = create_app(settings, ApiSettings(webhook_limit="3/minute"))
    with served(app) as url:
        vendor = Vendor(settings, url, redis_client)
        answers = [vendor.genuine() for _ in range(5)]

    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert "Retry-After" in answers[-1].headers


def test_while_it_cannot_be_verified_the_vendor_is_asked_to_send_it_again(settings: Settings, redis_client: Any):
    file = settings.providers_file
    file.write_text(
        file.read_text().replace(
            "[accounts.fal.models", '[accounts.fal.options]\njwks_url = "/none"\n[accounts.fal.models'
        )
    )
    with served(create_app(settings, ApiSettings())) as url:
        vendor = Vendor(settings, url, redis_client)
        generation, token = hooked.address(vendor.accounts["fal"], uuid.uuid4())
        headers = {f"x-fal-webhook-{name}": "1" for name in ("request-id", "user-id", "timestamp")}
        post = Post({**headers, "x-fal-webhook-signature": "00" * 64}, b"{}", 0.0)
        answer = vendor.post(post, "fal", "fal", generation=generation, token=token)

    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


def test_without_a_providers_file_none_are_received(settings: Settings, tmp_path: Path):
    without = settings.model_copy(update={"providers_file": tmp_path / "none.toml"})
    with served(create_app(Settings(**{**without.model_dump(), "webhooks_secret": None}), ApiSettings())) as url:
        answer = requests.post(f"{url}/v1/webhooks/in/replicate/replicate", b"{}", timeout=30)

    assert answer.status_code == 404
