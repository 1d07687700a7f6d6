"""What a worker tells of its tasks, in events (Flower), answers to ``inspect`` and logs: no secrets, no long texts.

Celery passes on what the sender wrote into the headers, which may be anything, or nothing: messages of other languages
and those of :class:`vidpoll.Client` have no ``kwargsrepr``. Here it is made of the message itself.
"""

from typing import Any

from celery.app.task import Task as CeleryTask
from celery.worker.request import Request as CeleryRequest

from vidpoll.redact import redacted
from vidpoll.shown import shown


class Request(CeleryRequest):
    """A message at a worker."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._argsrepr, self._kwargsrepr = shown(self._args), shown(self._kwargs)

    def info(self, safe: bool = False) -> dict[str, Any]:
        """What ``inspect active`` answers, never with the arguments themselves."""
        return dict(super().info(safe=True))

    def send_event(self, type: str, **fields: Any) -> None:
        """Tell what became of it. Results, errors and tracebacks say what they like."""
        clean = {name: redacted(value) if isinstance(value, str) else value for name, value in fields.items()}
        super().send_event(type, **clean)


class Task(CeleryTask):
    """The base of all tasks."""

    Request = "tasks.request:Request"
