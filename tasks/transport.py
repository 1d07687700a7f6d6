"""kombu's Redis transport, hardened at two places where kombu 5.7 lets one bad moment end the whole worker.

A worker that ends abruptly leaves paid calls whose outcome nobody knows, so this is worth a module:

- an entry of a queue that is no Celery message (any service may push to a list) raises in the consumer's loop;
- a connection lost while messages are unacknowledged is asked for its parameters after it has forgotten them, and the
  AttributeError is not the connection error that the worker knows how to survive.
"""

import base64
import codecs
import json
from typing import Any

import redis
from kombu.transport.redis import Channel as RedisChannel
from kombu.transport.redis import Transport as RedisTransport

from vidpoll import messages


class Client(redis.Redis):
    """A client whose BRPOP answers with Celery messages only: junk comes wrapped into one that buries it."""

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        """The command's answer."""
        answer = super().parse_response(connection, command_name, **options)
        if command_name == "BRPOP" and answer and not _is_message(answer[1]):
            return answer[0], _wrapped(answer[1])
        return answer


class Channel(RedisChannel):
    """A channel that survives junk, and the loss of its connection."""

    def _get_client(self) -> Any:
        return super()._get_client() if self.global_keyprefix else Client

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:
        """Where Redis is; once the connection is closed that is forgotten, which is a connection error like any other.

        Late acknowledgements and the hand-back of messages come here after a loss. What stays unacknowledged comes back
        after the visibility timeout.
        """
        if self.connection.client is None:
            raise redis.ConnectionError("the connection to the broker is closed")
        return super()._connparams(*args, **kwargs)


class Transport(RedisTransport):
    """Named by ``broker_transport`` in ``config/celeryconfig.py``."""

    Channel = Channel


def _is_message(entry: bytes) -> bool:
    """Whether kombu and Celery can take the entry apart; what it asks for is the task's business.

    Anything may lie in a list, so anything that goes wrong here means no.
    """
    try:
        found = json.loads(entry)
        properties, delivery = found["properties"], found["properties"]["delivery_info"]
        _ = found["content-encoding"] == "binary" or codecs.lookup(found["content-encoding"])
        strings = (properties["delivery_tag"], delivery["exchange"], delivery["routing_key"], found["body"])
        return (
            all(isinstance(value, str) for value in strings)
            and properties.get("body_encoding") in (None, "base64")
            and isinstance(found["headers"], dict)
            and _is_task(found)
        )
    except Exception:
        return False


def _is_task(found: dict[str, Any]) -> bool:
    """Whether it names a task and an id, and a JSON body is ``[args, kwargs, embed]``.

    Protocol 1 has all of it in the body. Other content types are refused by Celery itself.
    """
    body: Any = [[], {}, None]
    if found.get("content-type") == "application/json" and found["properties"].get("body_encoding") == "base64":
        body = json.loads(base64.b64decode(found["body"], validate=True))
    named = found["headers"]
    if isinstance(body, dict):
        named, args, kwargs = body, body.get("args", []), body.get("kwargs", {})
    else:
        args, kwargs, _ = body
    return (
        isinstance(named["task"], str)
        and isinstance(named["id"], str)
        and isinstance(args, list)
        and isinstance(kwargs, dict)
    )


def _wrapped(entry: bytes) -> bytes:
    """A message of the task that buries ``entry``."""
    kwargs = {"entry": entry.decode(errors="replace")}
    return json.dumps(messages.envelope(messages.BURY, kwargs, messages.QUEUE_MAINTENANCE)).encode()
