"""Celery's settings. Nothing here waits with an ETA: countdowns wait in the lanes, so every message is due at once.

Broker and pool size come from the environment (``VIDPOLL_BROKER_URL``, ``VIDPOLL_WORKER_THREADS``).
"""

from kombu.entity import Queue

from vidpoll import messages
from vidpoll.errors import NotConfigured
from vidpoll.settings import load_settings

try:
    _settings = load_settings()
    broker_url = _settings.need("broker_url")
except NotConfigured as error:
    raise SystemExit(f"error: {error}") from None

if broker_url.startswith(("redis://", "rediss://")):
    broker_transport = "tasks.transport:Transport"
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
worker_send_task_events = False
task_send_sent_event = False

task_queues = [Queue(name, routing_key=name) for name in messages.QUEUES]  # type: ignore[no-untyped-call]
task_default_queue = messages.QUEUE_DEFAULT
# The default exchange: publishing to it needs no look-up of bindings.
task_default_exchange = ""
task_routes = {name: {"queue": queue} for name, queue in messages.QUEUE_OF.items()}

broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_pool_limit = _settings.worker_threads + 4
broker_pool_acquire_timeout = 5
broker_transport_options = {
    # Work of a worker that died comes back after this; only accepts wait for it, checks and submits have their lease.
    "visibility_timeout": 60,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "unacked_restore_limit": 500,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "client_name": "vidpoll-worker",
}

beat_schedule = {
    "restore_stuck": {
        "task": messages.RESTORE_STUCK,
        # No `expires`: it is a moment of beat's clock, and a worker whose clock is ahead would drop every sweep.
        "schedule": 10.0,
    },
    "learn_durations": {"task": messages.LEARN_DURATIONS, "schedule": 30.0},
}
