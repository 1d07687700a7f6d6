"""The trace of a generation, on real servers: from whoever asked over every check to the end."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import providers_file
from tests.integration.driver import RUNWARE, Driver
from vidpoll import Client
from vidpoll.generation import GenerationRequest, Status
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import build
from vidpoll.settings import Settings
from vidpoll.simulator import Simulator, World
from vidpoll.store import Store
from vidpoll.telemetry import Telemetry
from vidpoll.tracing import Tracing

pytestmark = pytest.mark.skipif(not find_spec("opentelemetry.sdk"), reason="the extra `otel` is not installed")

Make = Callable[..., GenerationRequest]
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADER = f"00-{TRACE}-{SPAN}-01"


class Workers:
    """Makes a worker after the other, each with services and spans of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.spans: list[Any] = []

    @contextmanager
    def one(self) -> Iterator[Driver]:
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        exporter = InMemorySpanExporter()
        tracing = Tracing(SimpleSpanProcessor(exporter))
        services = build(self._settings)
        services = replace(services, telemetry=Telemetry(services.accounts, tracing=tracing))
        yield Driver(services, Lifecycle(services), str(self._settings.database_url))
        services.store._engine.dispose()
        tracing.close()
        self.spans += exporter.get_finished_spans()

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == f"vidpoll.{name}"]


@pytest.fixture
def workers(database_url: str, redis_url: str, redis_client: Any, simulator: Simulator, tmp_path: Path) -> Workers:
    file = providers_file.write(tmp_path, simulator.url)
    return Workers(Settings(redis_url=redis_url, database_url=database_url, providers_file=file))


def test_a_trace_goes_from_the_caller_over_every_check_to_the_end_also_across_restarts(
    workers: Workers, make_request: Make, world: World
):
    world.durations.median_s = 60
    with workers.one() as first:
        id = first.lifecycle.accept(make_request(), HEADER).id
        first.submit()
    with workers.one() as second:
        second.check()
        second.check()
    world.clock = lambda: time.time() + 100
    with workers.one() as third:
        third.check()
        row = third.get(id)

    (whole,) = workers.named("generation")
    (accept,), (submit,), checks = workers.named("accept"), workers.named("submit"), workers.named("check")
    assert (row.status, row.traceparent) == (Status.COMPLETED, HEADER)
    assert {f"{span.context.trace_id:032x}" for span in workers.spans} == {TRACE}
    assert f"{whole.parent.span_id:016x}" == SPAN
    assert {span.parent.span_id for span in (accept, submit, *checks)} == {whole.context.span_id}
    assert [one.attributes["vidpoll.outcome"] for one in (submit, *checks)] == [
        "submitted",
        "pending",
        "pending",
        "ready",
    ]
    assert [one.attributes["vidpoll.check"] for one in checks] == [1, 2, 3]
    assert all(one.end_time <= next.start_time for one, next in pairwise((accept, submit, *checks)))
    assert all(one.end_time > one.start_time for one in (submit, *checks))
    assert (whole.start_time, whole.end_time) == pytest.approx(
        (row.created_at.timestamp() * 1e9, row.completed_at.timestamp() * 1e9), abs=1000
    )


def test_a_row_that_its_sender_made_brings_the_context_along(workers: Workers, make_request: Make):
    request = make_request(**RUNWARE)
    with workers.one() as worker:
        worker.services.store.accept(request, traceparent=HEADER)
        worker.lifecycle.accept(request, f"00-{'1' * 32}-{'2' * 16}-01")
        worker.submit("runware")
        worker.check("runware")

    assert [span.name for span in workers.spans][:2] == ["vidpoll.accept", "vidpoll.submit"]
    assert {f"{span.context.trace_id:032x}" for span in workers.spans} == {TRACE}


def test_without_a_caller_the_spans_of_all_workers_are_one_trace_all_the_same(workers: Workers, make_request: Make):
    with workers.one() as first:
        id = first.accepted(make_request())
    with workers.one() as second:
        second.submit()
        second.check()
        assert second.get(id).traceparent is None

    (whole,) = workers.named("generation")
    assert len(workers.spans) == 4
    assert {span.context.trace_id for span in workers.spans} == {whole.context.trace_id}
    assert whole.parent is None


def test_an_end_that_is_none_to_be_glad_of_is_an_error(workers: Workers, make_request: Make, world: World):
    world.faults.job_filtered = 1
    with workers.one() as worker:
        id = worker.submitted(make_request())
        worker.check()
        code = worker.get(id).error["code"]
        waiting = worker.accepted(make_request())
        worker.lifecycle.cancel(waiting)

    failed, cancelled = workers.named("generation")
    assert (failed.status.status_code.name, failed.attributes["error.type"]) == ("ERROR", code)
    assert (cancelled.status.status_code.name, cancelled.attributes["vidpoll.status"]) == ("UNSET", "cancelled")


@contextmanager
def _in_a_span() -> Iterator[tuple[str, str]]:
    """What the caller's code does; trace and span."""
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("caller")
    with tracer.start_as_current_span("request") as span:
        context = span.get_span_context()
        yield f"{context.trace_id:032x}", f"{context.span_id:016x}"


def test_a_client_in_a_span_writes_it_to_the_row(store: Store, database_url: str, redis_url: str, redis_client: Any):
    client = Client(broker_url=redis_url, database_url=database_url)
    request = GenerationRequest(provider="veo", model="veo-3.1-lite-generate-001", prompt="a lion", id=uuid.uuid4())

    with _in_a_span() as caller:
        ids = client.submit_many([request, request.model_copy(update={"id": uuid.uuid4()})])

    kept = [str(one.traceparent).split("-")[1:3] for one in store.find(ids)]
    assert kept == [list(caller)] * 2
    message = json.loads(redis_client.lindex("accept", 0))
    assert "traceparent" not in message["headers"]


def test_a_client_without_a_database_sends_it_along_as_a_header(redis_url: str, redis_client: Any):
    client = Client(broker_url=redis_url, database_url="")

    with _in_a_span() as caller:
        client.submit(GenerationRequest(provider="veo", model="veo-3.1-lite-generate-001", prompt="a lion"))

    message = json.loads(redis_client.lindex("accept", 0))
    assert message["headers"]["traceparent"].split("-")[1:3] == list(caller)
