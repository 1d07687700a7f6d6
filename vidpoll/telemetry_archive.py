"""What is told of copies of results: part of :class:`vidpoll.telemetry.Telemetry`, whose rules hold here too."""

import logging
from collections.abc import Callable
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Histogram

from vidpoll.generation import Failure
from vidpoll.guarded_logs import FIELDS

events = logging.getLogger("vidpoll.events")

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class ArchiveTelemetry:
    """Counts what became of attempts.

    Args:
        word: bounds words that somebody else chose.
    """

    def __init__(self, registry: CollectorRegistry, word: Callable[[str], str]) -> None:
        self._word = word
        self._attempts = Counter(
            "vidpoll_archive_attempts_total", "Attempts to copy a file, by outcome.", ["outcome"], registry=registry
        )
        self._lost = Counter(
            "vidpoll_archive_failures_total", "Files that could not be copied, by code.", ["code"], registry=registry
        )
        self._bytes = Counter("vidpoll_archive_bytes_total", "Bytes of files copied.", registry=registry)
        self._seconds = Histogram(
            "vidpoll_archive_seconds", "What copying a file took.", buckets=_SECONDS, registry=registry
        )
        for outcome in ("stored", "again", "failed"):
            self._attempts.labels(outcome)

    def stored(self, generation_id: UUID, position: int, size: int, seconds: float, attempts: int) -> None:
        """A file is in the archive."""
        self._attempts.labels("stored").inc()
        self._bytes.inc(size)
        self._seconds.observe(seconds)
        _say(logging.INFO, "archived", generation_id, position, bytes=size, seconds=round(seconds, 3), attempt=attempts)

    def again(self, code: str) -> None:
        """It is to be tried again, for this reason."""
        self._attempts.labels("again").inc()

    def failed(self, generation_id: UUID, position: int, failure: Failure) -> None:
        """It is not tried any more."""
        self._attempts.labels("failed").inc()
        self._lost.labels(self._word(failure.code)).inc()
        _say(logging.WARNING, "archive_failed", generation_id, position, code=failure.code, reason=failure.message)


def _say(level: int, event: str, generation_id: UUID, position: int, **more: object) -> None:
    events.log(level, event, extra={FIELDS: {"generation": generation_id, "file": position, **more}})
