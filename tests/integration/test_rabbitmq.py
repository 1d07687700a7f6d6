"""The client and a real RabbitMQ: what returned is in the broker, what did not says why, and soon."""

import json
import os
import signal
import uuid

import amqp
import pytest

from tests import brokers
from vidpoll import BrokerUnavailable, Client, messages
from vidpoll.health import queue_lengths

pytestmark = brokers.only_rabbitmq
ID = uuid.uuid4()


@pytest.fixture
def url() -> str:
    return brokers.node().vhost()


def channel_of(url: str) -> amqp.Channel:
    connection = amqp.Connection(f"127.0.0.1:{brokers.node().port}", virtual_host=url.rpartition("/")[2])
    connection.connect()
    return connection.channel()


def test_a_client_that_comes_before_any_worker_makes_the_queue_as_workers_do(url: str):
    Client(url, "").refresh(ID)

    assert queue_lengths(url) == {**dict.fromkeys(messages.QUEUES, 0), "accept": 1}
    brokers.push(url, b"{}")  # declares the queue as docs/messages.md says: anything different would be refused
    assert brokers.waiting(url, "accept") == 2


def test_queues_nobody_has_made_yet_are_empty(url: str):
    assert set(queue_lengths(url).values()) == {0}


def test_the_message_on_the_wire_is_the_documented_one(url: str):
    Client(url, "").refresh(ID)

    message = channel_of(url).basic_get("accept", no_ack=True)

    assert message.properties["content_type"] == "application/json"
    assert message.properties["delivery_mode"] == 2
    assert message.headers["task"] == "vidpoll.refresh"
    assert json.loads(message.body)[:2] == [[], {"id": str(ID)}]


def test_a_message_no_queue_takes_is_an_error_and_not_dropped_in_silence(url: str):
    client = Client(url, "")
    client.refresh(ID)
    channel_of(url).queue_delete("accept")

    with pytest.raises(BrokerUnavailable, match=r"does not take it: .*NO_ROUTE"):
        client.refresh(ID)


def test_a_queue_somebody_made_differently_is_told(url: str):
    channel_of(url).queue_declare("accept", durable=True, auto_delete=False)

    with pytest.raises(BrokerUnavailable, match=r"does not take it: .*inequivalent arg"):
        Client(url, "").refresh(ID)


def test_a_wrong_password_is_told(url: str):
    with pytest.raises(BrokerUnavailable):
        Client(url.replace("guest:guest", "guest:wrong"), "").refresh(ID)


def test_a_connection_that_died_in_the_pool_is_replaced(url: str):
    client = Client(url, "")
    client.refresh(ID)
    brokers.node().ctl("close_all_connections", "--vhost", url.rpartition("/")[2], "for the test")

    client.refresh(ID)

    assert brokers.waiting(url, "accept") == 2


def test_a_broker_that_hangs_is_told_in_time(url: str):
    client = Client(url, "")
    client.refresh(ID)
    os.kill(brokers.node().pid, signal.SIGSTOP)
    try:
        with pytest.raises(BrokerUnavailable, match="did not answer within 5 s"):
            client.refresh(ID)
    finally:
        os.kill(brokers.node().pid, signal.SIGCONT)
