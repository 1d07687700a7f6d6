"""Traces: what happened to a generation as OpenTelemetry spans, where the extra ``otel`` is installed and set up.

All spans of a generation are children of its ``vidpoll.generation``, which is recorded last, by whoever ends it. So its
ids follow from the row alone: its trace is that of the caller's ``traceparent`` (https://www.w3.org/TR/trace-context/),
kept on the row; its span id, and its trace id where there was no caller's, are a hash of the generation's id. No worker
has to tell another one anything, nor to write anything down.

Nothing of OpenTelemetry is imported before :func:`from_environment` finds it set up.
"""

import atexit
import logging
import os
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from vidpoll.generation import Generation, Status
from vidpoll.redact import redacted

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.id_generator import IdGenerator

log = logging.getLogger("vidpoll.tracing")

#: Seconds that a process which ends waits for a collector to take its last spans.
CLOSING_S: Final = 3.0
#: Any of them sets tracing up; OpenTelemetry reads the rest of its variables by itself.
SWITCHES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")

_NAME: Final = "vidpoll.generation"
#: Version, trace, span, flags; a later version than 00 may have more behind them.
_TRACEPARENT: Final = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
#: Outcomes that are none.
_NO_ERROR: Final = frozenset({"submitted", "pending", "ready", "cancelled"})


def traceparent_of(text: object) -> str | None:
    """The ``traceparent`` in a header, as version 00; None where it is none: the standard has it ignored then.

    Example:
        >>> traceparent_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
        >>> traceparent_of("00-00000000000000000000000000000000-b7ad6b7169203331-01") is None
        True
    """
    found = _TRACEPARENT.fullmatch(text) if isinstance(text, str) else None
    if not found:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if (version == "00" and more) or int(trace_id, 16) == 0 or int(span_id, 16) == 0:
        return None
    return f"00-{trace_id}-{span_id}-{flags}"


def current() -> str | None:
    """The ``traceparent`` of the span this thread is in; None where nobody in this process uses OpenTelemetry."""
    trace = sys.modules.get("opentelemetry.trace")
    span = trace.get_current_span().get_span_context() if trace else None
    if span is None or not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def from_environment() -> "Tracing | None":
    """Tracing as the standard ``OTEL_*`` variables have it; None where it is off, and nothing was imported then."""
    if not any(os.environ.get(name) for name in SWITCHES) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        exporters = _exporters(os.environ.get("OTEL_TRACES_EXPORTER") or "otlp")
        return Tracing(*map(_batched, exporters)) if exporters else None
    except ImportError as error:
        log.warning("traces are asked for, and not recorded: pip install 'vidpoll[otel]' (%s)", error)
        return None
    except Exception:
        log.exception("traces cannot be set up, and are not recorded")
        return None


def _exporters(names: str) -> "list[SpanExporter]":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    known: dict[str, Callable[[], SpanExporter]] = {"otlp": OTLPSpanExporter, "console": ConsoleSpanExporter}
    asked = [name.strip() for name in names.split(",") if name.strip() not in ("", "none")]
    for name in set(asked) - set(known):
        log.warning("OTEL_TRACES_EXPORTER: there is no %r here; otlp, console and none are known", name)
    return [known[name]() for name in asked if name in known]


def _batched(exporter: "SpanExporter") -> "SpanProcessor":
    """Spans wait in memory for a thread that exports them. While its queue is full they get lost without a word.

    The word would be a line, which might be written between a paid call and its commit.
    """
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    logging.getLogger("opentelemetry.sdk._shared_internal").setLevel(logging.ERROR)
    return BatchSpanProcessor(exporter)


class _Ids(threading.local):
    """OpenTelemetry's ``IdGenerator``, which is told the ids of this thread's next span."""

    trace_id: int | None = None
    span_id: int | None = None

    def generate_trace_id(self) -> int:
        return self.trace_id or random.getrandbits(128) or 1

    def generate_span_id(self) -> int:
        return self.span_id or random.getrandbits(64) or 1

    def is_trace_id_random(self) -> bool:
        return True


class _Called(threading.local):
    """When this thread's last call to a provider was made, nanoseconds."""

    began_ns: int | None = None
    ended_ns: int | None = None


class Tracing:
    """Records spans of generations. :class:`vidpoll.telemetry.Telemetry` tells it what happened.

    It neither waits nor does it contact anybody: ``processors`` see to that, in threads of their own.

    Example::

        exporter = InMemorySpanExporter()
        telemetry = Telemetry(tracing=Tracing(SimpleSpanProcessor(exporter)))
    """

    def __init__(self, *processors: "SpanProcessor") -> None:
        from opentelemetry import trace
        from opentelemetry.context import Context
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import Decision

        self._trace, self._no_context = trace, Context()
        self._sampled = Decision.RECORD_AND_SAMPLE
        self._ids, self._called = _Ids(), _Called()
        # A service name of the environment goes before ours.
        named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        self._provider = TracerProvider(
            resource=Resource.create({} if named else {"service.name": "vidpoll"}),
            id_generator=cast("IdGenerator", self._ids), shutdown_on_exit=False,
        )  # fmt: skip
        for processor in processors:
            self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("vidpoll")
        self._closing = threading.Event()
        # Made now: a process that ends cannot start threads any more.
        self._closer = threading.Thread(target=self._close, name="vidpoll-tracing", daemon=True)
        self._closer.start()
        atexit.register(self.close)

    def close(self) -> None:
        """Export what was recorded, for :data:`CLOSING_S` at most; what was not taken by then is lost."""
        self._closing.set()
        self._closer.join(CLOSING_S)
        atexit.unregister(self.close)

    def _close(self) -> None:
        self._closing.wait()
        self._provider.shutdown()

    # -- what happened ------------------------------------------------------------------------------------------------

    def accepted(self, id: UUID, traceparent: str | None, **target: str) -> None:
        """It is in its submit lane: a moment."""
        now = time.time_ns()
        self._span("vidpoll.accept", id, traceparent, now, now, None, target)

    def called(self, seconds: float) -> None:
        """A call to a provider, which this thread made, took so long."""
        self._called.ended_ns = time.time_ns()
        self._called.began_ns = self._called.ended_ns - round(seconds * 1e9)

    def submitted(self, generation: Generation, outcome: str) -> None:
        """The paid call that this thread made last."""
        self._call("vidpoll.submit", generation, outcome, attempt=generation.submit_attempts)

    def looked(self, generation: Generation, outcome: str, progress: int | None) -> None:
        """The look that this thread made last; a call that took several is the look of each."""
        self._call("vidpoll.check", generation, outcome, check=generation.checks + 1, progress=progress)

    def ended(
        self, generation: Generation, status: Status, at: datetime | None = None, code: str | None = None
    ) -> None:
        """The whole, from the row's making to its end ``at``, or now. One that comes late is a second span."""
        began_ns = _ns(generation.created_at)
        ended_ns = max(began_ns, _ns(at) if at else time.time_ns())
        more = {"status": status.value, "attempt": generation.submit_attempts, "late": generation.timed_out or None}
        self._span(
            _NAME, generation.id, generation.traceparent, began_ns, ended_ns, code, {**_target(generation), **more},
            whole=not generation.timed_out,
        )  # fmt: skip

    def _call(self, name: str, generation: Generation, outcome: str, **more: object) -> None:
        ended_ns = self._called.ended_ns or time.time_ns()
        began_ns = self._called.began_ns or ended_ns
        error = None if outcome in _NO_ERROR else outcome
        attributes = {**_target(generation), "outcome": outcome, **more}
        self._span(name, generation.id, generation.traceparent, began_ns, ended_ns, error, attributes, call=True)

    # -- spans --------------------------------------------------------------------------------------------------------

    def _span(
        self, name: str, id: UUID, traceparent: str | None, began_ns: int, ended_ns: int, error: str | None,
        attributes: dict[str, Any], *, whole: bool = False, call: bool = False,
    ) -> None:  # fmt: skip
        outer = traceparent_of(traceparent)
        context = self._outer(outer) if whole else self._inner(id, outer)
        trace_id, span_id = _ids_of(id)
        self._ids.trace_id, self._ids.span_id = trace_id, span_id if whole else None
        told = {"generation": str(id), **attributes}
        span = self._tracer.start_span(
            name,
            context,
            self._trace.SpanKind.CLIENT if call else self._trace.SpanKind.INTERNAL,
            {f"vidpoll.{key}": _shown(value) for key, value in told.items() if value is not None},
            start_time=began_ns,
        )
        if error is not None:
            span.set_attribute("error.type", redacted(error))
            span.set_status(self._trace.StatusCode.ERROR, redacted(error))
        span.end(ended_ns)

    def _outer(self, traceparent: str | None) -> "Context":
        """What ``vidpoll.generation`` is in: the caller's span, or nothing."""
        if traceparent is None:
            return self._no_context
        _, trace_id, span_id, flags = (int(part, 16) for part in traceparent.split("-"))
        return self._within(trace_id, span_id, flags)

    def _inner(self, id: UUID, traceparent: str | None) -> "Context":
        """What all others are in: ``vidpoll.generation``, sampled as it will be."""
        trace_id, span_id = _ids_of(id)
        if traceparent:
            trace_id = int(traceparent.split("-")[1], 16)
        sampled = self._provider.sampler.should_sample(self._outer(traceparent), trace_id, _NAME)
        return self._within(trace_id, span_id, int(sampled.decision is self._sampled))

    def _within(self, trace_id: int, span_id: int, flags: int) -> "Context":
        span = self._trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=self._trace.TraceFlags(flags))
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(span), self._no_context)


def _target(generation: Generation) -> dict[str, str]:
    return {"account": str(generation.account), "provider": generation.provider, "model": generation.model}


def _shown(value: object) -> Any:
    return redacted(value) if isinstance(value, str) else value


def _ids_of(id: UUID) -> tuple[int, int]:
    """Ids of the trace and of the span of ``vidpoll.generation``. Samplers take a trace's for a random number.

    Which a UUID is not: two bits of its lower half are always the same.
    """
    digest = sha256(id.bytes).digest()
    return int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:24]) or 1


def _ns(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6) * 1000
