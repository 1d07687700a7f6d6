"""What the OpenAPI document says is what is answered: requests made up from it, good ones and bad ones."""

import random
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.api.serving import key_of, served
from tests.integration.driver import Driver
from tests.unit.projects import clip
from vidpoll.api import create_app
from vidpoll.api.settings import ApiSettings
from vidpoll.generation import Failure, Status
from vidpoll.projects.plan import ProjectRequest
from vidpoll.settings import Settings

NOWHERE = Settings(redis_url="redis://127.0.0.1:1/0", database_url="postgresql://nobody@127.0.0.1:1/none")
ENDLESS = ApiSettings(
    read_limit="1000000/second",
    write_limit="1000000/second",
    refresh_limit="1000000/second",
    webhook_limit="1000000/second",
    cors_origins=[],
)
#: Unknown query parameters are ignored; which providers, models and cursors there are, no schema can tell.
NOT_PROMISED = [negative_data_rejection, positive_data_acceptance]
#: Streams do not end, so they have tests of their own.
schema = schemathesis.openapi.from_dict(create_app(NOWHERE, ENDLESS).openapi()).exclude(path_regex="/events$")


class Api(NamedTuple):
    url: str
    key: str
    ids: list[str]


@pytest.fixture
def api(settings: Settings, services, driver: Driver, make_request) -> Iterator[Api]:
    """One that is served, with generations in several states."""
    ids = [driver.accepted(make_request()), *(driver.submitted(make_request()) for _ in range(3)), uuid.uuid4()]
    services.store.failed(ids[1], Failure("content_filtered", "no"), expected=Status.PROCESSING)
    services.store.completed(ids[2], "https://example.com/v.mp4", {"videos": [], "seed": 7})
    for name in ("waiting", "ended"):
        steps = [clip("a", model="none"), clip("b", "a")]
        project = ProjectRequest(name=name, owner="alice", idempotency_key=name, steps=steps)
        ids.append(services.store.admit(project, uuid.uuid4()).id)
    for _ in range(2):
        driver.projects.advance(ids[-1:])
    with served(create_app(settings, ENDLESS)) as url:
        yield Api(url, key_of(services.store, "alice", "read", "write", "operate"), [str(id) for id in ids])


@schema.parametrize()
@settings(
    max_examples=40, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
def test_no_request_is_answered_other_than_documented(case: schemathesis.Case, api: Api):
    if "id" in (case.path_parameters or {}) and random.random() < 0.8:
        case.path_parameters["id"] = random.choice(api.ids)
    case.call_and_validate(
        base_url=api.url,
        headers={"Authorization": f"Bearer {api.key}"},
        excluded_checks=NOT_PROMISED,
        allow_redirects=False,
        timeout=90,
    )
