import io
import json
import logging
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpoll import redact
from vidpoll.guarded_logs import Redacting
from vidpoll.providers.believing import storable
from vidpoll.providers.outcomes import Failed, Listed, Ready, Submitted, Unauthorized
from vidpoll.redact import HIDDEN, Secrets, headers_shown, redacted, without_keys

KEY = "sk-canary/53+cret=="
SIGNED = "https://cdn.example/v.mp4?X-Amz-Date=20261121&X-Amz-Signature=5f3ac0"


@pytest.fixture(autouse=True)
def known(monkeypatch) -> None:
    secrets = Secrets()
    secrets.add(KEY)
    monkeypatch.setattr(redact, "SECRETS", secrets)


@pytest.mark.parametrize(
    "said",
    [
        KEY,
        f"Incorrect API key provided: {KEY}.",
        f"Bearer {KEY}",
        quote(KEY),
        quote(KEY, safe=""),
        json.dumps({"k": KEY}),
        f"{(KEY,)!r}",
    ],
)
def test_a_key_that_was_used_is_found_in_every_form(said: str):
    for clean in (redacted(said), without_keys(said)):
        assert HIDDEN in clean
        assert "canary" not in clean


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (SIGNED, "https://cdn.example/v.mp4?X-Amz-Date=20261121&X-Amz-Signature=[redacted]"),
        ("?X-Goog-Credential=a%40b&X-Goog-Expires=60", "?X-Goog-Credential=[redacted]&X-Goog-Expires=60"),
        ("https://x.example/b?sv=2024&sig=ab%2Fc%3D&se=2026", "https://x.example/b?sv=2024&sig=[redacted]&se=2026"),
        ("d.cloudfront.example/v?Policy=e30_&Key-Pair-Id=K2", "d.cloudfront.example/v?Policy=[redacted]&Key-Pair-Id=[redacted]"),
        ("GET /v1/operations/7?key=AIzaSy", "GET /v1/operations/7?key=[redacted]"),
        ("/#access_token=abc&state=1", "/#access_token=[redacted]&state=1"),
        ('{"u": "https://x.example/v?a=1\\u0026token=abc"}', '{"u": "https://x.example/v?a=1\\u0026token=[redacted]"}'),
        ("<a href='/v?a=1&amp;signature=abc'>", "<a href='/v?a=1&amp;signature=[redacted]'>"),
        ("?next=https%3A%2F%2Fx%3FX-Amz-Signature%3Dabc", "?next=https%3A%2F%2Fx%3FX-Amz-Signature%3D[redacted]"),
        ("redis://:hunter2@redis.example:6379/0", "redis://[redacted]@redis.example:6379/0"),
        ("sent Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "sent Authorization: Bearer [redacted]"),
        ("vp_0123456789ab_9Zq3-canary_canary_canary", HIDDEN),
    ],
)  # fmt: skip
def test_what_signs_or_authorises_is_taken_out_of_a_text(said: str, shown: str):
    assert redacted(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "a lion; the token limit = 20", "the provider asks to wait 5 s", "monkey=3&page=2", "?monkey=3&cursor=abc",
        "HTTP 401: Bearer authentication", "params.seed: must be at most 4, not 7", "https://cdn.example/v.mp4?t=7", "",
        "mail a@b.example", "generation 3f2a: operation models/veo/operations/abc",
    ],
)  # fmt: skip
def test_other_words_stay(said: str):
    assert redacted(said) == said


def test_a_value_too_short_to_be_a_secret_strikes_no_words():
    secrets = Secrets()
    secrets.add("k")

    assert secrets.hidden("knock") == "knock"


def test_keys_are_remembered_when_they_are_rotated_but_not_without_end(monkeypatch):
    monkeypatch.setattr(redact, "MOST", 3)
    secrets = Secrets()
    for number in range(5):
        secrets.add(f"token-number-{number}")

    assert [secrets.hidden(f"token-number-{number}") == HIDDEN for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]


@settings(deadline=None)
@given(st.text(min_size=redact.SHORTEST), st.text(), st.text())
def test_whatever_a_key_looks_like_it_is_not_left_in_a_text(key: str, before: str, after: str):
    secrets = Secrets()
    secrets.add(key)

    assert key not in secrets.hidden(f"{before}{key}{after}").replace(HIDDEN, "\x00")


def test_of_headers_that_authorise_the_scheme_is_shown(monkeypatch):
    headers = {"Authorization": f"Key {KEY}", "X-API-Key": KEY, "Idempotency-Key": "3f2a-of-ours", "Accept": "*/*"}

    assert headers_shown(headers) == {
        "Authorization": f"Key {HIDDEN}", "X-API-Key": HIDDEN, "Idempotency-Key": "3f2a-of-ours", "Accept": "*/*",
    }  # fmt: skip


def test_what_authorised_a_call_is_known_from_then_on_and_an_id_of_ours_is_not():
    redact.learn({"Authorization": "Bearer made-of-two-keys", "Idempotency-Key": "3f2a-of-ours"})

    assert redacted("made-of-two-keys 3f2a-of-ours") == f"{HIDDEN} 3f2a-of-ours"


def test_what_a_provider_says_is_stored_without_secrets_and_its_videos_stay_signed():
    ready = storable(Ready((SIGNED, f"{SIGNED}&key={KEY}"), notes=(f"filtered: {SIGNED}",)))

    assert ready.videos[0] == SIGNED
    assert ready.videos[1] == f"{SIGNED}&key={HIDDEN}"
    assert "5f3ac0" not in ready.notes[0]
    assert storable(Failed("failed", f"bad key {KEY}")).message == f"bad key {HIDDEN}"
    assert storable(Unauthorized(f"{KEY}?")) == Unauthorized(f"{HIDDEN}?")
    assert storable(Ready((f"{SIGNED}&Token={'x' * 5000}",))).videos[0].endswith("x" * 5000)
    assert storable(Submitted("op")) == Submitted("op")
    assert storable(Listed(("op",), "cursor")) == Listed(("op",), "cursor")


@pytest.mark.parametrize("part", ["?aaaa_", "a", "&x-", "://", "bearer ", "?token", "-"])
def test_a_provider_that_says_a_great_deal_holds_nobody_up(part: str):
    """Ends at once, or the test's own time does."""
    long = f"?{part * (8_000_000 // len(part))}"

    assert len(storable(Failed("failed", long)).message) <= 2000
    redacted(long[:500_000])


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    written = io.StringIO()
    handler, logger = logging.StreamHandler(written), logging.getLogger("test.redact")
    handler.addFilter(Redacting())
    logger.addHandler(handler)
    yield logger, written
    logger.removeHandler(handler)


def test_a_log_line_its_arguments_and_its_traceback_hold_no_secret(log):
    logger, written = log
    try:
        raise ValueError(f"refused: {KEY}")
    except ValueError:
        logger.exception("call with %s failed for %r", KEY, {"url": SIGNED}, stack_info=True)
    logger.warning("%d of %d", 1, KEY)
    logger.warning(KEY)
    logger.warning("100 % and %s", "all", extra={"known": 1})

    text = written.getvalue()
    assert "canary" not in text
    assert "5f3ac0" not in text
    assert "ValueError: refused: [redacted]" in text
    assert "100 % and" in text


def test_a_line_without_secrets_is_written_as_it_is(log):
    logger, written = log

    logger.warning("%s of %d: 100 %%", "one", 2)

    assert written.getvalue() == "one of 2: 100 %\n"
