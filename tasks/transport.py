"""kombu's Redis transport, hardened at three places where kombu 5.7 lets one bad moment end the whole worker.

A worker that ends abruptly leaves paid calls whose outcome nobody knows, so this is worth a module:

- an entry of a queue that is no Celery message (any service may push to a list) raises in the consumer's loop;
- a connection lost while messages are unacknowledged is asked for its parameters after it has forgotten them, and the
  AttributeError is not the connection error that the worker knows how to survive;
- a server that refuses writes, because it is cut off from its replicas or no master any more, is no lost connection.
"""

import base64
import codecs
import json
from typing import Any, Final

import redis
from kombu.transport.redis import Channel as RedisChannel
from kombu.transport.redis import Transport as RedisTransport

from tasks.junk import is_task
from vidpoll import messages, sentinel_transport

#: How a server refuses that is cut off from its replicas, or is no master any more.
_NO_MASTER: Final = ("NOREPLICAS", "READONLY", "MASTERDOWN")

#: In the name of every queue of answers to remote control.
_REPLIES: Final = b".reply.celery.pidbox"


class Client(redis.Redis):
    """A client whose BRPOP answers with Celery messages only: junk comes wrapped into one that buries it.

    A server that takes no writes is left like one that does not answer.
    Answers of workers to `inspect`, which Flower reads, are no tasks and no junk.
    """

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        """The command's answer."""
        try:
            answer = super().parse_response(connection, command_name, **options)
        except redis.ResponseError as error:
            if str(error).startswith(_NO_MASTER):
                raise redis.ConnectionError(str(error)) from error
            raise
        if command_name == "BRPOP" and answer and not (_REPLIES in answer[0] or _is_message(answer[1])):
            return answer[0], _wrapped(answer[1])
        return answer


class Hardened:
    """What a channel of kombu's gets: it survives junk, and the loss of its connection."""

    connection: Any
    global_keyprefix: str

    def _get_client(self) -> Any:
        return super()._get_client() if self.global_keyprefix else Client  # type: ignore[misc]

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:
        """Where Redis is; once the connection is closed that is forgotten, which is a connection error like any other.

        Late acknowledgements and the hand-back of messages come here after a loss. What stays unacknowledged comes back
        after the visibility timeout.
        """
        if self.connection.client is None:
            raise redis.ConnectionError("the connection to the broker is closed")
        return super()._connparams(*args, **kwargs)  # type: ignore[misc]


class Channel(Hardened, RedisChannel):
    """A channel to one server."""


class SentinelChannel(Hardened, sentinel_transport.Channel):
    """A channel to the server that Sentinel calls the master."""


class Transport(RedisTransport):
    """Stands in for kombu's, in ``config/celeryconfig.py``."""

    Channel = Channel


class SentinelTransport(sentinel_transport.Transport):
    """The same for several servers that Sentinel keeps."""

    Channel = SentinelChannel


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
    body: str | bytes = found["body"]
    if found["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body, validate=True)
    return is_task(found["headers"], found.get("content-type"), body)


def _wrapped(entry: bytes) -> bytes:
    """A message of the task that buries ``entry``."""
    kwargs = {"entry": entry.decode(errors="replace")}
    return json.dumps(messages.envelope(messages.BURY, kwargs, messages.QUEUE_MAINTENANCE)).encode()
