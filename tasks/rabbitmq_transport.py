"""The AMQP transport of workers: what no task can have comes as a message of the one that buries it.

Celery 5.7 takes an AMQP message apart in the consumer's loop: some junk is lost there in silence, some ends the worker.
What was rejected, or handed out too often, RabbitMQ puts into the queue ``maintenance`` (``vidpoll/brokers.py``).
"""

import codecs
import json
from typing import Any, Final
from uuid import uuid4

from amqp.basic_message import Message
from kombu.compression import decompress

from tasks.junk import is_task
from vidpoll import messages, rabbitmq

_JSON: Final = "application/json"
_FROM_OUTSIDE: Final = frozenset({messages.GENERATE, messages.CANCEL, messages.REFRESH, messages.WAKE})


class Channel(rabbitmq.Channel):
    """A channel whose consumers see messages of Celery only."""

    def message_to_python(self, raw_message: Message) -> Any:
        """The message as kombu knows it; acknowledging it acknowledges what came."""
        # A message that was delayed has the delay before its queue's name.
        queue = str(raw_message.delivery_info.get("routing_key", "")).rpartition(".")[2]
        given_up = _given_up(raw_message) if queue == messages.QUEUE_MAINTENANCE else None
        if given_up is not None:
            _wrap(raw_message, given_up)
        elif queue in messages.QUEUES and not _is_message(raw_message):
            _wrap(raw_message, "message: is no Celery message, see docs/messages.md")
        return super().message_to_python(raw_message)


class Connection(rabbitmq.Connection):
    """A connection with such channels."""

    Channel = Channel


class Transport(rabbitmq.Transport):
    """Named by :mod:`vidpoll.brokers`."""

    Connection = Connection


def _given_up(raw: Message) -> str | None:
    """Why RabbitMQ took it out of another queue; None if it did not. Empty if a dead letter was kept already.

    ``x-death`` tells it, the newest first: https://www.rabbitmq.com/docs/dlx. Anybody may have written another one.
    """
    match _headers(raw):
        case {"x-death": [{"reason": reason, **newest}, *_]}:
            return _why(raw, reason, newest.get("queue"))
        case _:
            return None


def _why(raw: Message, reason: Any, queue: Any) -> str | None:
    match reason:
        case "delivery_limit":
            return f"message: was handed out from {queue!r} too often, and never done"
        case "rejected":
            # Celery rejects what it cannot read, which tasks/refused.py keeps; else it is a retry that was not sent.
            kept = _headers(raw).get("task") not in _FROM_OUTSIDE or raw.properties.get("content_type") != _JSON
            return "" if kept else "message: it was to be tried again, and RabbitMQ did not take it back"
        case _:
            return None


def _is_message(raw: Message) -> bool:
    """Whether Celery can take it apart; other content types than JSON it refuses by itself.

    Anything may lie in a queue, so anything that goes wrong here means no.
    """
    try:
        headers, body = _headers(raw), raw.body
        if "compression" in headers:
            body = decompress(body, headers["compression"])
        encoding = raw.properties.get("content_encoding") or "utf-8"
        _ = encoding == "binary" or codecs.lookup(encoding)
        return is_task(headers, raw.properties.get("content_type"), body)
    except Exception:
        return False


def _wrap(raw: Message, reason: str) -> None:
    """Make it a message of the task that buries it."""
    entry = json.dumps({"headers": _headers(raw), "body": _text(raw.body)}, default=str)
    raw.body = json.dumps([[], {"entry": entry, "reason": reason}, {}]).encode()
    raw.properties["content_type"], raw.properties["content_encoding"] = _JSON, "utf-8"
    raw.properties["application_headers"] = {"lang": "py", "task": messages.BURY, "id": str(uuid4())}


def _headers(raw: Message) -> dict[str, Any]:
    headers = raw.properties.get("application_headers")
    return headers if isinstance(headers, dict) else {}


def _text(body: Any) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes | bytearray) else str(body)
