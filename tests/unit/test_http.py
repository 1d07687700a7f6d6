from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpoll.providers.http import RETRY_AFTER_CAP_S, retry_after

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
    ],
)
def test_retry_after_is_read_in_every_form_and_capped(headers: dict, seconds: float | None):
    assert retry_after(headers, now=NOW) == seconds


@given(st.text(max_size=60))
def test_rubbish_in_retry_after_is_never_an_error(value: str):
    seconds = retry_after({"retry-after": value}, now=NOW)

    assert seconds is None or 0 <= seconds <= RETRY_AFTER_CAP_S
