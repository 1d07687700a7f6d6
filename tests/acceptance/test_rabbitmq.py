"""What may lie in a queue of RabbitMQ and nowhere else: AMQP messages with something wrong in their parts."""

import json
import uuid
import zlib
from typing import Any

import amqp
import pytest
from celery import Celery

from tests import brokers
from tests.acceptance.stack import Stack
from tests.waiting import until
from vidpoll.brokers import QUORUM

pytestmark = brokers.only_rabbitmq
GOOD = {"owner": "alice", "provider": "veo", "model": "veo-fast", "prompt": "a lion at dawn"}


def message(id: str, **changes: Any) -> amqp.Message:
    """A good one as docs/messages.md describes it, with something changed; ``more`` are further headers."""
    headers = {"lang": "py", "task": "vidpoll.generate", "id": id, **changes.pop("more", {})}
    parts = {
        "body": json.dumps([[], GOOD, {}]).encode(), "content_type": "application/json", "content_encoding": "utf-8",
        "delivery_mode": 2, "application_headers": headers,
    }  # fmt: skip
    return amqp.Message(**{**parts, **changes})


def publish(stack: Stack, message: amqp.Message, queue: str = "accept") -> None:
    brokers.publish(stack.described["broker_url"], message, queue=queue)


@pytest.mark.parametrize(
    "wrong",
    [
        {"application_headers": {}},
        {"application_headers": None, "content_type": None, "body": b"\xff\x00"},
        {"content_type": "text/plain"},
        {"content_type": None},
        {"content_type": "application/data"},
        {"content_encoding": "klingon"},
        {"body": b""},
        {"body": b'"[[], {}, {}]"'},
        {"more": {"compression": "application/x-gzip"}, "body": b"no gzip"},
        {"more": {"compression": "klingon"}},
        {"more": {"task": ["x"]}},
        {"more": {"id": 7}},
        {"more": {"eta": "soon"}},
        {"more": {"expires": "soon"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("queue", ["accept", "celery"])
def test_junk_becomes_one_dead_letter_and_stops_nobody(stack: Stack, queue: str, wrong: dict):
    worker, kept = stack.pids["worker"], len(stack.sql("SELECT id FROM dead_letters"))
    publish(stack, message(str(uuid.uuid4()), **wrong), queue)
    publish(stack, message(id := str(uuid.uuid4())), queue)

    (row,) = stack.finished([id])

    assert row["status"] == "completed"
    until(lambda: len(stack.sql("SELECT id FROM dead_letters")) > kept)
    until(lambda: stack.waiting("maintenance") == 0)
    publish(stack, message(later := str(uuid.uuid4())), queue)
    stack.finished([later])
    most = (
        2 if {"eta", "expires"} & wrong.get("more", {}).keys() else 1
    )  # kept when it is rejected, and when it comes back
    assert kept < len(stack.sql("SELECT id FROM dead_letters")) <= kept + most
    assert stack.pids["worker"] == worker, "the worker went on"


def test_a_compressed_message_is_read(stack: Stack):
    body = zlib.compress(json.dumps([[], GOOD, {}]).encode())
    publish(stack, message(id := str(uuid.uuid4()), body=body, more={"compression": "application/x-gzip"}))

    assert stack.finished([id])[0]["status"] == "completed"


def test_a_celery_client_that_knows_the_queue_sends_to_it(stack: Stack):
    """As docs/messages.md has it."""
    with Celery(broker=stack.described["broker_url"], set_as_current=False) as other:
        other.conf.broker_transport_options = {"confirm_publish": True}
        sent = other.send_task("vidpoll.generate", kwargs=GOOD, exchange="vidpoll", routing_key="accept", declare=[])

    assert stack.finished([sent.id])[0]["status"] == "completed"


def test_a_cancel_that_overtook_its_request_waits_in_rabbitmq_and_finds_it(stack: Stack):
    stack.simulate("durations", median_s=3000)
    id = str(uuid.uuid4())
    publish(
        stack,
        message(str(uuid.uuid4()), body=json.dumps([[], {"id": id}, {}]).encode(), more={"task": "vidpoll.cancel"}),
    )
    delayed = "celery_delayed_0", "celery_delayed_1"
    until(
        lambda: any(brokers.ready(stack.described["broker_url"], queue) for queue in delayed), what="a delayed message"
    )

    publish(stack, message(id))

    found = "SELECT 1 FROM generation_events WHERE generation_id = %s AND kind = ANY('{cancel_refused,cancelled}')"
    until(lambda: stack.sql(found, id))


def test_the_queues_are_quorum_queues_with_a_limit(stack: Stack):
    told = brokers.node().ctl(
        "list_queues", "-p", stack.described["broker_url"].rpartition("/")[2], "name", "type", "arguments", "--silent"
    )

    lines = {line.split("\t")[0]: line for line in told.splitlines()}
    for queue in ("accept", "submit", "check", "maintenance"):
        assert "quorum" in lines[queue]
        assert f'{{"x-delivery-limit",{QUORUM["x-delivery-limit"]}}}' in lines[queue]
    assert "classic" in lines["celery"]
