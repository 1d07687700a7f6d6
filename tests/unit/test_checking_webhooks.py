"""What `vidpoll config check` tells of accounts that are to receive webhooks."""

from typing import Any

import pytest

from vidpoll.accounts import Account
from vidpoll.cli.checking_webhooks import about_webhooks
from vidpoll.providers.base import Capabilities, Webhook

SET = {"VIDPOLL_PUBLIC_URL": "https://vidpoll.example", "VIDPOLL_WEBHOOKS_SECRET": "0123456789abcdef"}


def told(webhook: Webhook | None, environ: dict[str, str] = SET, **account: Any) -> list[tuple[str, str | None]]:
    fields = {
        "name": "a", "provider": "runware", "base_url": "https://vendor.example", "api_key_env": "KEY", "webhooks": True,
        "models": {"m": {}},
    }  # fmt: skip
    made = Account(**{**fields, **account})
    return [(level, key) for level, key, _ in about_webhooks(made, Capabilities(webhook=webhook), environ)]


def test_nothing_is_wrong_where_nothing_is_wanted_or_everything_is_set():
    assert told(None, {}, webhooks=False) == []
    assert told("unsigned") == []


def test_a_vendor_without_webhooks_is_named():
    assert told(None) == [("error", "webhooks")]


@pytest.mark.parametrize("missing", [{"VIDPOLL_PUBLIC_URL"}, {"VIDPOLL_WEBHOOKS_SECRET"}, set(SET)])
def test_what_addresses_are_made_of_must_be_set(missing: set[str]):
    environ = {name: value for name, value in SET.items() if name not in missing}

    assert told("unsigned", environ) == [("error", "webhooks")] * len(missing)
    assert told("registered", environ, provider="openai_videos", webhook_secret_env=None) == [
        ("warning", "webhook_secret_env")
    ]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost", "http://vidpoll.example"])
def test_an_address_that_vendors_do_not_reach_or_others_read_is_told_of(url: str):
    assert told("unsigned", {**SET, "VIDPOLL_PUBLIC_URL": url}) == [("warning", "webhooks")]
    assert told("unsigned", {**SET, "VIDPOLL_PUBLIC_URL": url}, base_url="http://127.0.0.1:9") == []


def test_what_a_vendor_signs_with_must_be_readable_by_the_api(monkeypatch: pytest.MonkeyPatch):
    account = {"provider": "replicate", "webhook_secret_env": "SOME_SIGNING_SECRET"}
    monkeypatch.delenv("SOME_SIGNING_SECRET", raising=False)
    assert told("signed", **account) == [("warning", "webhook_secret_env")]
    monkeypatch.setenv("SOME_SIGNING_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert told("signed", **account) == []


def test_fal_needs_to_know_where_public_keys_are():
    assert told("signed", provider="fal") == [("error", "options.jwks_url")]
    assert told("signed", provider="fal", options={"jwks_url": "https://rest.fal.ai/.well-known/jwks.json"}) == []


def test_a_secret_stands_in_the_file_for_loopback_addresses_only():
    with pytest.raises(ValueError, match="webhook_secret is for loopback addresses only"):
        told("signed", webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
