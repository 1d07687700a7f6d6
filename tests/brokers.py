"""The broker under test: Redis, or RabbitMQ with ``VIDPOLL_TEST_BROKER=rabbitmq``; and messages made without Celery."""

import base64
import json
import os
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import amqp
import pytest
import redis

from tests.rabbitmq import RabbitMQ
from vidpoll import brokers
from vidpoll.health import queue_lengths

RABBITMQ: Final = os.environ.get("VIDPOLL_TEST_BROKER") == "rabbitmq"
only_rabbitmq: Final = pytest.mark.skipif(not RABBITMQ, reason="RabbitMQ's own cases: make test-rabbitmq")
_AT_THE_END: Final = ExitStack()


def only_redis(why: str) -> pytest.MarkDecorator:
    """A test that says something of Redis as the broker, or would say nothing new of another one."""
    return pytest.mark.skipif(RABBITMQ, reason=f"about Redis as the broker: {why}")


@cache
def node() -> RabbitMQ:
    """The session's RabbitMQ, started at its first use."""
    folder = Path(_AT_THE_END.enter_context(tempfile.TemporaryDirectory(prefix="vidpoll-rabbitmq-")))
    started = RabbitMQ(folder)
    _AT_THE_END.callback(started.stop)
    return started


def end() -> None:
    """End what was started."""
    _AT_THE_END.close()


def push(url: str, *entries: bytes, queue: str = "accept") -> None:
    """Put messages into a queue as any process can, in any language; ``entries`` are what docs/messages.md has for Redis."""
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            client.execute_command("LPUSH", queue, *entries)
        return
    publish(url, *map(_as_amqp, entries), queue=queue)


def publish(url: str, *entries: amqp.Message, queue: str = "accept") -> None:
    """Put messages into a queue of a RabbitMQ."""
    found = urlsplit(url)
    with amqp.Connection(f"127.0.0.1:{found.port}", virtual_host=found.path[1:], confirm_publish=True) as connection:
        channel = connection.channel()
        (declared,) = (one for one in brokers.broker_of(url).queues if one.name == queue)
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments=declared.queue_arguments)
        for message in entries:
            channel.basic_publish(message, exchange="", routing_key=queue, mandatory=True)


def waiting(url: str, queue: str) -> int:
    """How many messages wait in a queue."""
    return queue_lengths(url)[queue]


def clients(url: str) -> dict[int, str]:
    """What the broker's clients call themselves, by the port they come from."""
    if url.startswith("redis"):
        with redis.Redis.from_url(url, decode_responses=True) as client:
            return {int(one["addr"].rpartition(":")[2]): one["name"] for one in client.client_list()}
    return node().clients(url)


def empty(url: str) -> None:
    """Drop what waits in the queues of a RabbitMQ."""
    found = urlsplit(url)
    with amqp.Connection(f"127.0.0.1:{found.port}", virtual_host=found.path[1:]) as connection:
        for queue in brokers.broker_of(url).queues:
            with connection.channel() as channel:
                channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.queue_arguments)
                channel.queue_purge(queue.name)


def ready(url: str, queue: str) -> int:
    """How many messages wait in any queue of a RabbitMQ."""
    found = urlsplit(url)
    with amqp.Connection(f"127.0.0.1:{found.port}", virtual_host=found.path[1:]) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).message_count)


def consumers(url: str, queue: str) -> int:
    """How many workers read a queue of a RabbitMQ."""
    found = urlsplit(url)
    with amqp.Connection(f"127.0.0.1:{found.port}", virtual_host=found.path[1:]) as connection:
        try:
            return int(connection.channel().queue_declare(queue, passive=True).consumer_count)
        except amqp.NotFound:
            return 0


def give_back(url: str, queue: str) -> int:
    """Take a message and give it back until RabbitMQ offers it no more; how often that was."""
    found, times = urlsplit(url), 0
    with amqp.Connection(f"127.0.0.1:{found.port}", virtual_host=found.path[1:]) as connection:
        channel = connection.channel()
        while message := channel.basic_get(queue):
            channel.basic_reject(message.delivery_tag, requeue=True)
            times += 1
    return times


def _as_amqp(message: bytes) -> amqp.Message:
    """What lies in a Redis list as one JSON object is spread over an AMQP message's parts; what is none is the body."""
    try:
        found: Any = json.loads(message)
        body = (
            base64.b64decode(found["body"]) if found["properties"].get("body_encoding") == "base64" else found["body"]
        )
        return amqp.Message(
            body, content_type=found["content-type"], content_encoding=found["content-encoding"],
            application_headers=dict(found["headers"]), delivery_mode=2,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, RecursionError):
        return amqp.Message(message, delivery_mode=2)
