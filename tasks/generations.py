"""The tasks: unpack, call the lifecycle, nothing else."""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from celery import Task

from tasks import app
from tasks.wiring import lifecycle, services, waking
from vidpoll import messages
from vidpoll.errors import (
    GenerationNotFound,
    IdempotencyConflict,
    InvalidRequest,
    NotConfigured,
    Unavailable,
    VidpollError,
)
from vidpoll.tracing import traceparent_of

log = logging.getLogger("vidpoll.tasks")

#: For messages from outside, whose only copy is the message: kept until done, tried again while a server is down.
FROM_OUTSIDE: dict[str, Any] = {
    "bind": True,
    "acks_late": True,
    "typing": False,
    "autoretry_for": (Unavailable, NotConfigured),
    "max_retries": None,
    "retry_backoff": 1,
    "retry_backoff_max": 30,
}

#: How often, and after how many seconds, a cancel waits for the request it may have overtaken.
OVERTAKEN_RETRIES = 5
OVERTAKEN_RETRY_S = 3
#: How often, and after how many seconds each time, a message is left to a newer worker.
NEWER_RETRIES = 60
NEWER_RETRY_S = 10


@app.task(name=messages.GENERATE, **FROM_OUTSIDE)
def generate(self: "Task[..., None]", *args: Any, **kwargs: Any) -> None:
    """Accept a request. Wrong ones are kept as dead letters, for an operator to see."""
    try:
        traceparent = traceparent_of(self.request.get("traceparent"))
        lifecycle().accept(messages.read_generate(args, kwargs, self.request.id), traceparent)
    except messages.NewerMessage as error:
        _leave_to_a_newer_worker(self, {"args": args, "kwargs": kwargs}, error)
    except (InvalidRequest, IdempotencyConflict) as error:
        _refuse(self, {"args": args, "kwargs": kwargs}, error)
    except (Unavailable, NotConfigured):
        raise
    except Exception as error:
        _keep(self, {"args": args, "kwargs": kwargs}, error)


@app.task(name=messages.CANCEL, **FROM_OUTSIDE)
def cancel(self: "Task[..., None]", *args: Any, **kwargs: Any) -> None:
    """Cancel a generation."""
    try:
        lifecycle().cancel(messages.read_id(kwargs))
    except GenerationNotFound as error:
        if self.request.retries < OVERTAKEN_RETRIES:
            raise self.retry(countdown=OVERTAKEN_RETRY_S, max_retries=None) from None
        _refuse(self, {"args": args, "kwargs": kwargs}, error)
    except InvalidRequest as error:
        _refuse(self, {"args": args, "kwargs": kwargs}, error)


@app.task(name=messages.REFRESH, **FROM_OUTSIDE)
def refresh(self: "Task[..., None]", *args: Any, **kwargs: Any) -> None:
    """Look at a generation as soon as its lane allows."""
    try:
        lifecycle().refresh(messages.read_id(kwargs))
    except (InvalidRequest, GenerationNotFound) as error:
        _refuse(self, {"args": args, "kwargs": kwargs}, error)


@app.task(name=messages.WAKE, **FROM_OUTSIDE)
def wake(self: "Task[..., None]", *args: Any, **kwargs: Any) -> None:
    """Look at a generation soon, since its vendor says that it is done."""
    try:
        account, operation, delivery = messages.read_wake(kwargs)
        waking().wake(account, operation, delivery, messages.read_id(kwargs) if kwargs.get("id") else None)
    except InvalidRequest as error:
        _refuse(self, {"args": args, "kwargs": kwargs}, error)


@app.task(name=messages.SUBMIT)
def submit(account: str, ids: list[str], call_at_us: int, v: int = 1, **_: object) -> None:
    """Make the paid call for ids that the submit lane handed out; acked early, since their lease brings them back."""
    if messages.readable(v):
        lifecycle().submit(account, [UUID(id) for id in ids], call_at_us)


@app.task(name=messages.CHECK_STATUS)
def check_status(account: str, ids: list[str], call_at_us: int, v: int = 1, **_: object) -> None:
    """Look at ids that the status lane handed out; acked early, since their lease brings them back."""
    if messages.readable(v):
        lifecycle().check(account, [UUID(id) for id in ids], call_at_us)


def _leave_to_a_newer_worker(task: "Task[..., None]", payload: Mapping[str, Any], error: messages.NewerMessage) -> None:
    """While versions are rolled out, a newer worker may take the message next; after ten minutes nobody will."""
    if task.request.retries >= NEWER_RETRIES:
        _refuse(task, payload, error)
    else:
        raise task.retry(countdown=NEWER_RETRY_S, max_retries=None)


def _keep(task: "Task[..., None]", payload: Mapping[str, Any], error: Exception) -> None:
    """What nobody foresaw must not cost the only copy of a request."""
    log.exception("%s %s failed, and is kept as a dead letter", task.name, task.request.id)
    _refuse(task, payload, VidpollError(f"{type(error).__name__}: {error}"))


def _refuse(task: "Task[..., None]", payload: Mapping[str, Any], error: VidpollError) -> None:
    services().store.bury(str(task.name), task.request.id, payload, error)
    services().telemetry.buried(str(task.name), error.code)
