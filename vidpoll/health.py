"""Is vidpoll getting on with its work? Judged by progress, not by whether processes exist."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from kombu.connection import Connection
from kombu.exceptions import ChannelError, OperationalError

from vidpoll import messages
from vidpoll.brokers import broker_of
from vidpoll.errors import BrokerUnavailable, Unavailable
from vidpoll.heartbeats import Heartbeat
from vidpoll.lanes import OTHER_LANES, both_lanes
from vidpoll.services import Services

#: Seconds without a word after which a worker counts as gone or hung.
SILENT_S: Final = 30.0
#: Seconds, beyond the longest paid call, for which a worker may finish nothing although messages wait for it: it may be
#: storing what only it knows, while Postgres is away.
STUCK_S: Final = 300.0
#: Seconds by which looks may be late before it is a failure that nobody makes them.
LATE_S: Final = 60.0
#: Seconds, beyond its pace, for which a project that runs may not be advanced; the sweep sees to it once a minute.
NOT_ADVANCED_S: Final = 180.0
#: Seconds by which a webhook may be late though its endpoint works; the sweep sees to it within half a minute.
WEBHOOKS_LATE_S: Final = 300.0
#: Seconds a file of a result may wait to be copied.
NOT_COPIED_S: Final = 600.0
#: Seconds without a sweep after which beat counts as gone; one is due every ten.
SWEEP_LATE_S: Final = 90.0

State = Literal["ok", "warning", "failing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        state: ``failing`` when restarting or repairing something of ours is due; ``warning`` when a person should look.
    """

    name: str
    state: State
    words: str


def look(services: Services, broker_url: str, *, worker: str | None = None) -> list[Finding]:
    """Everything, or whether the ``worker`` of this name gets on; never raises for a server that does not answer."""
    if worker is not None:
        return [*_answered("workers", lambda: _one_worker(services, broker_url, worker))]
    return [
        *_answered(
            "postgres", lambda: [Finding("postgres", "ok", f"answers in {services.store.ping() * 1000:.0f} ms")]
        ),
        *_answered("workers", lambda: _workers(services, broker_url)),
        *_answered("beat", lambda: _beat(services)),
        *_answered("looks", lambda: _looks(services)),
        *_answered("lanes", lambda: _lanes(services)),
        *_answered("projects", lambda: _projects(services)),
        *_answered("webhooks", lambda: _webhooks(services)),
        *_answered("archive", lambda: _archive(services)),
        *_answered("unknown", lambda: _unknown(services)),
    ]


def queue_lengths(broker_url: str) -> dict[str, int]:
    """How many messages wait in each of our queues; on RabbitMQ without those that a worker has fetched.

    Raises:
        BrokerUnavailable: the broker does not answer.
    """
    broker = broker_of(broker_url)
    with Connection(  # type: ignore[no-untyped-call]
        broker.url,
        transport=broker.transport,
        connect_timeout=5,
        transport_options=dict(broker.options),
        ssl=broker.use_ssl,
    ) as connection:
        try:
            return {name: _length(connection, name) for name in messages.QUEUES}
        except (OperationalError, *connection.connection_errors, *connection.channel_errors) as error:
            raise BrokerUnavailable(f"broker: {error}") from error


def _length(connection: Any, name: str) -> int:
    try:
        return int(connection.default_channel.queue_declare(name, passive=True).message_count)
    except ChannelError:
        return 0  # Redis keeps no empty lists: what is not there is empty. So is a queue nobody has declared yet.


def _answered(name: str, finds: Callable[[], list[Finding]]) -> Iterator[Finding]:
    try:
        yield from finds()
    except Unavailable as error:
        yield Finding(name, "failing", str(error))


def _workers(services: Services, broker_url: str) -> list[Finding]:
    workers, waiting = services.heartbeats.all(), queue_lengths(broker_url)
    found = [_worker(services, one, waiting) for one in workers]
    if any(one.state == "ok" for one in found):
        # One that is gone is the others' work done; its row is told, and forgotten after a while.
        return [one if one.state == "ok" else Finding(one.name, "warning", one.words) for one in found]
    return found or [Finding("workers", "failing", "no worker is there; start one: celery -A tasks worker …")]


def _one_worker(services: Services, broker_url: str, name: str) -> list[Finding]:
    waiting = queue_lengths(broker_url)
    found = [_worker(services, one, waiting) for one in services.heartbeats.all() if one.name == name]
    return found or [Finding(f"worker {name}", "failing", "was not heard of")]


def _worker(services: Services, one: Heartbeat, waiting: Mapping[str, int]) -> Finding:
    name, queued = f"worker {one.name}", sum(waiting.get(queue, 0) for queue in one.queues)
    stuck_s = STUCK_S + max(account.submit_timeout_s for account in services.accounts.accounts.values())
    if one.said_s > SILENT_S:
        return Finding(name, "failing", f"silent for {one.said_s:.0f} s")
    if queued and one.idle_s > stuck_s:
        return Finding(name, "failing", f"finished nothing for {one.idle_s:.0f} s though {queued} messages wait")
    return Finding(name, "ok", f"{one.finished} tasks done, the last {one.idle_s:.0f} s ago; {queued} messages wait")


def _beat(services: Services) -> list[Finding]:
    """Beat tells nothing of itself, what it asks for does."""
    swept_s, ask = services.heartbeats.swept_s(), "is beat running? start it: celery -A tasks beat"
    if swept_s is None:
        return [Finding("beat", "warning", f"nothing was swept yet; {ask}")]
    if swept_s > SWEEP_LATE_S:
        return [Finding("beat", "failing", f"the last sweep was {swept_s:.0f} s ago, one is due every ten; {ask}")]
    return [Finding("beat", "ok", f"the last sweep was {swept_s:.0f} s ago")]


def _looks(services: Services) -> list[Finding]:
    """Late looks are the lanes' affair while a rate limit or a pause explains them; else nobody makes them."""
    late, oldest_s = services.store.late_looks(services.lease_s)
    if not late or oldest_s < LATE_S:
        return [Finding("looks", "ok", f"{late} late" if late else "none is late")]
    words = f"{late} are late, the oldest by {oldest_s:.0f} s"
    if any(one.idle_s < LATE_S for one in services.heartbeats.all()):
        return [Finding("looks", "warning", f"{words}; the workers are at it: is a rate too low, or a lane paused?")]
    return [Finding("looks", "failing", f"{words}, and no worker has done anything for {LATE_S:.0f} s")]


def _lanes(services: Services) -> list[Finding]:
    views = [services.lanes.view(lane) for account in services.accounts.accounts for lane in both_lanes(account)]
    views += [services.lanes.view(lane) for lane in OTHER_LANES]
    found = [
        Finding(
            f"lane {view['account']}:{view['verb']}", "warning", f"paused for {view['paused_s']} s: {view['reason']}"
        )
        for view in views
        if view["paused_s"] and view["reason"]
    ]
    found += [
        Finding(f"lane {view['account']}:{view['verb']}", "warning", f"paused by {stopped['by']}: {stopped['reason']}")
        for view in views
        if (stopped := view["stopped"])
    ]
    found += [
        Finding(
            f"lane {view['account']}:{view['verb']}",
            "warning",
            f"{view['never_back']} were handed out again and again and never came back: do they end their worker?",
        )
        for view in views
        if view["never_back"]
    ]
    found += [
        Finding(f"account {name}", "warning", "has generations, and is not in the providers file: nobody looks at them")
        for name in sorted(services.store.watched_by_account().keys() - services.accounts.accounts.keys())
    ]
    return found or [Finding("lanes", "ok", f"{sum(view['waiting'] for view in views)} wait, none is paused")]


def _projects(services: Services) -> list[Finding]:
    stuck = services.store.projects_stuck(NOT_ADVANCED_S)
    if stuck:
        words = f"{len(stuck)} run and were not advanced for minutes; the log of the workers says why: {stuck[0]}"
        return [Finding("projects", "warning", words)]
    return [Finding("projects", "ok", "none is stuck")]


def _webhooks(services: Services) -> list[Finding]:
    """Endpoints are somebody else's, so nothing about them is a failure of ours."""
    found = services.store.webhook_state()
    told = {
        "are down and only probed": found["down"],
        "were disabled since they answered 410 or failed for days": found["gave_up"],
    }
    words = [f"{count:.0f} {what}" for what, count in told.items() if count]
    if found["late_s"] > WEBHOOKS_LATE_S:
        words.append(f"something waits for {found['late_s']:.0f} s though its endpoint works; are there workers?")
    if words:
        return [Finding("webhooks", "warning", f"{', '.join(words)}: vidpoll webhooks list")]
    return [Finding("webhooks", "ok", f"{found['waiting']:.0f} wait to be sent")]


def _archive(services: Services) -> list[Finding]:
    state = services.store.archive_state()
    if state.failed:
        words = f"{state.failed} files of results could not be copied: vidpoll archive status"
        return [Finding("archive", "warning", words)]
    if state.waiting and services.archive is None:
        return [Finding("archive", "warning", f"{state.waiting} files wait, and VIDPOLL_ARCHIVE_URL is not set")]
    if state.oldest_s > NOT_COPIED_S:
        words = f"{state.waiting} files of results wait to be copied, the oldest for {state.oldest_s:.0f} s"
        return [Finding("archive", "warning", f"{words}: vidpoll archive status")]
    return [Finding("archive", "ok", f"{state.waiting} wait" if services.archive else "results are not copied")]


def _unknown(services: Services) -> list[Finding]:
    undecided = services.store.undecided()
    if undecided:
        return [Finding("unknown", "warning", f"{undecided} wait for a person: vidpoll unknown list")]
    return [Finding("unknown", "ok", "nothing waits for a person")]
