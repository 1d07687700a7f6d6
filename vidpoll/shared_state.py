"""What all processes share, read when Prometheus asks: rows, lanes, heartbeats, queues.

One process serves it, the API; several serve the same. Each part is read by a thread of its own, and one that cannot be
read, or not in time, is left out and counted.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vidpoll import health, telemetry
from vidpoll.accounts import Accounts
from vidpoll.generation import FINAL, Status
from vidpoll.heartbeats import Heartbeats
from vidpoll.hints import Hints
from vidpoll.lanes import Lanes, Limits, both_lanes
from vidpoll.store import Store
from vidpoll.telemetry import State

log = logging.getLogger("vidpoll.shared_state")

#: Seconds a scrape waits for all parts; Prometheus itself gives up after 10.
TIMEOUT_S: Final = 5.0

_OPEN: Final = tuple(status for status in Status if status not in FINAL)

Samples = list[tuple[tuple[str, ...], float]]
Read = Callable[[], dict[State, Samples]]


class SharedState(Collector):
    """Reads the shared state for a registry.

    Args:
        lanes, heartbeats: on the same Redis.
        accounts: whose lanes there are; without them no lane is read.
        lease_s: seconds by which a look may be late.
        hints: what webhooks did; without them nothing is told of it.
        timeout_s: seconds a scrape may take.
    """

    def __init__(
        self,
        store: Store,
        lanes: Lanes,
        heartbeats: Heartbeats,
        accounts: Accounts | None,
        *,
        broker_url: str,
        lease_s: float,
        timeout_s: float = TIMEOUT_S,
        hints: Hints | None = None,
    ) -> None:
        self._store, self._lanes, self._heartbeats = store, lanes, heartbeats
        self._accounts = list(accounts.accounts.values()) if accounts else []
        self._providers = {provider for provider, _ in telemetry.models(accounts)}
        self._hints = hints
        self._broker_url, self._lease_s, self._timeout_s = broker_url, lease_s, timeout_s
        self._parts: dict[str, Read] = {
            "generations": self._generations, "lanes": self._lane_states,
            "workers": self._workers, "queues": self._queues, "webhooks": self._webhooks,
            "webhooks_in": self._webhooks_in, "archive": self._archive,
        }  # fmt: skip
        self._reading: dict[str, Future[dict[State, Samples]]] = {}
        self._threads = ThreadPoolExecutor(len(self._parts), thread_name_prefix="vidpoll-shared-state")
        self._errors = Counter("vidpoll_scrape_errors_total", "Parts that could not be read.", ["part"], registry=None)
        for part in self._parts:
            self._errors.labels(part)

    def collect(self) -> Iterator[Metric]:
        """What can be read now."""
        reading = {part: self._started(part, read) for part, read in self._parts.items()}
        wait(reading.values(), self._timeout_s)
        for part, one in reading.items():
            for state, samples in self._found(part, one).items():
                yield _family(state, samples)
        yield from self._errors.collect()

    def _started(self, part: str, read: Read) -> Future[dict[State, Samples]]:
        """One that hangs since another scrape is waited for again, and not started a second time."""
        reading = self._reading.get(part)
        if reading is None or reading.done():
            reading = self._reading[part] = self._threads.submit(read)
        return reading

    def _found(self, part: str, reading: Future[dict[State, Samples]]) -> dict[State, Samples]:
        try:
            return reading.result(timeout=0)
        except Exception as error:
            log.warning("the metrics of %s cannot be read: %s", part, str(error) or type(error).__name__)
            self._errors.labels(part).inc()
            return {}

    # -- the parts ----------------------------------------------------------------------------------------------------

    def _generations(self) -> dict[State, Samples]:
        by_status = self._store.open_by_status(None)
        late, _ = self._store.late_looks(self._lease_s)
        return {
            telemetry.OPEN: list(self._open().items()),
            telemetry.OLDEST: [((status.value,), by_status.get(status, (0, 0.0))[1]) for status in _OPEN],
            telemetry.UNDECIDED: [((), self._store.undecided())],
            telemetry.LOOKS_LATE: [((), late)],
        }

    def _open(self) -> dict[tuple[str, ...], float]:
        """How many are open; 0 where an account has none, so that a line does not end."""
        found: dict[tuple[str, ...], float] = {
            (status.value, one.provider, one.name): 0 for one in self._accounts for status in _OPEN
        }
        for (status, provider, account), (count, _) in self._store.open_by_account().items():
            labels = (status, provider if provider in self._providers else telemetry.OTHER, account or "")
            found[labels] = found.get(labels, 0) + count
        return found

    def _lane_states(self) -> dict[State, Samples]:
        found: dict[State, Samples] = {
            state: [] for state in (
                telemetry.LANE_DEPTH, telemetry.LANE_DUE, telemetry.LANE_LATENESS, telemetry.LANE_PAUSED,
                telemetry.LANE_RATE, telemetry.LANE_IN_FLIGHT,
            )
        }  # fmt: skip
        for account in self._accounts:
            for lane in both_lanes(account.name):
                view, rate = self._lanes.view(lane), getattr(account, f"{lane.verb}_rate")
                _, in_force = self._lanes.free(lane, Limits(rate, burst=1))
                found[telemetry.LANE_DEPTH].append((lane, view["waiting"]))
                found[telemetry.LANE_DUE].append((lane, view["due"]))
                found[telemetry.LANE_LATENESS].append((lane, view["late_s"]))
                found[telemetry.LANE_PAUSED].append((lane, _paused_s(view)))
                found[telemetry.LANE_RATE].append((lane, in_force or 0.0))
                if lane.verb == "submit" and account.max_in_flight:
                    found[telemetry.LANE_IN_FLIGHT].append(((account.name,), view["in_flight"]))
        return found

    def _workers(self) -> dict[State, Samples]:
        fresh = sum(one.said_s <= health.SILENT_S for one in self._heartbeats.all())
        return {telemetry.WORKERS: [((), fresh)]}

    def _webhooks_in(self) -> dict[State, Samples]:
        """Of accounts that want webhooks; a share only while something ends."""
        hints, wanting = self._hints, [one.name for one in self._accounts if one.webhooks]
        standings = {name: hints.standing(name) for name in wanting} if hints else {}
        shares: Samples = [((name,), one.share) for name, one in standings.items() if one.share is not None]
        lasts: Samples = [((name,), one.last_s) for name, one in standings.items() if one.last_s is not None]
        return {telemetry.HOOKS_SHARE: shares, telemetry.HOOKS_LAST: lasts}

    def _archive(self) -> dict[State, Samples]:
        state = self._store.archive_state()
        return {
            telemetry.ARCHIVE_WAITING: [((), state.waiting)],
            telemetry.ARCHIVE_OLDEST: [((), state.oldest_s)],
            telemetry.ARCHIVE_EXPIRING: [((), state.expiring)],
            telemetry.ARCHIVE_FAILED: [((), state.failed)],
        }

    def _queues(self) -> dict[State, Samples]:
        lengths = health.queue_lengths(self._broker_url)
        return {telemetry.QUEUE_DEPTH: [((queue,), length) for queue, length in lengths.items()]}

    def _webhooks(self) -> dict[State, Samples]:
        found = self._store.webhook_state()
        return {
            telemetry.ENDPOINTS: [((state,), found[state]) for state in ("ok", "down", "asked", "gave_up")],
            telemetry.DELIVERIES: [((status,), found[status]) for status in ("waiting", "failed")],
            telemetry.DELIVERIES_LATE: [((), found["late_s"])],
        }


def _paused_s(view: Mapping[str, Any]) -> float:
    """Seconds its pauses go on, endless for an operator's that has no end."""
    stopped = view["stopped"]
    stopped_s = 0.0 if stopped is None else math.inf if stopped["for_s"] is None else stopped["for_s"]
    return max(float(view["paused_s"]), stopped_s)


def _family(state: State, samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(state.name, state.words, labels=state.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
