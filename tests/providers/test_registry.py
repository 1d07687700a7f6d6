import pytest

from vidpoll import providers
from vidpoll.accounts import Accounts
from vidpoll.errors import NotConfigured
from vidpoll.simulator.dispatch import bases


def test_a_provider_without_an_adapter_is_refused_with_those_there_are():
    account = {"name": "a", "provider": "sora", "base_url": "http://127.0.0.1:1", "api_key": "k", "models": {"m": {}}}
    accounts = Accounts.model_validate({"accounts": {"a": account}})

    with pytest.raises(NotConfigured, match=r"account a: there is no provider 'sora'; there are .*veo"):
        providers.build(accounts)


def test_every_simulated_vendor_answers_under_paths_of_its_own():
    assert {"/replicate/v1", "/runware/v1", "/vertex/v1", "/gemini/v1beta"} <= bases().keys()
