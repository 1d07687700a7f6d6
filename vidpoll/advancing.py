"""Moves projects on: what ``projects/advance.py`` decides is committed, then handed to the lanes.

A final move of a step's generation leaves a line in ``project_outbox`` in the same statement, and puts the project into
its lane (``store/moving.py``). The lane hands it to a worker, here. What gets lost on that way the sweep finds by the
lines, and ``restore.py`` finds generations whose project was committed and whose nudge was not.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

from vidpoll.copies import lasting_addresses
from vidpoll.errors import Unavailable
from vidpoll.lanes import PROJECTS
from vidpoll.lifecycle import Lifecycle
from vidpoll.projects.advance import advance
from vidpoll.services import Services

log = logging.getLogger("vidpoll.advancing")

#: Seconds after which a line that nobody read, or a project that does nothing, must have been lost on the way.
LOST_S: Final = 5.0
#: Seconds after which every running project is looked at, whatever is known of it.
AT_LATEST_S: Final = 60.0


class Projects:
    """Advances projects, on connected services."""

    def __init__(self, services: Services, lifecycle: Lifecycle) -> None:
        self._store = services.store
        self._lanes = services.lanes
        self._lifecycle = lifecycle
        self._archive, self._look_up = services.archive, services.resolver.addresses

    def advance(self, ids: Sequence[UUID]) -> None:
        """Find out what is next for these projects, and do it.

        Each stays leased while it is worked on, so that the lane counts how often it ended its worker. A step that ends
        meanwhile moves it in the lane, where it stays then.
        """
        with self._lifecycle.steps.back_in_lane_on_failure(PROJECTS, ids):
            for id in ids:
                moments = self._lanes.moments(PROJECTS, [id])
                again_s = self._advance(id)
                self._lanes.leave(PROJECTS, moments)
                if again_s is not None:
                    self._lanes.schedule(PROJECTS, {id: again_s}, only_absent=True)

    def _advance(self, id: UUID) -> float | None:
        """Advance one; seconds until it is to be looked at again, if it is."""
        try:
            addresses = lasting_addresses(id, self._store, self._archive, self._look_up)
            advanced = self._store.advance_project(id, partial(advance, addresses=addresses))
        except Unavailable:
            raise
        except Exception:
            log.exception("project %s cannot be advanced, and is tried again", id)
            raise
        if advanced is None:
            log.warning("there is no project %s to advance", id)
            return None
        self._take_up(advanced.started)
        for generation_id in advanced.cancel:
            self._lifecycle.cancel(generation_id)
        self._lifecycle.cancels.withdraw(advanced.withdraw)
        return advanced.again_s

    def _take_up(self, ids: Sequence[UUID]) -> None:
        """Route the new generations, and put them into their submit lanes in the project's order."""
        if ids:
            found = {one.id: one for one in self._store.find(ids)}
            self._lifecycle.take_up([found[id] for id in ids if id in found])

    def sweep(self) -> int:
        """Put projects into their lane that should have been advanced and are in none; how many."""
        due = self._store.projects_due(soon_s=LOST_S, at_latest_s=AT_LATEST_S)
        return self._lanes.schedule(PROJECTS, dict.fromkeys(due, 0.0), only_absent=True)
