import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from vidpoll.providers import http
from vidpoll.providers.http import RETRY_AFTER_CAP_S, CallFailed, Http, _before_sending, retry_after
from vidpoll.simulator import Faults, Simulator, World

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "1e9"}, RETRY_AFTER_CAP_S),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 21 Nov 2036 12:00:00 GMT"}, RETRY_AFTER_CAP_S),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12"}, 12.0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12", "retry-after": "soon"}, 12.0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12", "retry-after": "9"}, 9.0),
        ({"ratelimit-remaining": "4", "ratelimit-reset": "12"}, None),
    ],
)
def test_retry_after_is_read_in_every_form_and_capped(headers: dict, seconds: float | None):
    assert retry_after(headers, now=NOW) == seconds


@given(st.text(max_size=60))
def test_rubbish_in_retry_after_is_never_an_error(value: str):
    seconds = retry_after({"retry-after": value}, now=NOW)

    assert seconds is None or 0 <= seconds <= RETRY_AFTER_CAP_S


@pytest.mark.parametrize(
    ("cause", "before"),
    [
        (ssl.SSLCertVerificationError("self-signed certificate"), True),
        (ssl.SSLError("record layer failure"), False),
        (ConnectionResetError("reset"), False),
        (TimeoutError("read"), False),
    ],
)
def test_only_what_surely_comes_before_the_request_counts_as_not_sent(cause: Exception, before: bool):
    error = requests.exceptions.SSLError("wrapped")
    error.__cause__ = cause

    assert _before_sending(error) is before
    assert not _before_sending(requests.exceptions.ReadTimeout())
    assert _before_sending(requests.exceptions.ConnectTimeout())


@pytest.mark.parametrize(
    ("url", "key"), [("api.example/v1", "k"), ("http://127.0.0.1:1", "new\nline"), ("http://127.0.0.1:1", "klíč…")]
)
def test_a_request_that_cannot_be_made_was_not_sent(url: str, key: str):
    with pytest.raises(CallFailed) as failed:
        Http(url).submit("", {"Authorization": key}, {})

    assert not failed.value.sent


def test_a_login_of_the_machine_never_takes_the_place_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".netrc").write_text("default login alice password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))

    with http.session() as one:
        made = http.prepared(one, "POST", "http://127.0.0.1:1/x", {"Authorization": "Bearer ours"}, {})

    assert made.headers["Authorization"] == "Bearer ours"


def test_a_submit_may_think_for_its_whole_timeout(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.2)
    with Simulator(World(faults=Faults(submit_delay_s=1.0))) as simulator:
        headers = {"Authorization": "Bearer key"}
        answer = Http(simulator.url, submit_timeout_s=30).submit(
            "/replicate/v1/models/google/veo-3-fast/predictions", headers, {"input": {"prompt": "a lion"}}
        )

    assert answer.status == 201
