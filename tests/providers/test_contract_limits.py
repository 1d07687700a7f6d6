"""Part of the contract suite: what every adapter makes of a vendor that wants fewer calls."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.providers.gateway import Gateway
from tests.providers.subject import Subject, those_that
from vidpoll.providers.http import RETRY_AFTER_CAP_S
from vidpoll.providers.outcomes import Pending, RateLimited
from vidpoll.simulator.faults import QUOTAS

#: What a gateway's 429 says, and the seconds it asks for.
TOLD: list[tuple[str, dict[str, str], float | None]] = [
    ("", {"Retry-After": "7"}, 7.0),
    ("{}", {"Retry-After": "0"}, 0.0),
    ("<html>", {"Retry-After": "1e9"}, RETRY_AFTER_CAP_S),
    ("[]", {"Retry-After-Ms": "1500"}, 1.5),
    ("", {"Retry-After-Ms": "soon", "Retry-After": "7"}, 7.0),
    ("{}", {"RateLimit": '"default";r=0;t=5'}, 5.0),
    ("<html>", {"Retry-After": "-1"}, None),
    ("", {}, None),
]


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("", None), ("rubbish", None)])
def test_a_429_says_how_long_to_wait_the_vendors_own_way(subject: Subject, said: str, seconds: float | None):
    operation = subject.submitted()
    subject.world.faults.retry_after = said
    subject.world.faults.submit_429 = subject.world.faults.status_429 = 1

    assert subject.submit() == RateLimited(seconds)
    assert subject.check(operation) == RateLimited(seconds)
    assert subject.world.report()["charged"] == 1


def test_a_429_of_a_gateway_says_it_in_its_headers(subject: Subject, gateway: Gateway):
    behind, operation = subject.again(url=gateway.url), subject.submitted()

    for body, headers, seconds in TOLD:
        gateway.says(body, 429, headers)
        assert behind.submit() == RateLimited(seconds), headers
        assert behind.check(operation) == RateLimited(seconds), headers
        assert len(gateway.calls) == 2


def test_a_429_may_name_a_date(subject: Subject, gateway: Gateway):
    until = datetime.now(UTC) + timedelta(seconds=60)
    gateway.says("{}", 429, {"Retry-After": format_datetime(until, usegmt=True)})

    limited = subject.again(url=gateway.url).submit()

    assert isinstance(limited, RateLimited)
    assert limited.retry_after is not None
    assert 0 < limited.retry_after <= 60


@pytest.mark.parametrize("subject", those_that(lambda can: can.cancel), indirect=True)
def test_a_cancel_can_be_over_the_limit_too(subject: Subject):
    subject.world.durations.median_s = 1000
    operation = subject.submitted()
    subject.world.faults.retry_after, subject.world.faults.status_429 = "7", 1

    assert subject.cancel(operation) == RateLimited(7.0)
    assert subject.world.report()["cancelled"] == 0


@pytest.mark.parametrize("form", QUOTAS)
def test_a_quota_that_is_used_up_is_told_once_and_apart_for_each_verb(subject: Subject, form: str):
    subject.world.faults.quota, subject.world.durations.median_s = form, 1000
    subject.world.limits.update(submit=1, status=2)
    provider, operation = subject.provider, subject.submitted()

    assert 0.5 < (provider.out_of_quota("submit") or 0) <= 1
    assert provider.out_of_quota("submit") is None
    subject.check(operation)
    assert provider.out_of_quota("status") is None, "one is left"
    subject.check(operation)
    assert 0.5 < (provider.out_of_quota("status") or 0) <= 1
    assert isinstance(subject.check(operation), RateLimited)
    assert provider.out_of_quota("status") is None, "a refusal tells for itself how long to wait"
    assert provider.out_of_quota("submit") is None


def test_an_account_that_is_told_no_quota_has_one(subject: Subject):
    subject.world.limits.update(submit=1, status=1)
    subject.check(subject.submitted())

    assert subject.provider.out_of_quota("submit") is None
    assert subject.provider.out_of_quota("status") is None


def test_a_gateways_hint_when_to_look_again_is_passed_on(subject: Subject, gateway: Gateway):
    subject.world.durations.median_s = 1000
    behind, operation = subject.again(url=gateway.url), subject.submitted()

    for said, seconds in {"2500": 2.5, "1e9": 300.0, "-1": None, "nan": None, "soon": None}.items():
        gateway.passes_on(subject.world, {"OpenAI-Poll-After-Ms": said})
        pending = behind.check(operation)
        assert isinstance(pending, Pending)
        assert pending.poll_after_s == seconds, said
