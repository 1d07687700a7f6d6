"""What differs between Celery's brokers, chosen by the URL: one function for each transport.

Workers, beat, clients and ``vidpoll health`` all take it from here, so that they declare the same queues in the same
way: RabbitMQ refuses whoever declares a queue differently from how it was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kombu.entity import Exchange, Queue

from vidpoll import messages
from vidpoll.errors import NotConfigured
from vidpoll.redis_url import for_kombu

#: Seconds within which RabbitMQ must confirm that it has a message.
CONFIRM_S: Final = 5.0
#: How often RabbitMQ hands a message out again that nobody acknowledged; then it becomes a dead letter. Every lost
#: connection of a worker counts for what it had fetched, so this is more than one bad hour's reconnects.
DELIVERY_LIMIT: Final = 50
#: What our queues are on RabbitMQ: ``docs/messages.md`` tells clients in other languages the same.
QUORUM: Final = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
DEAD_LETTERING: Final = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": messages.QUEUE_MAINTENANCE}
#: Seconds without a word after which a worker, or RabbitMQ, takes the other for gone.
HEARTBEAT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Broker:
    """Celery's settings for one broker, under the names ``config/celeryconfig.py`` gives them.

    Attributes:
        url: ``broker_url``, which is not always as a user writes it.
        queues: what workers read.
        transport: the transport of a client, as kombu names it; None for kombu's own.
        worker_transport: the one of a worker and beat, which also survives junk.
        options: ``broker_transport_options`` of a client.
        worker_options: those of a worker and beat.
        publishing: further arguments of every ``send_task``.
        use_ssl: ``broker_use_ssl``; False for a URL without TLS, and where the transport reads it off the URL.
        settings: further settings of a worker.
    """

    url: str = field(repr=False)
    queues: tuple[Queue, ...]
    options: Mapping[str, Any] = field(repr=False)  # there may be passwords in them
    worker_options: Mapping[str, Any] = field(repr=False)
    worker_transport: str
    transport: str | None = None
    publishing: Mapping[str, Any] = field(default_factory=dict)
    use_ssl: Mapping[str, Any] | bool = field(default=False, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)


def broker_of(url: str) -> Broker:
    """The settings for the broker at ``url``.

    Raises:
        NotConfigured: no broker of that kind is supported.

    Example:
        >>> broker_of("amqp://guest:guest@127.0.0.1:5672//").publishing["mandatory"]
        True
    """
    scheme = url.partition("://")[0]
    if scheme in ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+socket"):
        return _redis(url)
    if scheme in ("amqp", "amqps"):
        return _rabbitmq(url, use_ssl=scheme == "amqps")
    raise NotConfigured(
        "the broker URL cannot be used: write redis://host:port/0, redis+sentinel://h1,h2,h3/SERVICE/0 or amqp://user:password@host:port/vhost"
    )


def _redis(url: str) -> Broker:
    told = for_kombu(url)
    queues = tuple(Queue(name, routing_key=name) for name in messages.QUEUES)  # type: ignore[no-untyped-call]
    return Broker(
        url=told.url,
        queues=queues,
        transport="vidpoll.sentinel_transport:Transport" if told.with_sentinel else None,
        worker_transport="tasks.transport:SentinelTransport" if told.with_sentinel else "tasks.transport:Transport",
        options={"socket_timeout": 5, "socket_connect_timeout": 3, "visibility_timeout": 60, **told.options},
        use_ssl=told.tls or False,
        worker_options={
            # Work of a worker that died comes back after this; only accepts wait for it, the others have their lease.
            "visibility_timeout": 60,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "unacked_restore_limit": 500,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "client_name": "vidpoll-worker",
            **told.options,
        },
    )


def _rabbitmq(url: str, *, use_ssl: bool) -> Broker:
    """Quorum queues, confirmed publishing.

    Retries with a countdown go through Celery's delayed delivery, which needs the queues bound to a topic exchange: the
    prefetch limit of a quorum queue is fixed, so a worker that held them itself would soon take nothing else.
    """
    exchange = Exchange(messages.EXCHANGE, type="topic", durable=True)  # type: ignore[no-untyped-call]
    arguments: dict[str, dict[str, Any]] = {name: {**QUORUM, **DEAD_LETTERING} for name in messages.QUEUES}
    # Workers take dead letters out of it, see tasks/rabbitmq_transport.py.
    arguments[messages.QUEUE_MAINTENANCE] = {**QUORUM}
    # As a Celery client declares it that knows nothing of vidpoll: anything else would refuse its messages.
    arguments[messages.QUEUE_DEFAULT] = {}
    queues = [
        Queue(name, exchange, routing_key=name, queue_arguments=arguments[name] or None)  # type: ignore[no-untyped-call]
        for name in messages.QUEUES
    ]
    options = {"confirm_publish": True, "client_properties": {"connection_name": "vidpoll-client"}}
    return Broker(
        url=url,
        queues=tuple(queues),
        transport="vidpoll.rabbitmq:Transport",
        worker_transport="tasks.rabbitmq_transport:Transport",
        options=options,
        worker_options={**options, "client_properties": {"connection_name": "vidpoll-worker"}},
        publishing={
            "mandatory": True,  # what no queue takes is an error, where RabbitMQ would drop it in silence
            "confirm_timeout": CONFIRM_S,
            # A connection that died while it lay in the pool is noticed at its next use.
            "retry": True,
            "retry_policy": {"max_retries": 1, "interval_start": 0},
        },
        use_ssl={"server_hostname": None} if use_ssl else False,  # None: check for the URL's host
        settings={
            "broker_heartbeat": HEARTBEAT_S,
            # RabbitMQ closes a channel whose messages lie unacknowledged for half an hour, as they do while Postgres is
            # away for so long. It must not end a worker that holds what only it knows.
            "broker_channel_error_retry": True,
            # RabbitMQ 4 deprecates queues that are neither durable nor exclusive. An exclusive one would be refused to
            # a worker that reconnects before RabbitMQ noticed the loss.
            "control_queue_durable": True,
            "control_queue_exclusive": False,
            "event_queue_durable": True,
            "event_queue_exclusive": False,
        },
    )
