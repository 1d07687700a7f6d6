"""Logs without secrets, whoever writes them and wherever they go."""

import logging
from typing import Final

from vidpoll.redact import redacted

#: Attribute of a record that holds what happened, field by field; ``logs.py`` shows it.
FIELDS: Final = "vidpoll_fields"


class Redacting(logging.Filter):
    """Takes secrets out of records: out of the message, of its traceback and of the stack."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let it pass, redacted."""
        said = _message(record)
        clean = redacted(said)
        if clean != said:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = _TRACEBACK.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redacted(record.exc_text)
        if record.stack_info:
            record.stack_info = redacted(record.stack_info)
        return True


def _message(record: logging.LogRecord) -> str:
    """What it says. One that cannot be put together would be shown by the handler itself, with all its arguments."""
    try:
        return record.getMessage()
    except Exception:
        record.msg, record.args = f"{record.msg} {record.args}", ()
        return record.msg


_TRACEBACK: Final = logging.Formatter()
_FILTER: Final = Redacting()


def guard_logs() -> None:
    """Have every handler there is redact what it writes; call it again when handlers were added."""
    loggers = [logging.getLogger(), *(one for one in logging.root.manager.loggerDict.values())]
    handlers = [handler for one in loggers if isinstance(one, logging.Logger) for handler in one.handlers]
    for handler in [*handlers, *([logging.lastResort] if logging.lastResort else [])]:
        handler.addFilter(_FILTER)
