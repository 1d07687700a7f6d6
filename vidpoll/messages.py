"""The contract on the wire: task names, queues, payloads. ``docs/messages.md`` is the same for other languages."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from vidpoll.errors import InvalidRequest
from vidpoll.generation import GenerationRequest

#: The newest payload this code understands. A message says ``v`` when a reader of an older version would do the wrong
#: thing with it; fields that may be ignored are simply added, and readers ignore what they do not know.
VERSION: Final = 2

#: From outside: accept a request. Keyword arguments are the fields of :class:`GenerationRequest`.
GENERATE: Final = "vidpoll.generate"
#: From outside: ``id``.
CANCEL: Final = "vidpoll.cancel"
REFRESH: Final = "vidpoll.refresh"
#: From the HTTP side: a vendor's webhook, verified: ``account``, ``operation``, ``delivery``, ``id`` (optional).
WAKE: Final = "vidpoll.wake"
#: From the dispatcher: ``account``, ``ids``, ``call_at_us``.
SUBMIT: Final = "vidpoll.submit"
CHECK_STATUS: Final = "vidpoll.check_status"
#: From the dispatcher, and from clients that made or changed a project: ``ids``.
ADVANCE: Final = "vidpoll.advance"
#: From the dispatcher, and from clients that want something sent now: ``ids``, of webhook endpoints.
DELIVER: Final = "vidpoll.deliver"
#: From the dispatcher: ``ids``, of files.
ARCHIVE: Final = "vidpoll.archive"
#: From beat.
ARCHIVE_RESULTS: Final = "vidpoll.archive_results"
ADVANCE_PROJECTS: Final = "vidpoll.advance_projects"
DELIVER_WEBHOOKS: Final = "vidpoll.deliver_webhooks"
RESTORE_STUCK: Final = "vidpoll.restore_stuck"
LEARN_DURATIONS: Final = "vidpoll.learn_durations"
PRUNE: Final = "vidpoll.prune"
#: Sweeps and lessons: that a worker finishes them proves nothing of the rest of its work.
FROM_BEAT: Final = frozenset(
    {ADVANCE_PROJECTS, ARCHIVE_RESULTS, DELIVER_WEBHOOKS, RESTORE_STUCK, LEARN_DURATIONS, PRUNE}
)
#: From a worker to itself: keep a queue's entry that was no message.
BURY: Final = "vidpoll.bury"

#: What comes from outside; apart from the paid calls, so that a flood of requests delays none of them.
QUEUE_ACCEPT: Final = "accept"
QUEUE_SUBMIT: Final = "submit"
QUEUE_CHECK: Final = "check"
QUEUE_MAINTENANCE: Final = "maintenance"
#: Projects; apart from the paid calls as well, and from the sweeps.
QUEUE_PROJECTS: Final = "projects"
#: Webhooks: somebody else's server may take seconds to answer.
QUEUE_WEBHOOKS: Final = "webhooks"
#: Files that are copied, which takes long; apart from all that is quick.
QUEUE_ARCHIVE: Final = "archive"
#: Where a Celery client that names no queue sends to; workers read it too, so nothing lies there unread.
QUEUE_DEFAULT: Final = "celery"
QUEUES: Final = (
    QUEUE_ACCEPT,
    QUEUE_SUBMIT,
    QUEUE_CHECK,
    QUEUE_PROJECTS,
    QUEUE_WEBHOOKS,
    QUEUE_ARCHIVE,
    QUEUE_MAINTENANCE,
    QUEUE_DEFAULT,
)
#: On RabbitMQ alone: the exchange all queues are bound to.
EXCHANGE: Final = "vidpoll"

QUEUE_OF: Final[Mapping[str, str]] = {
    GENERATE: QUEUE_ACCEPT,
    SUBMIT: QUEUE_SUBMIT,
    CHECK_STATUS: QUEUE_CHECK,
    CANCEL: QUEUE_ACCEPT,
    REFRESH: QUEUE_ACCEPT,
    WAKE: QUEUE_ACCEPT,
    ADVANCE: QUEUE_PROJECTS,
    DELIVER: QUEUE_WEBHOOKS,
    ARCHIVE: QUEUE_ARCHIVE,
    ADVANCE_PROJECTS: QUEUE_MAINTENANCE,
    ARCHIVE_RESULTS: QUEUE_MAINTENANCE,
    DELIVER_WEBHOOKS: QUEUE_MAINTENANCE,
    RESTORE_STUCK: QUEUE_MAINTENANCE,
    LEARN_DURATIONS: QUEUE_MAINTENANCE,
    PRUNE: QUEUE_MAINTENANCE,
    BURY: QUEUE_MAINTENANCE,
}

_TASK_IDS: Final = UUID("6f1d8c0e-5d0f-4c61-9f0e-0c1b7a3e2d55")


class NewerMessage(InvalidRequest):
    """The message needs a newer worker; where versions are rolled out, one will come."""

    code = "newer_message"


def readable(version: object) -> bool:
    """Whether this worker may act on a message of this ``v``; a message without one is of version 1."""
    return isinstance(version, int) and not isinstance(version, bool) and 1 <= version <= VERSION


def generate_message(request: GenerationRequest) -> dict[str, Any]:
    """Keyword arguments of ``vidpoll.generate`` for ``request``; fields left at their default are left out.

    One that asks for anything but a video is of version 2: a reader of version 1 would have a video made.
    """
    version = {} if request.kind == "video" else {"v": 2}
    return request.model_dump(mode="json", exclude_defaults=True) | {"owner": request.owner} | version


def envelope(task: str, kwargs: Mapping[str, Any], queue: str, *, task_id: str | None = None) -> dict[str, Any]:
    """A whole message as it lies, as JSON, in the Redis list ``queue``: Celery's protocol 2 inside kombu's envelope.

    Source: Celery's documentation, "Message Protocol", version 2. Other languages send just this.

    Example:
        >>> envelope(CANCEL, {"id": "…"}, QUEUE_ACCEPT)["headers"]["task"]
        'vidpoll.cancel'
    """
    task_id = task_id or str(uuid4())
    body = json.dumps([[], dict(kwargs), {}])
    return {
        "body": base64.b64encode(body.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": task, "id": task_id},
        "properties": {
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": queue},
            "delivery_tag": str(uuid4()),
        },
    }


def read_generate(args: Sequence[object], kwargs: Mapping[str, Any], task_id: str) -> GenerationRequest:
    """The request in a ``vidpoll.generate`` message. Its ``id`` is the message's, else made from the task id.

    So the same message delivered twice is the same generation.

    Raises:
        InvalidRequest: naming every problem.
        NewerMessage: it was written for a newer version.
    """
    if args:
        raise InvalidRequest([f"arguments: {GENERATE} takes keyword arguments only, got {len(args)} positional"])
    version, fields = kwargs.get("v", 1), {name: value for name, value in kwargs.items() if name != "v"}
    if isinstance(version, int) and version > VERSION:
        raise NewerMessage([f"v: this worker reads messages up to version {VERSION}, this one is of version {version}"])
    if not readable(version):
        raise InvalidRequest([f"v: must be a whole number from 1 up, not {version!r}"])
    if "owner" not in fields:
        raise InvalidRequest(["owner: field required"])
    request = GenerationRequest.checked(fields)
    return request if request.id else request.model_copy(update={"id": _from_task_id(task_id)})


def read_id(kwargs: Mapping[str, Any]) -> UUID:
    """The ``id`` of a ``vidpoll.cancel`` or ``vidpoll.refresh`` message.

    Raises:
        InvalidRequest: it is missing or no UUID.
    """
    try:
        return UUID(str(kwargs["id"]))
    except KeyError:
        raise InvalidRequest(["id: field required"]) from None
    except ValueError:
        raise InvalidRequest([f"id: {kwargs['id']!r} is not a UUID"]) from None


def read_wake(kwargs: Mapping[str, Any]) -> tuple[str, str, str]:
    """``account``, ``operation`` and ``delivery`` of a ``vidpoll.wake`` message.

    Raises:
        InvalidRequest: naming what is missing or no text.
    """
    names = ("account", "operation", "delivery")
    wrong = [f"{name}: must be a text" for name in names if not isinstance(kwargs.get(name), str)]
    if wrong:
        raise InvalidRequest(wrong)
    return kwargs["account"], kwargs["operation"], kwargs["delivery"]


def _from_task_id(task_id: str) -> UUID:
    try:
        return UUID(task_id)
    except ValueError:
        return uuid5(_TASK_IDS, task_id)


def as_uuid(id: UUID | str) -> UUID:
    """An id given as text.

    Raises:
        InvalidRequest: it is no UUID.
    """
    try:
        return id if isinstance(id, UUID) else UUID(id)
    except ValueError:
        raise InvalidRequest([f"id: {id!r} is not a UUID"]) from None
