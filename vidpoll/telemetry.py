"""Every metric and every event of vidpoll by name: one method a happening.

The rest of vidpoll says what happened, in one line, and knows nothing of Prometheus, logs or traces. No method
raises or waits, but for where lines are written to: standard error that nobody reads holds up whoever writes. So what
stands between the committed intent, the paid call and its commit writes no line: :meth:`Telemetry.submitting`,
:meth:`Telemetry.call` and :meth:`Telemetry.submitted`; the line that follows tells the attempt.
``docs/operations.md`` has the table of all metrics, and a test holds it against this file.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import Any, Final, NamedTuple, TypeVar, cast
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from vidpoll import catalogue, messages
from vidpoll.accounts import Accounts
from vidpoll.generation import Failure, Generation, GenerationRequest, Status
from vidpoll.guarded_logs import FIELDS
from vidpoll.telemetry_archive import ArchiveTelemetry
from vidpoll.tracing import Tracing
from vidpoll.webhook_metrics import WebhookMetrics

log = logging.getLogger("vidpoll.telemetry")
#: Where events go; their names are those of ``generation_events``, where those have one.
events = logging.getLogger("vidpoll.events")

#: What a label says of a value that anybody could have made up.
OTHER: Final = "other"
#: Error codes and the like that one process tells apart at most; vendors may invent new ones for ever.
MOST_WORDS: Final = 100
_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_TASKS: Final = frozenset(messages.QUEUE_OF)
#: What a paid call, and a look, mostly end in: outcomes of ``providers.outcomes``, as words.
SUBMIT_OUTCOMES: Final = ("submitted", "refused", "rate_limited", "unauthorized", "not_sent", "ambiguous")
CHECK_OUTCOMES: Final = (
    "pending", "ready", "failed", "cancelled", "not_found", "rate_limited", "unauthorized", "unreachable",
)  # fmt: skip
#: What ``restore_stuck`` puts back.
RESTORED: Final = ("processing", "submitting", "unknown", "unpinned", "pending")

_CALL_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_CHECKS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)
_COMPLETION_S: Final = (1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600, 7200)
_DELAY_S: Final = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 30, 60, 120, 300, 600)
_QUEUE_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400)
_TICK_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class State(NamedTuple):
    """A gauge of what all processes share, read when it is scraped (``shared_state.py``)."""

    name: str
    words: str
    labels: tuple[str, ...] = ()


_LANE: Final = ("account", "verb")
OPEN: Final = State("vidpoll_generations_open", "Generations that have not ended.", ("status", "provider", "account"))
OLDEST: Final = State("vidpoll_generations_oldest_seconds", "Age of the oldest open one of the status.", ("status",))
UNDECIDED: Final = State("vidpoll_unknown_undecided", "Unknown generations that wait for a person.")
LOOKS_LATE: Final = State("vidpoll_looks_late", "Generations whose next look is overdue by more than a lease.")
LANE_DEPTH: Final = State("vidpoll_lane_depth", "Ids in the lane.", _LANE)
LANE_DUE: Final = State("vidpoll_lane_due", "Ids due now.", _LANE)
LANE_LATENESS: Final = State("vidpoll_lane_lateness_seconds", "By how much the most overdue id is late.", _LANE)
LANE_PAUSED: Final = State("vidpoll_lane_paused_seconds", "Seconds its pause goes on.", _LANE)
LANE_RATE: Final = State("vidpoll_lane_rate", "Calls per second it may grant now.", _LANE)
LANE_IN_FLIGHT: Final = State("vidpoll_lane_in_flight", "Places held among max_in_flight.", ("account",))
QUEUE_DEPTH: Final = State("vidpoll_celery_queue_depth", "Messages that wait in a Celery queue.", ("queue",))
ARCHIVE_WAITING: Final = State("vidpoll_archive_waiting", "Files of results that wait to be copied.")
ARCHIVE_OLDEST: Final = State("vidpoll_archive_oldest_seconds", "Seconds the oldest of them waits.")
ARCHIVE_EXPIRING: Final = State("vidpoll_archive_expiring", "Those whose provider deletes them within an hour.")
ARCHIVE_FAILED: Final = State("vidpoll_archive_failed", "Files of results that could not be copied.")
WORKERS: Final = State("vidpoll_workers", "Workers whose heartbeat is fresh.")
ENDPOINTS: Final = State("vidpoll_webhook_endpoints", "Webhook endpoints by how they do.", ("state",))
DELIVERIES: Final = State("vidpoll_webhook_deliveries", "Webhooks not delivered, by status.", ("status",))
DELIVERIES_LATE: Final = State("vidpoll_webhook_lateness_seconds", "By how much the most overdue webhook is late.")
HOOKS_SHARE: Final = State(
    "vidpoll_webhooks_in_share", "Share of the ends lately that webhooks announced.", ("account",)
)
HOOKS_LAST: Final = State("vidpoll_webhooks_in_last_seconds", "Seconds since a webhook announced an end.", ("account",))
SHARED: Final = (
    OPEN, OLDEST, UNDECIDED, LOOKS_LATE, LANE_DEPTH, LANE_DUE, LANE_LATENESS, LANE_PAUSED, LANE_RATE, LANE_IN_FLIGHT,
    QUEUE_DEPTH, WORKERS, ENDPOINTS, DELIVERIES, DELIVERIES_LATE, HOOKS_SHARE, HOOKS_LAST,
    ARCHIVE_WAITING, ARCHIVE_OLDEST, ARCHIVE_EXPIRING, ARCHIVE_FAILED,
)  # fmt: skip

_Method = TypeVar("_Method", bound=Callable[..., None])


def _never_raises(method: _Method) -> _Method:
    """A mistake in here must cost no generation."""

    @wraps(method)
    def quiet(*args: Any, **kwargs: Any) -> None:
        try:
            method(*args, **kwargs)
        except Exception:
            log.exception("telemetry failed, and nothing else: %s", method.__name__)

    return cast(_Method, quiet)


class Telemetry:
    """What one process counts, in a registry of its own, so that several may live in one process.

    Args:
        accounts: those of the providers file; their models, and the catalogue's, are labels, others are ``other``.
        tracing: records spans as well.

    Example:
        >>> telemetry = Telemetry()
        >>> telemetry.granted("veo", "status", 3)
        >>> telemetry.registry.get_sample_value("vidpoll_lane_tokens_total", {"account": "veo", "verb": "status"})
        3.0
    """

    def __init__(
        self,
        accounts: Accounts | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        tracing: Tracing | None = None,
    ) -> None:
        self.registry = CollectorRegistry()
        self.webhooks = WebhookMetrics(self.registry)
        self._tracing = tracing
        self._monotonic = monotonic
        self._models = models(accounts)
        self._providers = frozenset(provider for provider, _ in self._models)
        self._words: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self._paused_until: dict[tuple[str, str], float] = {}
        model, account = ("provider", "model"), ("account",)
        self._moves = self._counter("generations", "Moves of generations into a status.", *model, "status")
        self._failures = self._counter("failures", "Generations that failed, by error code.", *model, "code")
        self._submits = self._counter("submits", "Paid calls by outcome.", *account, "outcome")
        self._checks = self._counter("checks", "Looks by outcome.", *account, "outcome")
        self._charges = self._counter("charges", "What providers say that videos cost.", *model, "currency")
        self._tokens = self._counter("lane_tokens", "Tokens of a lane granted to this process.", *_LANE)
        self._pauses = self._counter("lane_pauses", "Pauses of a lane begun.", *_LANE)
        self._restored = self._counter("restored", "What restore_stuck put back.", "kind")
        self._dead_letters = self._counter("dead_letters", "Messages that were refused.", "task")
        self._tasks = self._counter("tasks", "Celery tasks finished.", "task", "state")
        self._call_s = self._histogram("provider_call_seconds", "HTTP calls.", _CALL_S, *_LANE)
        self._checks_each = self._histogram("checks_per_generation", "Looks until the end.", _CHECKS, *model)
        self._completion_s = self._histogram("completion_seconds", "From accept to video.", _COMPLETION_S, *model)
        self._delay_s = self._histogram(
            "detection_delay_seconds", "From the end at the provider to ours.", _DELAY_S, *model
        )
        self._queue_s = self._histogram("queue_seconds", "From accept to the first paid call.", _QUEUE_S, *account)
        self._tick_s = self._histogram("dispatcher_tick_seconds", "One turn of the dispatcher's loop.", _TICK_S)
        self._last_tick = Gauge(
            "vidpoll_dispatcher_last_tick_timestamp_seconds", "When it turned last.", registry=self.registry
        )
        self.archive = ArchiveTelemetry(self.registry, self._word)
        self._webhooks = webhook_counter(self.registry)
        self._begin_at_zero(accounts.accounts if accounts else ())

    def _begin_at_zero(self, accounts: Iterable[str]) -> None:
        """Tell of what has not happened yet: Prometheus does not see a counter grow that begins at 1."""
        for account in accounts:
            for outcome in SUBMIT_OUTCOMES:
                self._submits.labels(account, outcome)
            for outcome in CHECK_OUTCOMES:
                self._checks.labels(account, outcome)
            for verb in ("submit", "status"):
                self._tokens.labels(account, verb)
                self._pauses.labels(account, verb)
        for kind in RESTORED:
            self._restored.labels(kind)
        for task in (*_TASKS, OTHER):
            self._dead_letters.labels(task)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"vidpoll_{name}_total", words, labels, registry=self.registry)

    def _histogram(self, name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"vidpoll_{name}", words, labels, buckets=buckets, registry=self.registry)

    # -- the life of a generation -------------------------------------------------------------------------------------

    @_never_raises
    def accepted(
        self, id: UUID, request: GenerationRequest | Generation, account: str, traceparent: str | None = None
    ) -> None:
        """It is in the submit lane of its account; ``traceparent`` is the row's."""
        self._moved(request, Status.PENDING)
        target = {"generation": id, "account": account, "provider": request.provider, "model": request.model}
        _say(logging.INFO, "accepted", target, {})
        if self._tracing:
            self._tracing.accepted(id, traceparent, account=account, provider=request.provider, model=request.model)

    @_never_raises
    def submitting(self, generation: Generation) -> None:
        """The intent is committed; the paid call follows. A line here could be waited for beyond the lease."""
        self._moved(generation, Status.SUBMITTING)
        if generation.submit_attempts == 1:
            self._queue_s.labels(generation.account).observe(_age_s(generation))

    @_never_raises
    def submitted(self, generation: Generation, outcome: object) -> None:
        """The paid call was answered, or not: one of ``providers.outcomes``. Its commit follows, which is told."""
        word = _class_of(outcome)
        self._submits.labels(generation.account, word).inc()
        if self._tracing:
            self._tracing.submitted(generation, word)

    @_never_raises
    def submit_again(self, generation: Generation, event: str, reason: str, countdown: float | None = None) -> None:
        """It waits for another paid call: ``not_called``, ``not_sent``, ``unanswered`` or ``not_taken``."""
        countdown_s = None if countdown is None else _rounded(countdown)
        _tell(generation, event, attempt=generation.submit_attempts, reason=reason, countdown_s=countdown_s)

    @_never_raises
    def processing(self, generation: Generation, operation_name: str, countdown: float) -> None:
        """The provider has it; the first look is in ``countdown`` seconds."""
        self._moved(generation, Status.PROCESSING)
        attempt, seconds = generation.submit_attempts, _age_s(generation)
        _tell(
            generation, "processing",
            operation=operation_name, attempt=attempt, outcome="submitted", seconds=seconds,
            countdown_s=_rounded(countdown),
        )  # fmt: skip

    @_never_raises
    def unknown(self, generation: Generation, reason: str) -> None:
        """Nobody knows whether the provider took it."""
        self._moved(generation, Status.UNKNOWN)
        _tell(generation, "unknown", logging.WARNING, attempt=generation.submit_attempts, reason=reason)

    @_never_raises
    def looked(self, generation: Generation, outcome: object, countdown: float | None) -> None:
        """A look brought this outcome; the next is in ``countdown`` seconds, None when it was the last."""
        word = _class_of(outcome)
        self._checks.labels(generation.account, word).inc()
        if countdown is not None and events.isEnabledFor(logging.DEBUG):
            looked: dict[str, Any] = {
                "check": generation.checks + 1,
                "outcome": word,
                "countdown_s": _rounded(countdown),
            }
            _tell(generation, "looked", logging.DEBUG, operation=generation.operation_name, **looked)
        if self._tracing:
            self._tracing.looked(generation, word, getattr(outcome, "progress", None))

    @_never_raises
    def completed(
        self, generation: Generation, at: datetime, *, took_s: float | None = None, cost: float | None = None
    ) -> None:
        """There is a video.

        Args:
            at: when, by the database's clock.
            took_s: seconds from the paid call to the end at the provider, where it tells.
            cost: in US dollars, where it tells.
        """
        self._moved(generation, Status.COMPLETED)
        labels = self._labels(generation)
        seconds, delay_s = max(0.0, (at - generation.created_at).total_seconds()), _delay_s(generation, at, took_s)
        self._completion_s.labels(*labels).observe(seconds)
        self._delay_s.labels(*labels).observe(delay_s)
        self._ended(generation, checks=generation.checks + 1)
        if cost is not None:
            self._charges.labels(*labels, "USD").inc(cost)
        _tell(
            generation, "completed", operation=generation.operation_name, check=generation.checks + 1, outcome="ready",
            seconds=_rounded(seconds), delay_s=_rounded(delay_s), cost=cost, late=generation.timed_out or None,
        )  # fmt: skip
        if self._tracing:
            self._tracing.ended(generation, Status.COMPLETED, at)

    @_never_raises
    def failed(self, generation: Generation, failure: Failure) -> None:
        """There will be none."""
        self._moved(generation, Status.FAILED)
        self._failures.labels(*self._labels(generation), self._word(failure.code)).inc()
        self._ended(generation, checks=generation.checks + 1)
        _tell(
            generation, "failed", operation=generation.operation_name, code=failure.code, reason=failure.message,
            check=generation.checks + 1 if generation.operation_name else None, seconds=_age_s(generation),
        )  # fmt: skip
        if self._tracing:
            self._tracing.ended(generation, Status.FAILED, code=failure.code)

    @_never_raises
    def cancelled(self, generation: Generation) -> None:
        """Somebody did not want it any more."""
        self._moved(generation, Status.CANCELLED)
        self._ended(generation, checks=generation.checks)
        _tell(generation, "cancelled", operation=generation.operation_name, seconds=_age_s(generation))
        if self._tracing:
            self._tracing.ended(generation, Status.CANCELLED)

    def _moved(self, generation: GenerationRequest | Generation, status: Status) -> None:
        labels = self._labels(generation)
        if labels not in self._seen:
            self._seen.add(labels)
            for each in Status:
                self._moves.labels(*labels, each.value)
        self._moves.labels(*labels, status.value).inc()

    def _ended(self, generation: Generation, *, checks: int) -> None:
        """One that timed out had ended before; one that the provider never had was never looked at."""
        if generation.operation_name is not None and not generation.timed_out:
            self._checks_each.labels(*self._labels(generation)).observe(checks)

    # -- calls, lanes, processes --------------------------------------------------------------------------------------

    @contextmanager
    def call(self, account: str, verb: str) -> Iterator[None]:
        """Around a provider's verb: ``submit``, ``status`` or ``cancel``."""
        began = self._monotonic()
        try:
            yield
        finally:
            self._called(account, verb, self._monotonic() - began)

    @_never_raises
    def _called(self, account: str, verb: str, seconds: float) -> None:
        self._call_s.labels(account, verb).observe(seconds)
        if self._tracing:
            self._tracing.called(seconds)

    @_never_raises
    def granted(self, account: str, verb: str, tokens: int) -> None:
        """A lane granted so many tokens to this process."""
        if tokens:
            self._tokens.labels(account, verb).inc(tokens)

    @_never_raises
    def paused(self, account: str, verb: str, seconds: float, reason: str) -> None:
        """A lane pauses. Calls refused together ask for it together: that is one pause."""
        now, until = self._monotonic(), self._paused_until.get((account, verb), 0.0)
        self._paused_until[account, verb] = max(until, now + seconds)
        if now >= until:
            self._pauses.labels(account, verb).inc()
            lane = {"account": account, "verb": verb}
            _say(logging.INFO, "paused", lane, {"countdown_s": _rounded(seconds), "reason": reason})

    @_never_raises
    def webhook(self, account: str, outcome: str) -> None:
        """A vendor's webhook was acted on, or not: an outcome of ``waking.py``."""
        self._webhooks.labels(account, outcome).inc()

    @_never_raises
    def restored(self, counts: Mapping[str, int]) -> None:
        """What ``restore_stuck`` put back, by kind."""
        for kind, count in counts.items():
            self._restored.labels(kind).inc(count)
        if any(counts.values()):
            _say(logging.INFO, "restored", {}, dict(counts))

    @_never_raises
    def buried(self, task: str, code: str) -> None:
        """A message was refused, and kept as a dead letter."""
        self._dead_letters.labels(_task(task)).inc()
        _say(logging.WARNING, "dead_letter", {}, {"task": task, "code": code})

    @_never_raises
    def ticked(self, seconds: float) -> None:
        """The dispatcher's loop turned once."""
        self._tick_s.observe(seconds)
        self._last_tick.set_to_current_time()

    @_never_raises
    def task_finished(self, task: str, state: str) -> None:
        """Celery finished a task; ``state`` is Celery's word."""
        self._tasks.labels(_task(task), state.lower()).inc()

    # -- labels: none is without bounds -------------------------------------------------------------------------------

    def _labels(self, generation: GenerationRequest | Generation) -> tuple[str, str]:
        """Provider and model, as far as the providers file or the catalogue has them."""
        provider, model = generation.provider, generation.model
        if (provider, model) in self._models:
            return provider, model
        return (provider if provider in self._providers else OTHER), OTHER

    def _word(self, said: str) -> str:
        """A word that somebody else chose, while there are few of them."""
        if said not in self._words:
            if len(self._words) >= MOST_WORDS or not _WORD.fullmatch(said):
                return OTHER
            self._words.add(said)
        return said


def webhook_counter(registry: CollectorRegistry) -> Counter:
    """Counts vendors' webhooks; workers have one, and the HTTP side, which refuses some of them."""
    words = "Vendors' webhooks by what became of them."
    return Counter("vidpoll_webhooks_in_total", words, ("account", "outcome"), registry=registry)


def _tell(generation: Generation, event: str, level: int = logging.INFO, **more: Any) -> None:
    """A line about a generation."""
    if events.isEnabledFor(level):
        one = generation
        target = {"generation": one.id, "account": one.account, "provider": one.provider, "model": one.model}
        _say(level, event, target, more)


def _say(level: int, event: str, about: dict[str, Any], more: dict[str, Any]) -> None:
    """A line; what is None is left out."""
    fields = about | {name: value for name, value in more.items() if value is not None}
    events.log(level, event, extra={FIELDS: fields})


def _age_s(generation: Generation) -> float:
    """Seconds since it was accepted, when it was read."""
    return _rounded(generation.seconds_since(generation.created_at))


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def models(accounts: Accounts | None) -> frozenset[tuple[str, str]]:
    """Providers and their models, as far as the providers file or the catalogue has them."""
    own = {(one.provider, model) for one in (accounts.accounts.values() if accounts else ()) for model in one.models}
    return frozenset(own | {(one.provider, model) for one in catalogue.catalogue().values() for model in one.models})


def _task(name: str) -> str:
    return name if name in _TASKS else OTHER


def _delay_s(generation: Generation, at: datetime, took_s: float | None) -> float:
    """Seconds from the end at the provider to ours; untold, it ended in the middle of the last interval."""
    called_at = generation.submitted_at or generation.created_at
    if took_s is not None:
        return max(0.0, (at - called_at).total_seconds() - took_s)
    return max(0.0, (at - (generation.last_pending_at or called_at)).total_seconds() / 2)


def _class_of(outcome: object) -> str:
    """The class of an outcome, as a word.

    Example:
        >>> from vidpoll.generation import GenerationRequest
        >>> _class_of(GenerationRequest(provider="veo", model="m", prompt="p"))
        'generation_request'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(outcome).__name__).lower()
