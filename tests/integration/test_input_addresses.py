"""Requests that would have a provider fetch from a private network: refused before anything is paid."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.integration.driver import Driver
from vidpoll import Client, InvalidRequest, Status
from vidpoll.accounts import Account, ModelPolicy
from vidpoll.generation import GenerationRequest
from vidpoll.lifecycle import Lifecycle
from vidpoll.providers import adapter_of
from vidpoll.providers.http import Http
from vidpoll.resolving import Resolver
from vidpoll.routing import problems
from vidpoll.services import Services

METADATA = {"image": {"gcsUri": "http://169.254.169.254/computeMetadata/v1/"}}
NAMED = {"image": {"gcsUri": "https://inside.example/lion.png"}}
LIVE = Account(
    name="live", provider="veo", base_url="https://aiplatform.example/v1", api_key_env="X",
    models={"veo-fast": ModelPolicy()}, options={"storage_uri": "gs://b/"},
)  # fmt: skip


@pytest.fixture
def client(redis_url: str, database_url: str, services: Services, tmp_path: Path, monkeypatch) -> Iterator[Client]:
    monkeypatch.setenv("VIDPOLL_PROVIDERS_FILE", str(tmp_path / "providers.toml"))
    made = Client(redis_url, database_url)
    yield made
    made._readable()._engine.dispose()


def resolving(services: Services, ask: Callable[[str], Collection[IPv4Address]]) -> Lifecycle:
    return Lifecycle(replace(services, resolver=Resolver(ask, patience_s=0.1)))


def test_an_address_in_a_private_network_is_told_to_the_caller_and_nothing_is_stored(
    client: Client, services, make_request
):
    with pytest.raises(InvalidRequest) as refused:
        client.submit(make_request(params=METADATA))

    assert refused.value.problems == ("params.image.gcsUri: must be a public address",)
    assert services.store.recent(1) == []


def test_a_name_that_leads_there_fails_its_generation_before_the_paid_call(
    client: Client, services, driver: Driver, make_request, world
):
    request = make_request(params=NAMED)
    client.submit(request)

    with pytest.raises(InvalidRequest):
        resolving(services, lambda _: [IPv4Address("10.0.0.7")]).accept(request)
    driver.submit()

    row = services.store.get(request.id)
    assert (row.status, row.error["code"]) == (Status.FAILED, "invalid_request")
    assert row.error["message"] == "params.image.gcsUri: must be a public address"  # and not which one it is
    assert world.report()["submit_calls"] == 0


def test_a_name_nobody_can_tell_anything_of_is_left_to_the_provider(services, make_request):
    def gone(_: str) -> list[IPv4Address]:
        raise OSError("the name server does not answer")

    for ask in (gone, lambda _: [IPv4Address("93.184.216.34")]):
        assert resolving(services, ask).accept(make_request(params=NAMED)).status is Status.PENDING


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_loopback_is_taken_by_the_simulators_accounts_only(services, make_request, host: str):
    request = make_request(params={"image": {"gcsUri": f"http://{host}/files/lion.png"}})

    assert Lifecycle(services).accept(request).status is Status.PENDING
    found = problems(LIVE, adapter_of(LIVE, Http(LIVE.base_url)), request, look_up=lambda _: ())
    assert found == ["params.image.gcsUri: must be a public address"]


def test_what_is_no_address_is_looked_up_nowhere(services, make_request):
    asked: list[str] = []

    def ask(name: str) -> list[IPv4Address]:
        asked.append(name)
        return []

    params = {"image": {"gcsUri": "gs://bucket/lion.png"}, "negativePrompt": "http: no, file: no", "seed": 7}
    resolving(services, ask).accept(make_request(params=params))
    GenerationRequest(provider="veo", model="veo-fast", prompt="see http://127.0.0.1/")

    assert asked == []
