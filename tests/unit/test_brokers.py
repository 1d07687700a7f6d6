"""Celery's settings, chosen by the broker's URL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vidpoll import messages
from vidpoll.brokers import DELIVERY_LIMIT, broker_of
from vidpoll.errors import NotConfigured

PRINT = """
from tasks import app
transport, c = app.connection_for_write().get_transport_cls(), app.conf
print(f"{transport.__module__}:{transport.__name__}", c.broker_heartbeat, c.broker_use_ssl, sorted(c.broker_transport_options))
"""


def arguments(url: str) -> dict[str, dict]:
    return {queue.name: queue.queue_arguments or {} for queue in broker_of(url).queues}


def test_every_queue_workers_read_is_declared_on_every_broker():
    for url in ("redis://h:1/0", "amqp://h//"):
        assert tuple(arguments(url)) == messages.QUEUES


def test_on_rabbitmq_what_is_handed_out_too_often_goes_to_the_queue_that_keeps_dead_letters():
    found = arguments("amqp://h//")

    assert {name for name, said in found.items() if said.get("x-queue-type") == "quorum"} == {*messages.QUEUES} - {
        "celery"
    }
    assert {said.get("x-delivery-limit", DELIVERY_LIMIT) for said in found.values()} == {DELIVERY_LIMIT}
    assert found["accept"]["x-dead-letter-routing-key"] == "maintenance"
    assert "x-dead-letter-exchange" not in found["maintenance"], "it would go round in a circle"


def test_on_rabbitmq_the_default_queue_is_what_a_foreign_celery_client_declares():
    assert arguments("amqp://h//")["celery"] == {}


def test_on_rabbitmq_a_message_is_confirmed_and_never_dropped_in_silence():
    broker = broker_of("amqp://h//")

    assert broker.options["confirm_publish"]
    assert broker.worker_options["confirm_publish"]
    assert (broker.publishing["mandatory"], broker.publishing["confirm_timeout"]) == (True, 5)


@pytest.mark.parametrize(("url", "uses"), [("amqps://h//", True), ("amqp://h//", False), ("redis://h/0", False)])
def test_a_url_that_asks_for_tls_gets_it(url: str, uses: bool):
    assert bool(broker_of(url).use_ssl) is uses


@pytest.mark.parametrize("url", ["sqs://x", "memory://", "nonsense"])
def test_another_broker_is_refused_with_what_to_write(url: str):
    with pytest.raises(NotConfigured, match="amqp://user:password@host:port/vhost"):
        broker_of(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:1/0", ["tasks.transport:Transport", "120", "False", "'visibility_timeout'"]),
        ("amqp://127.0.0.1:1/v", ["tasks.rabbitmq_transport:Transport", "30", "False", "'confirm_publish'"]),
        ("amqps://127.0.0.1:1/v", ["tasks.rabbitmq_transport:Transport", "30", "server_hostname"]),
    ],
)
def test_a_worker_takes_its_settings_from_the_url_alone(url: str, said: list[str]):
    environ = {**os.environ, "VIDPOLL_BROKER_URL": url, "VIDPOLL_REDIS_URL": "redis://127.0.0.1:1/0"}
    project = Path(__file__).parents[2]

    printed = subprocess.run(
        [sys.executable, "-c", PRINT], cwd=project, env=environ, capture_output=True, text=True, check=True
    ).stdout

    for word in said:
        assert word in printed
    assert ("visibility_timeout" in printed) is url.startswith("redis"), "options of another transport end a connection"
