"""What other services import to ask for videos and to read how they stand.

Importing this is light: SQLAlchemy is loaded when a database is used, Celery when a message is sent.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, overload
from uuid import UUID, uuid4

from vidpoll import catalogue, kinds, messages, tracing, urls
from vidpoll.client_projects import WAIT_CAP_S, WAIT_FIRST_S, ProjectCalls
from vidpoll.client_webhooks import WebhookCalls
from vidpoll.errors import (
    BrokerUnavailable,
    GenerationNotFound,
    InvalidRequest,
    NotConfigured,
    PartlyRefused,
    StoreUnavailable,
    VidpollError,
    WaitTimeout,
)
from vidpoll.generation import Generation, GenerationRequest

if TYPE_CHECKING:
    from celery import Celery

    from vidpoll.accounts import Accounts
    from vidpoll.brokers import Broker
    from vidpoll.eta import Eta, Etas
    from vidpoll.forecasts import Forecasts
    from vidpoll.settings import Settings
    from vidpoll.store import Store

log = logging.getLogger("vidpoll.client")

#: Seconds for which the broker is left alone after it did not answer: finding out takes seconds each time.
_BROKER_REST_S: Final = 5.0
#: Threads that may talk to the broker at once, and seconds another one waits for its turn: one that hangs must not
#: take all threads of whoever uses the client.
_BROKER_THREADS: Final = 8
_BROKER_TURN_S: Final = 2.0


class Client(ProjectCalls, WebhookCalls):
    """Enqueue generations and projects and read them, from any service.

    With a database, ``submit`` makes the row first and then nudges a worker by message, so a lost message only delays.
    With a broker alone it sends the message, which is then the only copy until a worker takes it; reading needs the
    database. Safe to share between threads.

    Args:
        broker_url: Celery's broker; ``VIDPOLL_BROKER_URL``, else the running embedded stack, if not given.
        database_url: Postgres; ``VIDPOLL_DATABASE_URL``, else the running embedded stack, if not given. ``""`` means
            none: send messages only.
        settings: take everything from these instead.

    Raises:
        NotConfigured: at the first call that needs a URL nobody gave.

    Example::

        client = Client()
        request = GenerationRequest(provider="veo", model="veo-3.1-lite-generate-001", prompt="a lion", owner="alice")
        id = client.submit(request)
        print(client.wait(id, timeout_s=600).video_url)
    """

    def __init__(
        self, broker_url: str | None = None, database_url: str | None = None, *, settings: "Settings | None" = None
    ) -> None:
        self._given = {"broker_url": broker_url, "database_url": database_url}
        self._given_settings = settings
        self._broker_rests_until = 0.0
        self._broker_turns = threading.BoundedSemaphore(_BROKER_THREADS)

    @overload
    def submit(self, request: GenerationRequest, *, wait_s: None = None, traceparent: str | None = None) -> UUID: ...
    @overload
    def submit(self, request: GenerationRequest, *, wait_s: float, traceparent: str | None = None) -> Generation: ...
    def submit(
        self, request: GenerationRequest, *, wait_s: float | None = None, traceparent: str | None = None
    ) -> UUID | Generation:
        """Ask for one video; the generation's id or, with ``wait_s``, the generation.

        The same owner and idempotency key, or the same id, give the same generation and no second charge.

        Args:
            wait_s: stay for so many seconds at most, and answer with the generation as it stands then: with its video,
                if that was made in time, else to be read later by its ``id``. The workers watch it either way: nothing
                depends on a caller that stays.
            traceparent: the trace it belongs to, as W3C has it; that of OpenTelemetry's current span if not given.

        Example::

            generation = client.submit(request, wait_s=120)
            if generation.status is Status.COMPLETED:
                print(generation.video_url)
            elif not generation.status.final:
                remember(generation.id)

        Raises:
            NotConfigured: ``wait_s`` without a database, which is what tells how it stands; nothing was enqueued.
            UnknownTarget: no such provider, account or model (told here where the providers file can be read,
                else as the generation's error).
            IdempotencyConflict: the key or id belongs to a request with another body (told here with a database,
                else as a dead letter).
            StoreUnavailable: the database does not answer; nothing was enqueued, unless the text opens with
                "submitted as" and the id: then it went away during the wait.
            BrokerUnavailable: without a database, the broker does not answer; nothing was enqueued.
        """
        if wait_s is not None:
            self._readable()
        try:
            id = self.submit_many([request], traceparent=traceparent)[0]
        except PartlyRefused as refused:
            raise refused.errors[0] from None
        return id if wait_s is None else self._stayed(id, wait_s)

    def submit_many(self, requests: Iterable[GenerationRequest], *, traceparent: str | None = None) -> list[UUID]:
        """Ask for many videos; their ids, in the requests' order.

        With a database all rows are made in one transaction, or none is. With a broker alone some messages may be out
        before it stops answering: to try again safely, give the requests ids or idempotency keys.

        Raises:
            PartlyRefused: some were refused, each with its own error; the others are enqueued and have ids.
            StoreUnavailable, BrokerUnavailable: as in :meth:`submit`.
        """
        identified = [one if one.id else one.model_copy(update={"id": uuid4()}) for one in requests]
        errors = self._unroutable(identified)
        ids: list[UUID | None] = [None] * len(identified)
        taken = [place for place in range(len(identified)) if place not in errors]
        asked = [identified[place] for place in taken]
        trace = tracing.traceparent_of(traceparent) or tracing.current()
        for place, outcome in zip(taken, self._enqueue(asked, trace), strict=True):
            if isinstance(outcome, VidpollError):
                errors[place] = outcome
            else:
                ids[place] = outcome
        if errors:
            raise PartlyRefused(ids, errors)
        return [id for id in ids if id]

    @overload
    def status(self, ids: UUID | str) -> Generation: ...  # type: ignore[overload-overlap]  # a str is an Iterable too
    @overload
    def status(self, ids: Iterable[UUID | str]) -> list[Generation]: ...
    def status(self, ids: UUID | str | Iterable[UUID | str]) -> Generation | list[Generation]:
        """How a generation stands, or how several do, in the order asked; one statement.

        Raises:
            GenerationNotFound: one of them is not there (yet, when it was sent by message alone).
            StoreUnavailable: the database does not answer.
        """
        if isinstance(ids, UUID | str):
            return self._read([messages.as_uuid(ids)])[0]
        return self._read([messages.as_uuid(id) for id in ids])

    def eta(self, generation: Generation) -> "Eta | None":
        """When a generation that was read will be done: seconds for half, and for nine tenths, of those alike.

        They count from the moment it was read. None when it is final or ``unknown``, or takes so long that nobody can
        tell. What was learned is read every half minute at most; while the database is away, the old figures do.

        Example::

            generation = client.status(id)
            eta = client.eta(generation)
            if eta:
                print(f"about {eta.p50_s} s, 9 of 10 within {eta.p90_s} s")
        """
        if self._forecasts:
            self._forecasts.refresh()
        return self._etas.of(generation)

    @overload
    def wait(  # type: ignore[overload-overlap]  # a str is an Iterable too
        self, ids: UUID | str, *, timeout_s: float | None = None, on_change: Callable[[Generation], None] | None = None
    ) -> Generation: ...
    @overload
    def wait(
        self,
        ids: Iterable[UUID | str],
        *,
        timeout_s: float | None = None,
        on_change: Callable[[Generation], None] | None = None,
    ) -> list[Generation]: ...
    def wait(
        self,
        ids: UUID | str | Iterable[UUID | str],
        *,
        timeout_s: float | None = None,
        on_change: Callable[[Generation], None] | None = None,
    ) -> Generation | list[Generation]:
        """Wait until a generation, or every one of several, is final.

        Args:
            timeout_s: give up after so many seconds; never if not given, though a generation may stay ``unknown``.
                The generations go on either way.
            on_change: called with a generation each time a newer version of it is seen.

        Raises:
            WaitTimeout: not all are final yet.
            GenerationNotFound: one of them is not there.
        """
        if isinstance(ids, UUID | str):
            return self._wait([messages.as_uuid(ids)], timeout_s, on_change)[0]
        return self._wait([messages.as_uuid(id) for id in ids], timeout_s, on_change)

    def cancel(self, id: UUID | str) -> None:
        """Ask for a generation to be cancelled: at once while it waits, at the provider where that can cancel.

        Where it cannot, the generation goes on being watched, since it will be paid for. Watch ``status``.

        Raises:
            GenerationNotFound: it is not there (told only with a database).
            BrokerUnavailable: no worker can be told now; with a database the request is stored, and taken up before
                the paid call.
        """
        if self._store:
            self._store.get(messages.as_uuid(id))
            self._store.cancel_requested(messages.as_uuid(id))
        self._send(messages.CANCEL, [{"id": str(messages.as_uuid(id))}])

    def refresh(self, id: UUID | str) -> None:
        """Have the provider asked about a generation now, ahead of its schedule; also once more after it timed out.

        Raises:
            GenerationNotFound: it is not there (told only with a database).
            BrokerUnavailable: no worker can be told now.
        """
        if self._store:
            self._store.get(messages.as_uuid(id))
        self._send(messages.REFRESH, [{"id": str(messages.as_uuid(id))}])

    def wake(self, account: str, operation: str, delivery: str, id: UUID | None = None) -> None:
        """Tell workers that a vendor says it is done, for the HTTP side; see ``docs/webhooks-in.md``.

        Raises:
            BrokerUnavailable: no worker can be told now.
        """
        said = {"account": account, "operation": operation, "delivery": delivery}
        self._send(messages.WAKE, [said | ({"id": str(id)} if id else {})])

    # -- enqueueing ---------------------------------------------------------------------------------------------------

    def _unroutable(self, requests: Sequence[GenerationRequest]) -> dict[int, VidpollError]:
        """What the providers file already tells; nothing where it cannot be read, since workers check again."""
        errors: dict[int, VidpollError] = {}
        if self._accounts is None:
            return errors
        named = [request.parent for request in requests if request.parent]
        parents = self._store.find(named) if named and self._store else None
        for place, request in enumerate(requests):
            try:
                able = self._accounts.candidates(request.provider, request.model, request.account)
                known = catalogue.find(request.provider, request.model)
                problems = kinds.problems(
                    able, request.provider, request.model, request.kind, request.params, has_parent=bool(request.parent)
                )
                parent = None if parents is None else kinds.parent_of(request, parents)
                if isinstance(parent, str) and self._store and not self._store.has(request):
                    problems.append(f"parent: {parent}")
                brought = kinds.brought(known, request.kind, request.parent)
                problems += known.problems(request.params, brought=brought) if known else []
                local = any(account.is_local for account in able)
                problems += urls.problems(request.params, known.urls if known else (), local=local)
                if problems:
                    raise InvalidRequest(problems)
            except VidpollError as error:
                errors[place] = error
        return errors

    def _enqueue(self, requests: Sequence[GenerationRequest], traceparent: str | None) -> list[UUID | VidpollError]:
        _ = self._broker_errors  # a broker URL that cannot be used is told before anything is stored
        if self._store is None:
            self._send(messages.GENERATE, [messages.generate_message(request) for request in requests], traceparent)
            return [request.id for request in requests if request.id]
        accepted = self._store.accept_many([(request, None) for request in requests], traceparent=traceparent)
        new = [
            request
            for request, one in zip(requests, accepted, strict=True)
            if not isinstance(one, VidpollError) and one.new
        ]
        self._nudge(new)
        return [one if isinstance(one, VidpollError) else one.id for one in accepted]

    def _nudge(self, stored: Sequence[GenerationRequest]) -> None:
        """Tell workers of rows that are stored; while the broker is away, restore finds them."""
        try:
            self._send(messages.GENERATE, [messages.generate_message(request) for request in stored])
        except BrokerUnavailable as error:
            log.warning("stored, and taken up when the broker answers again (%d): %s", len(stored), error)

    def _send(self, task: str, payloads: Sequence[Mapping[str, Any]], traceparent: str | None = None) -> None:
        """Publish messages on one connection; a ``traceparent`` is a header, which workers that know none ignore."""
        if not payloads:
            return
        headers = {"headers": {"traceparent": traceparent}} if traceparent else {}
        if time.monotonic() < self._broker_rests_until:
            raise BrokerUnavailable("the broker did not answer a moment ago")
        if not self._broker_turns.acquire(timeout=_BROKER_TURN_S):
            raise BrokerUnavailable("the broker takes too long")
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                for payload in payloads:
                    self._app.send_task(
                        task, kwargs=dict(payload), queue=messages.QUEUE_OF[task], producer=producer,
                        **{"retry": False, **headers, **self._broker.publishing},
                    )  # fmt: skip
        except self._broker_errors as error:
            self._broker_rests_until = time.monotonic() + _BROKER_REST_S
            raise BrokerUnavailable(f"the broker {_refused_how(error)}: {error}") from error
        finally:
            self._broker_turns.release()

    # -- reading ------------------------------------------------------------------------------------------------------

    def _readable(self) -> "Store":
        """The database, which reading needs. Raises NotConfigured."""
        if self._store is None:
            self._settings.need("database_url")
            raise NotConfigured("to read generations, give this client a database_url")
        return self._store

    def _read(self, ids: Sequence[UUID]) -> list[Generation]:
        found = {generation.id: generation for generation in self._readable().find(ids)}
        for id in ids:
            if id not in found:
                raise GenerationNotFound(id)
        return [found[id] for id in ids]

    def _wait(
        self, ids: Sequence[UUID], timeout_s: float | None, on_change: Callable[[Generation], None] | None
    ) -> list[Generation]:
        generations = self._watched(ids, timeout_s, on_change)
        waiting = sum(not generation.status.final for generation in generations)
        if waiting:
            raise WaitTimeout(f"{waiting} of {len(ids)} generations are not final after {timeout_s} s; they go on")
        return generations

    def _stayed(self, id: UUID, wait_s: float) -> Generation:
        try:
            return self._watched([id], wait_s)[0]
        except StoreUnavailable as error:
            raise StoreUnavailable(f"submitted as {id}, and it cannot be read how it stands: {error}") from error

    def _watched(
        self,
        ids: Sequence[UUID],
        timeout_s: float | None,
        on_change: Callable[[Generation], None] | None = None,
    ) -> list[Generation]:
        """How they stand once all are final, or when the time is up."""
        give_up_at = math.inf if timeout_s is None else time.monotonic() + timeout_s
        pause, seen = WAIT_FIRST_S, dict[UUID, int]()
        while True:
            generations = self._read(ids)
            for generation in generations:
                if on_change and seen.get(generation.id) != generation.version:
                    on_change(generation)
                seen[generation.id] = generation.version
            left_s = give_up_at - time.monotonic()
            if left_s <= 0 or all(generation.status.final for generation in generations):
                return generations
            time.sleep(min(pause, left_s))
            pause = min(WAIT_CAP_S, pause * 1.5)

    # -- connections, each made at its first use ----------------------------------------------------------------------

    @cached_property
    def _settings(self) -> "Settings":
        from vidpoll.settings import load_settings

        return self._given_settings or load_settings(**{name: url or None for name, url in self._given.items()})

    @cached_property
    def _accounts(self) -> "Accounts | None":
        try:
            return self._settings.accounts
        except NotConfigured:
            return None

    @cached_property
    def _etas(self) -> "Etas":
        from vidpoll.eta import Etas
        from vidpoll.forecasts import Snapshot

        return Etas((self._forecasts or Snapshot()).of, self._accounts)

    @cached_property
    def _forecasts(self) -> "Forecasts | None":
        """What was learned; None without a database."""
        from vidpoll.clock import Clock
        from vidpoll.forecasts import Forecasts

        return Forecasts(self._store.learned, Clock()) if self._store else None

    @cached_property
    def _store(self) -> "Store | None":
        """The database; None when there is none, or it was given as empty."""
        if self._given["database_url"] == "" or self._settings.database_url is None:
            return None
        from vidpoll.store import Store, connect

        return Store(connect(self._settings.database_url))

    @cached_property
    def _broker_errors(self) -> tuple[type[Exception], ...]:
        """What says that the broker does not answer, or does not take a message."""
        from kombu.exceptions import OperationalError

        try:
            connection = self._app.connection_for_write()
            return (OperationalError, *connection.connection_errors, *connection.channel_errors)
        except (KeyError, ValueError, ImportError) as error:
            raise NotConfigured(f"the broker URL cannot be used: {error}") from None

    @cached_property
    def _broker(self) -> "Broker":
        from vidpoll.brokers import broker_of

        return broker_of(self._settings.need("broker_url"))

    @cached_property
    def _app(self) -> "Celery":
        from celery import Celery

        app = Celery("vidpoll-client", broker=self._broker.url, set_as_current=False)
        app.conf.update(
            result_backend=None, task_ignore_result=True, task_default_exchange="", broker_use_ssl=self._broker.use_ssl,
            broker_transport=self._broker.transport, broker_transport_options=dict(self._broker.options),
            task_queues=list(self._broker.queues),
        )  # fmt: skip
        return app


def _refused_how(error: Exception) -> str:
    from kombu.exceptions import ChannelError

    return "does not take it" if isinstance(error, ChannelError) else "does not answer"
