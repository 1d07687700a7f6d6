"""What RabbitMQ, or anybody, may hand a worker: told apart without raising."""

from typing import Any

import pytest
from amqp.basic_message import Message

from tasks.rabbitmq_transport import _given_up


def _message(headers: Any) -> Message:
    return Message(b"{}", application_headers=headers)


def test_what_was_handed_out_too_often_says_from_where():
    given_up = _given_up(
        _message({"x-death": [{"reason": "delivery_limit", "queue": "submit"}, {"reason": "expired"}]})
    )

    assert given_up == "message: was handed out from 'submit' too often, and never done"


@pytest.mark.parametrize(
    "death", [None, "", "x", 7, [], [None], ["x"], [[]], {}, {"a": 1}, [{}], [{"queue": "x"}], [{"reason": []}]]
)
def test_a_malformed_tale_of_its_death_is_none(death: object):
    assert _given_up(_message({"x-death": death})) is None


@pytest.mark.parametrize("headers", [None, "x", 7, []])
def test_headers_that_are_none_tell_nothing(headers: object):
    assert _given_up(_message(headers)) is None
