"""The dispatcher as a part of the worker: starts and stops with it."""

import threading
import time
from contextlib import suppress
from typing import Any, Final

from celery import bootsteps
from celery.signals import task_postrun
from kombu.exceptions import ChannelError, OperationalError

from tasks.wiring import services
from vidpoll import messages
from vidpoll.brokers import broker_of
from vidpoll.dispatcher import Dispatcher
from vidpoll.errors import BrokerUnavailable, Unavailable
from vidpoll.settings import load_settings


class CeleryQueues:
    """The dispatcher's view of Celery: send a task, ask a queue's length."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._publishing = broker_of(load_settings().need("broker_url")).publishing
        connection = app.connection_for_write()
        self._errors = (OperationalError, *connection.connection_errors, *connection.channel_errors)

    def publish(self, task: str, kwargs: dict[str, Any]) -> None:
        """Send a task to its queue. Raises BrokerUnavailable."""
        try:
            self._app.send_task(task, kwargs=kwargs, **{"retry": False, **self._publishing})
        except self._errors as error:
            raise BrokerUnavailable(f"broker: {error}") from error

    def length(self, queue: str) -> int:
        """How many messages wait. Raises BrokerUnavailable."""
        try:
            with self._app.pool.acquire(block=True) as connection:
                return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
        except ChannelError:
            return 0  # Redis keeps no empty lists: what is not there is empty. So is a queue nobody has declared yet.
        except self._errors as error:
            raise BrokerUnavailable(f"broker: {error}") from error


class DispatcherStep(bootsteps.StartStopStep):
    """Runs the dispatcher's thread from the worker's start to its stop."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self._dispatcher: Dispatcher | None = None
        self._thread: threading.Thread | None = None

    def start(self, worker: Any) -> None:
        """Start dispatching."""
        queues, limit = CeleryQueues(worker.app), 2 * worker.app.conf.worker_concurrency
        self._name, self._reads = str(worker.hostname), tuple(worker.app.amqp.queues.consume_from)
        self._dispatcher = Dispatcher(services(), queues, queue_limit=limit, heartbeat=self._beat)
        self._thread = threading.Thread(target=self._dispatcher.run, name="vidpoll-dispatcher", daemon=True)
        self._thread.start()

    def stop(self, worker: Any) -> None:
        """Stop dispatching; what is queued is still worked off."""
        if self._dispatcher and self._thread:
            self._dispatcher.stop()
            self._thread.join(timeout=5)
            with suppress(Unavailable):
                services().heartbeats.stopped(self._name)

    def _beat(self) -> None:
        services().heartbeats.beat(self._name, finished=PROGRESS.finished, idle_s=PROGRESS.idle_s, queues=self._reads)


class Progress:
    """What this worker got done."""

    def __init__(self) -> None:
        self.finished = 0
        self._last = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since a task was finished, or since the start."""
        return time.monotonic() - self._last

    def one_more(self, sender: Any, state: str | None = None, **_: object) -> None:
        """A task was finished; a sweep of beat's is no proof that the others are."""
        self.finished += 1
        services().telemetry.task_finished(sender.name, state or "unknown")
        if sender.name not in messages.FROM_BEAT:
            self._last = time.monotonic()


PROGRESS: Final = Progress()
task_postrun.connect(PROGRESS.one_more, weak=False)
