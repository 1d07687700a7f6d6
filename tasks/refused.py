"""Messages no task can take: kept as dead letters, so that none is lost in silence."""

import logging
from typing import Any

from celery.signals import task_rejected, task_unknown

from tasks import app
from tasks.wiring import services
from vidpoll import messages
from vidpoll.errors import InvalidRequest, Unavailable

log = logging.getLogger("vidpoll.refused")


@app.task(name=messages.BURY)
def bury(entry: str, reason: str = "message: is no Celery message, see docs/messages.md") -> None:
    """Keep an entry of a queue that no task could have; without a reason it was kept already."""
    if reason:
        _bury("no Celery message", None, {"entry": entry}, reason)


@task_unknown.connect(weak=False)
def _unknown(message: Any, name: str, id: str, **_: object) -> None:
    _bury(name, id, {"body": _text(message)}, f"task: there is no task {name!r}")


@task_rejected.connect(weak=False)
def _rejected(message: Any, exc: Exception | None, **_: object) -> None:
    headers = message.headers or {}
    reason = f"message: cannot be read as a Celery message: {exc}"
    _bury(str(headers.get("task", "unknown")), headers.get("id"), {"body": _text(message)}, reason)


def _bury(task: str, message_id: str | None, payload: dict[str, Any], reason: str) -> None:
    error = InvalidRequest([reason])
    try:
        services().store.bury(task, message_id, payload, error)
        services().telemetry.buried(task, error.code)
    except Unavailable as away:
        log.error("%s (%s) could not be kept as a dead letter: %s; it was %s", task, reason, away, payload)


def _text(message: Any) -> str:
    body = message.body
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body)
