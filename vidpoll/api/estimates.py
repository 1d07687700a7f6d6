"""ETAs for the routes, from a snapshot of what was learned that this process renews beside its work."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from anyio import to_thread

from vidpoll.accounts import Accounts
from vidpoll.errors import StoreUnavailable
from vidpoll.eta import Eta, Etas
from vidpoll.forecasts import Snapshot
from vidpoll.generation import Generation
from vidpoll.store import Learned
from vidpoll.store.live import Event, StatusRow

log = logging.getLogger("vidpoll.api")


class Estimates:
    """Tells ETAs without asking anybody. ``run`` is a task for the process's life.

    Args:
        read: reads everything learned; called in a thread, every ``refresh_s`` seconds.
        accounts: the providers file, if this process has one.
    """

    def __init__(self, read: Callable[[], Sequence[Learned]], accounts: Accounts | None, refresh_s: float) -> None:
        self._read = read
        self._refresh_s = refresh_s
        self._accounts = accounts
        self._etas = Etas(Snapshot().of, accounts)

    def of_row(self, row: StatusRow) -> Eta | None:
        """The ETA of one that stands so: that of its model as a whole when its parameters are too large to be read."""
        return self._etas.standing(row.status, row.provider, row.model, row.params or {}, row.elapsed_s)

    def of_event(self, event: Event) -> Eta | None:
        """The ETA at the moment of the event."""
        return self._etas.standing(event.status, event.provider, event.model, event.params or {}, event.age_s)

    def of(self, generation: Generation) -> Eta | None:
        """The ETA at the moment it was read."""
        return self._etas.of(generation)

    async def run(self) -> None:
        """Renew the snapshot until cancelled; while that fails the old one stays."""
        while True:
            try:
                learned = await to_thread.run_sync(self._read, abandon_on_cancel=True)
                self._etas = Etas(Snapshot(learned).of, self._accounts)
            except StoreUnavailable as error:
                log.warning("durations stay as they were: %s", error)
            except Exception:
                log.exception("durations stay as they were")  # one row that cannot be read must not end the renewing
            await asyncio.sleep(self._refresh_s)
