"""What a worker counts and tells of webhooks; a part of ``telemetry.py``. A line a try, without address or secret."""

import logging
from typing import Final
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Histogram

from vidpoll.guarded_logs import FIELDS

#: What a try ends in: the outcomes of ``webhooks/sending.py``, as words.
OUTCOMES: Final = ("delivered", "refused", "unreachable", "gone")
_TRY_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20)

log = logging.getLogger("vidpoll.webhook_metrics")
events = logging.getLogger("vidpoll.events")


class WebhookMetrics:
    """Tries, and how long they took.

    Example:
        >>> metrics = WebhookMetrics(CollectorRegistry())
        >>> metrics.tried(UUID(int=7), "evt_1", "generation.completed", "delivered", 0.2, status=204, attempt=1)
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tries = Counter(
            "vidpoll_webhook_tries_total", "POSTs to webhook endpoints by outcome.", ["outcome"], registry=registry
        )
        self._try_s = Histogram(
            "vidpoll_webhook_try_seconds", "POSTs to webhook endpoints.", buckets=_TRY_S, registry=registry
        )
        for outcome in OUTCOMES:
            self._tries.labels(outcome)

    def tried(
        self,
        endpoint: UUID,
        event_id: str,
        event_type: str,
        outcome: str,
        seconds: float,
        *,
        status: int | None,
        attempt: int,
        reason: str = "",
    ) -> None:
        """One POST; ``reason`` is what the endpoint said, or why there was no answer. Never raises."""
        try:
            self._tries.labels(outcome).inc()
            self._try_s.observe(seconds)
            told = {
                "endpoint": str(endpoint), "event": event_id, "type": event_type, "outcome": outcome,
                "attempt": attempt, "seconds": round(seconds, 3), "status": status, "reason": reason,
            }  # fmt: skip
            fields = {name: value for name, value in told.items() if value not in (None, "")}
            level = logging.INFO if outcome == "delivered" else logging.WARNING
            events.log(level, "webhook", extra={FIELDS: fields})
        except Exception:
            log.exception("telemetry failed, and nothing else")

    def disabled(self, endpoint: UUID, code: str, reason: str) -> None:
        """An endpoint is sent nothing more, because of how it answers. Never raises."""
        fields = {"endpoint": str(endpoint), "code": code, "reason": reason}
        events.log(logging.WARNING, "webhook_disabled", extra={FIELDS: fields})
