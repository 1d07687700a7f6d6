"""Webhooks out, the pure parts: the schedule, the rest of an endpoint, signatures, bodies, what came of a try."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from tests.receiver import Receiver, receiving
from vidpoll.errors import InvalidRequest
from vidpoll.redact import redacted
from vidpoll.webhooks import events, retrying, sending, signing
from vidpoll.webhooks.endpoints import EndpointRequest
from vidpoll.webhooks.sending import Delivered, Gone, Refused, Unreachable, send


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def test_the_schedule_is_the_specifications_and_its_jitter_only_makes_it_longer():
    waits = [retrying.again_s(failed, dice=lambda: 0.0) for failed in range(1, 11)]

    assert waits == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, None]
    assert sum(wait for wait in waits if wait) == 75 * 3600 + 35 * 60 + 5
    assert [retrying.again_s(failed, dice=lambda: 1.0) for failed in (1, 9)] == [5 * 1.1, 86400 * 1.1]


def test_an_endpoint_that_is_down_is_probed_every_five_minutes_at_the_latest():
    rests = [retrying.rest_s(failures, dice=lambda: 0.0) for failures in range(1, 10)]

    assert rests == [None, None, 5, 30, 60, 120, 300, 300, 300]
    assert retrying.rest_s(1, 7200) == 3600
    assert retrying.rest_s(9, 30, dice=lambda: 0.0) == 300
    assert retrying.rest_s(9, 400, dice=lambda: 0.0) == 400


def test_the_librarys_own_verifier_takes_what_is_signed_and_nothing_else():
    secret, body = signing.new_secret(), events.body("generation.completed", datetime.now(UTC), {"words": "é — „ü“"})
    headers = signing.headers(body, "evt_1", datetime.now(UTC), [signing.new_secret(), secret])

    assert Webhook(secret).verify(body.encode(), headers) == json.loads(body)
    for forged in (
        {**headers, "webhook-id": "evt_2"},
        {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, forged)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + " ", headers)
    aged = signing.headers(body, "evt_1", datetime.now(UTC) - timedelta(minutes=6), [secret])
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(secret).verify(body, aged)


def test_a_secret_is_taken_out_of_every_text():
    secret = signing.new_secret()

    assert secret.removeprefix("whsec_") not in redacted(f"the endpoint said {secret}, twice: {secret}")
    assert "AAAA" not in repr(sending.Refused(401, "x")) + secret[:0]


def test_what_an_endpoint_may_ask_for_is_told_at_once():
    with pytest.raises(InvalidRequest) as refused:
        EndpointRequest.checked({"owner": "", "url": "https://x.example/", "event_types": ["nonsense"]}, local=False)

    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["owner", "event_types"]
    everything = EndpointRequest.checked({"owner": "a", "url": "https://x.example:8443/h?k=v"}, local=False)
    assert everything.event_types == list(events.TYPES)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, Delivered(200)), (204, Delivered(204)), (410, Gone(410)), (302, Refused(302)), (500, Refused(500))],
)
def test_what_an_answer_means(receiver: Receiver, status: int, expected: sending.Outcome):
    receiver.says(status)

    assert send(receiver.url, "{}", {"webhook-id": "evt_1"}, local=True) == expected


def test_the_body_that_is_sent_is_the_body_that_was_signed_to_the_byte(receiver: Receiver):
    secret, body = signing.new_secret(), events.body("webhook.test", datetime.now(UTC), {"words": "é\u2028"})

    send(receiver.url, body, signing.headers(body, "evt_1", sending.now(), [secret]), local=True)

    (got,) = receiver.got
    assert got.body == body.encode()
    got.verified(secret)


def test_of_an_answer_little_is_kept_and_nothing_that_does_not_print(receiver: Receiver):
    receiver.says(500, b"\x00\x1b[31mno\xff" + b"y" * 100_000)

    outcome = send(receiver.url, "{}", {}, local=True)

    assert outcome.words.isprintable()
    assert outcome.words.startswith("[31mno")
    assert len(outcome.words) == 200


def test_an_answer_that_trickles_or_never_ends_is_given_up_in_time(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sending, "TRY_S", 0.5)
    receiver.go_on.clear()

    assert isinstance(send(receiver.url, "{}", {}, local=True), Unreachable)


def test_nobody_there_and_http_where_only_https_may_be_are_values_and_no_errors(receiver: Receiver):
    port = receiver.url.split(":")[2]
    assert isinstance(send("http://127.0.0.1:9/", "{}", {}, local=True), Unreachable)
    assert "https" in send(receiver.url, "{}", {}, local=False).words
    assert "public" in send(f"https://127.0.0.1:{port}", "{}", {}, local=False).words
    assert receiver.got == []
