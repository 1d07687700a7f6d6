"""How a process logs: one line an event, JSON for machines and colours for people, and no secret in either.

Everything goes through the standard library's logging, so lines of Celery, kombu and uvicorn look like ours. A line has
``timestamp``, ``level``, ``logger`` and ``event``; what happened to a generation brings fields, see ``telemetry.py``.
"""

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter

from vidpoll.guarded_logs import FIELDS, guard_logs
from vidpoll.redact import SHORTEST, redacted
from vidpoll.settings import Settings


def set_up_logs(settings: Settings, *, others: int | str = logging.WARNING, file: Path | None = None) -> None:
    """Log to standard error, or to ``file``, from now on.

    Lines of vidpoll are shown from ``settings.log_level`` on, those of libraries from ``others``.
    """
    handler = logging.FileHandler(file) if file else logging.StreamHandler()
    pretty = settings.log_format == "pretty" or (settings.log_format == "auto" and not file and sys.stderr.isatty())
    handler.setFormatter(formatter(pretty=pretty, colors=pretty and not file and sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(others)
    logging.getLogger("vidpoll").setLevel(settings.log_level)
    guard_logs()


def formatter(*, pretty: bool, colors: bool = False) -> logging.Formatter:
    """Lines for people, or JSON. Message and traceback are redacted by the handler's filter, fields in here."""
    to_text = ConsoleRenderer(colors=colors, exception_formatter=plain_traceback) if pretty else JSONRenderer()
    return ProcessorFormatter(foreign_pre_chain=[_line], processors=[to_text])


def _line(logger: object, method: str, found: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record: logging.LogRecord = found["_record"]
    line = {
        "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": found["event"],
        **{name: _shown(value) for name, value in getattr(record, FIELDS, {}).items()},
    }
    told = filter(None, (record.exc_text, record.stack_info))
    exception = "\n".join(told)
    return {**line, "exception": exception} if exception else line


def _shown(value: object) -> object:
    """A field as JSON can have it, without secrets; what cannot be one, or is too short to be one, is not searched."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, UUID):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) < SHORTEST else redacted(text)
