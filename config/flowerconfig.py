"""Flower's settings: ``celery -A tasks flower --conf=config/flowerconfig.py``.

Every option can be set in the environment too, in capitals after ``FLOWER_``, and on the command line, which wins:

========================== ==========================================================================
``FLOWER_BASIC_AUTH``      ``user:password``, several with commas between; Flower does not start without
``FLOWER_ADDRESS``         where it listens; 127.0.0.1 if not set
``FLOWER_PORT``            5555 if not set
``FLOWER_URL_PREFIX``      the path a proxy serves it under, e.g. ``flower``
``FLOWER_READ_ONLY``       ``0`` allows what stops workers, revokes and sends tasks; refused if not set
``FLOWER_MAX_TASKS``       tasks kept in memory; 10,000 if not set
``FLOWER_BROKER_API``      RabbitMQ's management API, ``http://user:password@host:15672/api/``, for the page of queues
``FLOWER_COOKIE_SECRET``   signs the cookies of a login by OAuth2; a new one at each start if not set
========================== ==========================================================================

Flower knows no other way to take a setting than as a variable of this file. The broker and its options are those of
``config/celeryconfig.py``: one who reads the same Redis with a shorter ``visibility_timeout`` would hand out again what
workers are still at.
"""

import os
from typing import Any

from tornado.options import options

from vidpoll.redact import redacted
from vidpoll.shown import ALL, line, shortened

_HOW = "e.g. FLOWER_BASIC_AUTH=operator:$(openssl rand -hex 16)"
#: Fewer characters are guessed.
_SHORTEST_PASSWORD = 12

if not (options.basic_auth or options.auth):
    raise SystemExit(f"error: Flower shows every task and can stop workers, so it needs a login: set {_HOW}")
for _login in options.basic_auth or []:
    _user, _, _password = _login.partition(":")
    if not _user or len(_password) < _SHORTEST_PASSWORD or not _login.isascii():
        raise SystemExit(
            f"error: FLOWER_BASIC_AUTH must be user:password in ASCII, the password of at least {_SHORTEST_PASSWORD} "
            f"characters, {_HOW}"
        )

address = options.address or "127.0.0.1"
# Buttons and calls that stop workers, revoke messages or send tasks do harm here; docs/operations.md says which.
read_only = options.read_only if "FLOWER_READ_ONLY" in os.environ else True
# All of it is in memory: rows and events in Postgres are what lasts, Flower shows the last minutes.
persistent = False
max_tasks = int(os.environ.get("FLOWER_MAX_TASKS", "10000"))
max_workers = int(os.environ.get("FLOWER_MAX_WORKERS", "500"))
# Workers that were scaled away leave the list, and the metrics, after an hour.
purge_offline_workers = int(os.environ.get("FLOWER_PURGE_OFFLINE_WORKERS", "3600"))
# A busy worker answers an `inspect` late.
inspect_timeout = float(os.environ.get("FLOWER_INSPECT_TIMEOUT", "3000"))
tasks_columns = os.environ.get("FLOWER_TASKS_COLUMNS", "name,state,kwargs,received,runtime,worker")

_TEXTS = ("args", "kwargs", "result", "exception", "traceback")


def format_task(task: Any) -> Any:
    """A task as the pages show it; Flower hands over a copy.

    Our workers tell no secrets (``tasks/request.py``); this is for those of other applications on the same broker.
    """
    for name in _TEXTS:
        if isinstance(text := getattr(task, name, None), str):
            setattr(task, name, shortened(redacted(text), ALL))
    task.kwargs = line(task.kwargs or "")
    return task
