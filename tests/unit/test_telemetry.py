import logging
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client.metrics import MetricWrapperBase

from vidpoll.accounts import Account, Accounts, ModelPolicy
from vidpoll.api.metrics import Metrics
from vidpoll.errors import StoreUnavailable
from vidpoll.generation import Failure, Generation, Status
from vidpoll.guarded_logs import FIELDS
from vidpoll.lanes import Claim
from vidpoll.messages import QUEUE_OF
from vidpoll.providers.outcomes import CheckOutcome, NotSent, Pending, SubmitOutcome, Unreachable
from vidpoll.shared_state import SharedState
from vidpoll.telemetry import MOST_WORDS, SHARED, Telemetry

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
VEO = {"provider": "veo", "model": "veo-fast"}
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def telemetry() -> Telemetry:
    account = Account(
        name="vertex", provider="veo", base_url="http://127.0.0.1:1", api_key="k", models={"veo-fast": ModelPolicy()}
    )
    return Telemetry(Accounts(accounts={"vertex": account}))


def made(**fields: Any) -> Generation:
    basis = {
        **VEO,
        "id": uuid.uuid4(),
        "owner": "alice",
        "prompt": "a lion",
        "status": Status.PROCESSING,
        "account": "vertex",
    }
    return Generation(
        **{**basis, "created_at": NOW, "updated_at": NOW, "read_at": NOW + timedelta(seconds=5), **fields}
    )


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(f"vidpoll_{name}", labels)


def test_two_of_them_in_one_process_count_apart():
    one, other = Telemetry(), Telemetry()

    one.granted("veo", "status", 3)

    assert value(one, "lane_tokens_total", account="veo", verb="status") == 3
    assert value(other, "lane_tokens_total", account="veo", verb="status") is None


def test_where_the_provider_tells_its_times_the_delay_is_what_we_took_beyond_them(telemetry: Telemetry):
    generation = made(submitted_at=NOW + timedelta(seconds=10), last_pending_at=NOW + timedelta(seconds=50))

    telemetry.completed(generation, NOW + timedelta(seconds=80), took_s=63.5)

    assert value(telemetry, "detection_delay_seconds_sum", **VEO) == 6.5
    assert value(telemetry, "completion_seconds_sum", **VEO) == 80


@pytest.mark.parametrize(("last_pending_s", "delay_s"), [(74, 3), (None, 35)])
def test_untold_the_end_is_taken_for_the_middle_of_the_last_interval(telemetry: Telemetry, last_pending_s, delay_s):
    last = None if last_pending_s is None else NOW + timedelta(seconds=last_pending_s)

    telemetry.completed(
        made(submitted_at=NOW + timedelta(seconds=10), last_pending_at=last), NOW + timedelta(seconds=80)
    )

    assert value(telemetry, "detection_delay_seconds_sum", **VEO) == delay_s


def test_no_delay_is_negative_whatever_the_provider_tells(telemetry: Telemetry):
    telemetry.completed(made(submitted_at=NOW), NOW + timedelta(seconds=1), took_s=1000)

    assert value(telemetry, "detection_delay_seconds_sum", **VEO) == 0


def test_looks_are_counted_once_for_each_generation_the_provider_had(telemetry: Telemetry):
    operation = {"operation_name": "op", "submitted_at": NOW}
    telemetry.completed(made(**operation, checks=6), NOW)
    telemetry.failed(made(status=Status.PENDING), Failure("unknown_target", "no such model"))
    timed_out = {"status": Status.FAILED, "error": {"code": "timed_out"}}
    telemetry.completed(made(**operation, checks=90, **timed_out), NOW)

    assert value(telemetry, "checks_per_generation_count", **VEO) == 1
    assert value(telemetry, "checks_per_generation_sum", **VEO) == 7
    assert value(telemetry, "generations_total", **VEO, status="completed") == 2


def test_the_wait_for_the_paid_call_is_that_for_the_first_one(telemetry: Telemetry):
    for attempt in (1, 2, 3):
        telemetry.submitting(made(submit_attempts=attempt, read_at=NOW + timedelta(seconds=7 * attempt)))

    assert value(telemetry, "queue_seconds_count", account="vertex") == 1
    assert value(telemetry, "queue_seconds_sum", account="vertex") == 7
    assert value(telemetry, "generations_total", **VEO, status="submitting") == 3


def test_nothing_is_written_between_the_intent_and_the_commit_of_a_paid_call(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.DEBUG):
        telemetry.submitting(made())
        with telemetry.call("vertex", "submit"):
            pass
        telemetry.submitted(made(), NotSent("no route"))
    assert caplog.messages == []

    with caplog.at_level(logging.DEBUG):
        telemetry.processing(made(submit_attempts=3), "operations/1", 5.0)
    (line,) = caplog.records
    assert {"attempt": 3, "outcome": "submitted"}.items() <= getattr(line, FIELDS).items()


def test_outcomes_are_told_by_their_class(telemetry: Telemetry):
    telemetry.submitted(made(), NotSent("no route"))
    telemetry.looked(made(), Pending(), 5.0)
    telemetry.looked(made(), Unreachable("HTTP 503"), 5.0)

    assert value(telemetry, "submits_total", account="vertex", outcome="not_sent") == 1
    assert value(telemetry, "checks_total", account="vertex", outcome="pending") == 1
    assert value(telemetry, "checks_total", account="vertex", outcome="unreachable") == 1


def test_calls_refused_together_begin_one_pause():
    now = [100.0]
    telemetry = Telemetry(monotonic=lambda: now[0])
    for at in (100, 100.2, 104.9, 120):
        now[0] = at
        telemetry.paused("vertex", "status", 5, "the provider asked for it")

    assert value(telemetry, "lane_pauses_total", account="vertex", verb="status") == 2


def test_a_call_that_raises_is_timed_too(telemetry: Telemetry):
    with pytest.raises(StoreUnavailable), telemetry.call("vertex", "submit"):
        raise StoreUnavailable("gone")

    assert value(telemetry, "provider_call_seconds_count", account="vertex", verb="submit") == 1


def test_what_has_not_happened_yet_is_told_as_zero(telemetry: Telemetry):
    """Prometheus does not see a counter grow whose first value is 1."""
    for kind, outcomes in (("submits", get_args(SubmitOutcome)), ("checks", get_args(CheckOutcome))):
        for outcome in outcomes:
            assert value(telemetry, f"{kind}_total", account="vertex", outcome=_word_of(outcome)) == 0
    for verb in ("submit", "status"):
        assert value(telemetry, "lane_tokens_total", account="vertex", verb=verb) == 0
        assert value(telemetry, "lane_pauses_total", account="vertex", verb=verb) == 0
    assert value(telemetry, "restored_total", kind="processing") == 0
    assert value(telemetry, "dead_letters_total", task="vidpoll.generate") == 0


def test_the_first_move_of_a_model_tells_that_there_were_no_others(telemetry: Telemetry):
    assert value(telemetry, "generations_total", **VEO, status="failed") is None

    telemetry.accepted(uuid.uuid4(), made(), "vertex")

    told = {status: value(telemetry, "generations_total", **VEO, status=status.value) for status in Status}
    assert told == {**dict.fromkeys(Status, 0.0), Status.PENDING: 1.0}


def _word_of(outcome: type) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", outcome.__name__).lower()


def test_no_label_grows_without_bounds(telemetry: Telemetry):
    for number in range(3 * MOST_WORDS):
        telemetry.failed(made(provider=f"p{number}", model=f"m{number}"), Failure(f"E{number}", "no"))
        telemetry.failed(made(model=f"m{number}"), Failure(f"a sentence of a vendor, {number}", "no"))
        telemetry.buried(f"task{number}", "invalid_request")
        telemetry.task_finished(f"task{number}", "SUCCESS")

    labels = [sample.labels for metric in telemetry.registry.collect() for sample in metric.samples]
    assert {one["provider"] for one in labels if "provider" in one} == {"veo", "other"}
    assert {one["model"] for one in labels if "model" in one} == {"other"}
    assert len({one["code"] for one in labels if "code" in one}) == MOST_WORDS + 1
    assert {one["task"] for one in labels if "task" in one} == {*QUEUE_OF, "other"}


def test_nothing_it_is_told_makes_it_raise(telemetry: Telemetry, caplog):
    nonsense: Any = object()

    telemetry.completed(nonsense, nonsense)
    telemetry.restored(nonsense)
    telemetry.granted("vertex", "status", nonsense)

    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3


@pytest.mark.parametrize(
    ("ids", "alone", "batch", "calls"), [(0, 0, 1, 0), (3, 0, 1, 3), (20, 0, 20, 1), (21, 0, 20, 2), (23, 2, 20, 4), (2, 2, 20, 2)]
)  # fmt: skip
def test_a_claim_tells_how_many_tokens_it_took(ids: int, alone: int, batch: int, calls: int):
    assert Claim([uuid.uuid4() for _ in range(ids)], 0, None, alone).calls(batch) == calls


def test_the_table_of_metrics_is_true():
    nowhere: Any = None
    shared = SharedState(nowhere, nowhere, nowhere, None, broker_url="memory://", lease_s=30)
    own = Telemetry()
    counted = {
        **vars(own),
        **vars(own.webhooks),
        **vars(own.archive),
        **vars(Metrics(_nothing())),
        "errors": shared._errors,
    }
    there = {
        (one._name + ("_total" if one._type == "counter" else ""), one._type, tuple(one._labelnames))
        for one in counted.values()
        if isinstance(one, MetricWrapperBase)
    } | {(state.name, "gauge", state.labels) for state in SHARED}

    rows = re.findall(
        r"^\| `(vidpoll_\w+)` \| (counter|gauge|histogram) \|([^|]*)\|", OPERATIONS.read_text(), re.MULTILINE
    )

    assert {(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows} == there
    assert len(rows) == len(there)


def _nothing() -> Any:
    class Nothing:
        def collect(self) -> list[Any]:
            return []

    return Nothing()
