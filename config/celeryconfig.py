"""Celery's settings. Nothing here waits with an ETA: countdowns wait in the lanes, so every message is due at once.

Broker and pool size come from the environment (``VIDPOLL_BROKER_URL``, ``VIDPOLL_WORKER_THREADS``); what differs
between brokers stands in ``vidpoll/brokers.py``.
"""

from kombu.transport import TRANSPORT_ALIASES

from vidpoll import messages
from vidpoll.brokers import broker_of
from vidpoll.errors import NotConfigured
from vidpoll.settings import load_settings

try:
    _settings = load_settings()
    _broker = broker_of(_settings.need("broker_url"))
except NotConfigured as error:
    raise SystemExit(f"error: {error}") from None

broker_url = _broker.url
# Not by `broker_transport`, whose name would become the scheme of the broker's URL: Flower asks for queues by that.
TRANSPORT_ALIASES[broker_url.partition("://")[0]] = _broker.worker_transport
broker_transport_options = dict(_broker.worker_options)
broker_use_ssl = _broker.use_ssl
task_queues = list(_broker.queues)
globals().update(_broker.settings)
result_backend = None
task_ignore_result = True

# JSON only: a pickled message could run code.
task_serializer = "json"
accept_content = ["json"]

worker_pool = "threads"
worker_concurrency = _settings.worker_threads
worker_prefetch_multiplier = 1
# A seat-belt: the only ETAs are retries of an accept while Postgres or Redis is down.
worker_eta_task_limit = 1000
worker_soft_shutdown_timeout = 20
worker_enable_soft_shutdown_on_idle = True
worker_hijack_root_logger = True
# `-E` turns events on where there is a Flower. A client's own event would tell its arguments unread.
worker_send_task_events = False
task_send_sent_event = False
# On Redis events are published and lie nowhere; elsewhere in a queue, which goes when a Flower that ended leaves it.
event_queue_ttl = 5
event_queue_expires = 60

task_default_queue = messages.QUEUE_DEFAULT
# The default exchange: publishing to it needs no look-up of bindings.
task_default_exchange = ""
task_routes = {name: {"queue": queue} for name, queue in messages.QUEUE_OF.items()}

broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_pool_limit = _settings.worker_threads + 4
broker_pool_acquire_timeout = 5

# Beat writes its schedule down whenever it sent something: how old the file is, is how long it has done nothing.
beat_sync_every = 1
beat_schedule = {
    "restore_stuck": {
        "task": messages.RESTORE_STUCK,
        # No `expires`: it is a moment of beat's clock, and a worker whose clock is ahead would drop every sweep.
        "schedule": 10.0,
    },
    "advance_projects": {"task": messages.ADVANCE_PROJECTS, "schedule": 10.0},
    "archive_results": {"task": messages.ARCHIVE_RESULTS, "schedule": 15.0},
    "deliver_webhooks": {"task": messages.DELIVER_WEBHOOKS, "schedule": 10.0},
    "learn_durations": {"task": messages.LEARN_DURATIONS, "schedule": 30.0},
    "prune": {"task": messages.PRUNE, "schedule": 600.0},
}
