import json
import logging
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any

import pytest

from tests import providers_file
from vidpoll import tracing
from vidpoll.generation import Failure, Generation, Status
from vidpoll.providers.outcomes import Pending, RateLimited, Ready, Submitted
from vidpoll.redact import SECRETS
from vidpoll.telemetry import Telemetry

needs_otel = pytest.mark.skipif(not find_spec("opentelemetry.sdk"), reason="the extra `otel` is not installed")

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADER = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{SPAN}-00"

#: A process that records a generation's spans, as the environment has it, and ends.
ENDS = """
import sys, uuid
from datetime import UTC, datetime
from vidpoll import tracing
from vidpoll.generation import Generation, Status
now = datetime.now(UTC)
one = Generation(id=uuid.uuid4(), owner="a", provider="veo", model="m", prompt="p", status=Status.PROCESSING, account="vertex",
                 created_at=now, updated_at=now, read_at=now, traceparent=sys.argv[1])
recorder = tracing.from_environment()
recorder.submitted(one, "submitted")
recorder.ended(one, Status.COMPLETED, now)
print("recorded")
"""


class Recorded:
    """A telemetry whose spans stay in memory."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._exporter = InMemorySpanExporter()
        self._tracing = tracing.Tracing(SimpleSpanProcessor(self._exporter))
        self.telemetry = Telemetry(tracing=self._tracing)

    def close(self) -> None:
        self._tracing.close()

    @property
    def spans(self) -> list[Any]:
        return list(self._exporter.get_finished_spans())

    def span(self, name: str) -> Any:
        (found,) = [span for span in self.spans if span.name == name]
        return found


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    yield made
    made.close()


def made(**fields: Any) -> Generation:
    basis = {
        "id": uuid.uuid4(),
        "owner": "alice",
        "provider": "veo",
        "model": "veo-fast",
        "prompt": "a lion at dawn",
        "status": Status.PROCESSING,
        "account": "vertex",
        "submit_attempts": 1,
        "created_at": NOW,
        "updated_at": NOW,
        "read_at": NOW + timedelta(seconds=5),
        "traceparent": HEADER,
    }
    return Generation(**{**basis, **fields})


def live(telemetry: Telemetry, generation: Generation) -> None:
    telemetry.accepted(generation.id, generation, "vertex", generation.traceparent)
    with telemetry.call("vertex", "submit"):
        pass
    telemetry.submitted(generation, Submitted("op"))
    with telemetry.call("vertex", "status"):
        pass
    telemetry.looked(generation, Pending(progress=40), 5.0)
    telemetry.completed(generation, NOW + timedelta(seconds=80))


# -- the caller's context ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (HEADER, HEADER),
        (UNSAMPLED, UNSAMPLED),
        (f"01-{TRACE}-{SPAN}-01-more", HEADER),
        (f"{HEADER}-more", None),
        (f"{HEADER}-", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (HEADER.upper(), None),
        (f"{HEADER}\n", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_a_traceparent_that_is_none_is_ignored(header: object, kept: str | None):
    assert tracing.traceparent_of(header) == kept


@needs_otel
def test_the_span_a_caller_is_in_is_what_a_trace_goes_on_from():
    from opentelemetry.sdk.trace import TracerProvider

    assert tracing.current() is None
    with TracerProvider(shutdown_on_exit=False).get_tracer("caller").start_as_current_span("request") as span:
        context = span.get_span_context()
        told = tracing.traceparent_of(tracing.current())

    assert told is not None
    assert told.split("-")[1:3] == [f"{context.trace_id:032x}", f"{context.span_id:016x}"]


# -- one trace ----------------------------------------------------------------


@needs_otel
def test_all_spans_of_a_generation_are_in_its_callers_trace(recorded: Recorded):
    generation = made()

    live(recorded.telemetry, generation)

    whole = recorded.span("vidpoll.generation")
    assert [span.name for span in recorded.spans] == ["vidpoll.accept", "vidpoll.submit", "vidpoll.check", whole.name]
    assert {f"{span.context.trace_id:032x}" for span in recorded.spans} == {TRACE}
    assert f"{whole.parent.span_id:016x}" == SPAN
    assert {span.parent.span_id for span in recorded.spans if span is not whole} == {whole.context.span_id}
    assert len({span.context.span_id for span in recorded.spans}) == 4
    assert (whole.start_time, whole.end_time) == (NOW.timestamp() * 1e9, (NOW.timestamp() + 80) * 1e9)


@needs_otel
@pytest.mark.parametrize("row", [None, "junk that somebody wrote to the row"])
def test_without_a_caller_the_generations_id_makes_the_trace(recorded: Recorded, row: str | None):
    generation = made(traceparent=row)

    live(recorded.telemetry, generation)

    other = Recorded()
    live(other.telemetry, generation)
    live(other.telemetry, made(traceparent=row))
    other.close()
    (trace,) = {span.context.trace_id for span in recorded.spans}
    assert [span.context.trace_id == trace for span in other.spans] == [True] * 4 + [False] * 4
    whole = recorded.span("vidpoll.generation")
    assert whole.parent is None
    assert {span.parent.span_id for span in recorded.spans if span is not whole} == {whole.context.span_id}


@needs_otel
def test_spans_tell_what_happened_and_no_prompt(recorded: Recorded):
    generation = made(checks=2)
    live(recorded.telemetry, generation)

    submit, check = recorded.span("vidpoll.submit").attributes, recorded.span("vidpoll.check").attributes
    target = {
        "vidpoll.generation": str(generation.id),
        "vidpoll.account": "vertex",
        "vidpoll.provider": "veo",
        "vidpoll.model": "veo-fast",
    }
    assert submit == {**target, "vidpoll.outcome": "submitted", "vidpoll.attempt": 1}
    assert check == {**target, "vidpoll.outcome": "pending", "vidpoll.check": 3, "vidpoll.progress": 40}
    assert "lion" not in "".join(span.to_json() for span in recorded.spans)


@needs_otel
def test_a_failure_is_told_by_its_code_alone(recorded: Recorded):
    recorded.telemetry.looked(made(), RateLimited(3.0), 5.0)
    recorded.telemetry.failed(made(), Failure("content_filtered", "the prompt 'a lion at dawn' was refused"))

    check, whole = recorded.span("vidpoll.check"), recorded.span("vidpoll.generation")
    assert (check.status.status_code.name, check.attributes["error.type"]) == ("ERROR", "rate_limited")
    assert (whole.status.status_code.name, whole.status.description) == ("ERROR", "content_filtered")
    assert "lion" not in whole.to_json()


@needs_otel
def test_a_key_in_an_attribute_is_hidden(recorded: Recorded):
    SECRETS.add("a-key-nobody-may-see")

    recorded.telemetry.failed(made(model="m?key=a-key-nobody-may-see"), Failure("a-key-nobody-may-see", "no"))

    assert "nobody-may-see" not in recorded.span("vidpoll.generation").to_json()


@needs_otel
def test_one_that_comes_late_ends_in_a_second_span_of_the_same_trace(recorded: Recorded):
    generation = made()
    recorded.telemetry.failed(generation, Failure("timed_out", "no video"))
    late = replace(generation, status=Status.FAILED, error={"code": "timed_out"})
    recorded.telemetry.completed(late, NOW + timedelta(seconds=900))

    first, second = recorded.spans
    assert first.context.trace_id == second.context.trace_id
    assert first.context.span_id != second.context.span_id
    assert (second.attributes["vidpoll.status"], second.attributes["vidpoll.late"]) == ("completed", True)


@needs_otel
def test_a_call_that_took_several_is_the_span_of_each(recorded: Recorded):
    with recorded.telemetry.call("vertex", "status"):
        pass
    recorded.telemetry.looked(made(), Pending(), 5.0)
    recorded.telemetry.looked(made(), Ready(("https://v",)), None)

    one, other = recorded.spans
    assert (one.start_time, one.end_time) == (other.start_time, other.end_time)


@needs_otel
def test_what_the_caller_does_not_sample_is_not_recorded(recorded: Recorded):
    live(recorded.telemetry, made(traceparent=UNSAMPLED))

    assert recorded.spans == []


@needs_otel
def test_a_generation_is_sampled_as_a_whole(monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    recorded = Recorded()
    for _ in range(60):
        live(recorded.telemetry, made(traceparent=None))
    recorded.close()

    traces = [span.context.trace_id for span in recorded.spans]
    assert {traces.count(each) for each in traces} == {4}
    assert 0 < len(set(traces)) < 60


# -- a collector that is away ----------------------------------------------------------------


@needs_otel
def test_a_collector_that_hangs_holds_up_nobody_and_brings_no_line(monkeypatch, caplog):
    """Spans that are too many get lost. A line might be written between a paid call and its commit."""
    from opentelemetry.sdk.trace.export import SpanExporter

    class Hangs(SpanExporter):
        let_go = threading.Event()

        def export(self, spans: Any) -> Any:
            self.let_go.wait(60)

        def shutdown(self) -> None:
            pass

    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    recorder = tracing.Tracing(tracing._batched(Hangs()))
    telemetry, generation = Telemetry(tracing=recorder), made()

    with caplog.at_level(logging.DEBUG):
        for _ in range(100):
            telemetry.submitted(generation, Submitted("op"))
    Hangs.let_go.set()
    recorder.close()

    assert caplog.records == []


class Collector:
    """Takes spans over OTLP/HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()

    def take(self, path: str, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services |= {
                one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]


@contextmanager
def serving(collector: Collector, *, hangs: threading.Event | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if hangs:
                hangs.wait(60)
            collector.take(self.path, body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        if hangs:
            hangs.set()
        server.shutdown()
        thread.join()
        server.server_close()


def ended(url: str, **environment: str) -> str:
    """What a process prints that recorded spans for the collector at ``url``, once it is gone."""
    run = subprocess.run(
        [sys.executable, "-c", ENDS, HEADER], capture_output=True, text=True, timeout=25, check=True,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": url, **environment},
    )  # fmt: skip
    return run.stdout


@needs_otel
def test_a_collector_gets_the_spans_of_a_process_that_ends():
    collector = Collector()
    with serving(collector) as url:
        assert ended(url) == "recorded\n"

    assert [span.name for span in collector.spans] == ["vidpoll.submit", "vidpoll.generation"]
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert collector.spans[1].parent_span_id.hex() == SPAN
    assert collector.spans[0].parent_span_id == collector.spans[1].span_id
    assert collector.services == {"vidpoll"}


@needs_otel
def test_the_environments_service_name_goes_before_ours():
    collector = Collector()
    with serving(collector) as url:
        ended(url, OTEL_SERVICE_NAME="films")

    assert collector.services == {"films"}


@needs_otel
def test_a_process_ends_though_its_collector_hangs():
    """OpenTelemetry itself would wait for half a minute, which is longer than this test does."""
    with serving(Collector(), hangs=threading.Event()) as url:
        assert ended(url, OTEL_EXPORTER_OTLP_TIMEOUT="60") == "recorded\n"


# -- off ----------------------------------------------------------------


def test_a_worker_whose_tracing_is_off_imports_nothing_for_it(tmp_path):
    """redis-py imports the metrics of the SDK by itself, wherever they are installed."""
    code = """
import json, sys
import tasks, tasks.generations, tasks.maintenance, tasks.projects, tasks.bootsteps, vidpoll.client, vidpoll.lifecycle
from vidpoll.services import build
from vidpoll.settings import Settings
build(Settings(redis_url="redis://127.0.0.1:1/0", database_url="postgresql://127.0.0.1:1/x", providers_file=sys.argv[1]))
print(json.dumps([name for name in sys.modules if name.startswith(("opentelemetry.sdk.trace", "opentelemetry.exporter"))]))
"""
    file = providers_file.write(tmp_path, "http://127.0.0.1:1")
    off = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}

    run = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True,
        env={**off, "VIDPOLL_BROKER_URL": "redis://127.0.0.1:1/0"},
    )  # fmt: skip

    assert json.loads(run.stdout) == []


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_it_is_off_unless_it_is_set_up(monkeypatch, environment: dict[str, str]):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert tracing.from_environment() is None


def test_it_is_off_and_says_so_where_the_extra_is_not_installed(monkeypatch, caplog):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    assert tracing.from_environment() is None
    assert "vidpoll[otel]" in caplog.text
