import threading
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vidpoll.providers.http import Answer
from vidpoll.providers.quota import RESET_CAP_S, Spent, spent_for

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
UNIX = round(NOW.timestamp())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ('"default";r=0;t=5', 5.0),
        ('"default"; r=0; t=5', 5.0),
        ('"default";t=5;r=0', 5.0),
        ("default;r=0;t=5", 5.0),
        ('"default";r=0;pk=:cj0w:;t=5', 5.0),
        ('"default";r=3;t=5', None),
        ('"burst";r=3;t=1, "day";r=0;t=40', 40.0),
        ('"burst";r=0;t=1, "day";r=0;t=40', 40.0),
        ('"burst";r=0;t=1, "day";r=9;t=40', 1.0),
        ('"a, b;r=0;t=9";r=7;t=5', None),
        ('"a\\";r=0;t=9";r=7;t=5', None),
        ('"default";r=0;t=86400', RESET_CAP_S),
        ('"default";r=0', None),
        ('"default";t=5', None),
        ('"default";r=0;t=-5', None),
        ('"default";r=0;t=soon', None),
        ('"default";r=none;t=5', None),
        ("limit=100, remaining=0, reset=5", 5.0),
        ("limit=100, remaining=1, reset=5", None),
        ("limit=-1, remaining=-1, reset=5", None),
        ('"default";r=-1;t=5', None),
        ("", None),
        ('"' * 65_000, None),
        ('"' + r"\\" * 32_000, None),
    ],
)
def test_the_structured_header_tells_when_calls_are_left_again(value: str, seconds: float | None):
    assert spent_for({"ratelimit": value}, NOW) == seconds


@pytest.mark.parametrize(
    ("remaining", "reset"),
    [
        ("ratelimit-remaining", "ratelimit-reset"),
        ("x-ratelimit-remaining", "x-ratelimit-reset"),
        ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ],
)
@pytest.mark.parametrize(
    ("left", "written", "seconds"),
    [
        ("0", "5", 5.0),
        ("0", "0.5", 0.5),
        ("0", " 5 ", 5.0),
        ("0", "1s", 1.0),
        ("0", "6m0s", 300.0),
        ("0", "1m30s", 90.0),
        ("0", "2m", 120.0),
        ("0", "20ms", 0.02),
        ("0", "1.5s250ms", 1.75),
        ("0", "23h59m59s", RESET_CAP_S),
        ("0", f"{UNIX + 7}", 7.0),
        ("0", f"{UNIX + 7}000", 7.0),
        ("0", f"{UNIX - 7}", None),
        ("0", "1e300", RESET_CAP_S),
        ("-1", "5", None),
        ("0.4", "5", 5.0),
        ("1", "5", None),
        ("99", f"{UNIX + 7}", None),
        ("0", "0", None),
        ("0", "0s", None),
        ("0", "-5", None),
        ("0", "nan", None),
        ("0", "inf", None),
        ("0", "9" * 400, None),
        ("0", "1.2.3s", None),
        ("0", "tomorrow", None),
        ("0", "2026-11-21T12:00:07Z", None),
        ("0", "", None),
        ("", "5", None),
        ("nan", "5", None),
        ("none", "5", None),
    ],
)
def test_a_pair_of_headers_tells_it_in_every_form(
    remaining: str, reset: str, left: str, written: str, seconds: float | None
):
    told = spent_for({remaining: left, reset: written}, NOW)

    assert told == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


def test_of_several_quotas_the_one_that_is_used_up_longest_counts():
    headers = {
        "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s",
        "ratelimit-remaining": "0", "ratelimit-reset": "7",
        "ratelimit": '"default";r=9;t=50',
    }  # fmt: skip

    assert spent_for(headers, NOW) == 7.0
    assert spent_for({"x-ratelimit-remaining": "0", "x-ratelimit-reset-requests": "2s"}, NOW) is None
    assert spent_for({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2s"}, NOW) is None
    assert spent_for({}, NOW) is None


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
@example("0", "\u0664m", '"";r=0;t=\u0664')
def test_rubbish_is_never_an_error(left: str, reset: str, structured: str):
    headers = {"ratelimit-remaining": left, "ratelimit-reset": reset, "ratelimit": structured}

    for found in (headers, {**headers, "ratelimit-remaining": "0"}):
        seconds = spent_for(found, NOW)
        assert seconds is None or 0 < seconds <= RESET_CAP_S


def test_unix_time_is_read_by_the_providers_clock():
    headers = {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": f"{UNIX + 7}",
        "date": "Sat, 21 Nov 2026 12:00:04 GMT",
    }

    assert Answer(200, headers, b"").spent_for == 3.0
    assert Answer(503, headers, b"").spent_for == 3.0
    assert Answer(429, headers, b"").spent_for is None, "a refusal is paused for as such"


def test_what_was_told_is_handed_out_once_and_grows_old():
    now = 100.0
    spent = Spent(lambda: now)
    assert spent.take("status") is None

    spent.note("status", 5.0)
    spent.note("status", 3.0)  # an answer that was overtaken
    spent.note("status", None)
    now += 2
    assert spent.take("submit") is None
    assert spent.take("status") == 3.0
    assert spent.take("status") is None

    spent.note("submit", 5.0)
    now += 5
    assert spent.take("submit") is None


def test_of_many_threads_that_ask_one_is_told():
    spent = Spent()
    spent.note("status", 60.0)
    told: list[float | None] = []
    threads = [threading.Thread(target=lambda: told.append(spent.take("status"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len([one for one in told if one is not None]) == 1
