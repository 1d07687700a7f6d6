"""Projects: advanced when a step ends or a pace is due, and swept up by beat."""

from typing import Final
from uuid import UUID

from tasks import app
from tasks.wiring import projects, services
from vidpoll import messages

#: Seconds between two sweeps of beat.
EVERY_S: Final = 10.0


@app.task(name=messages.ADVANCE)
def advance(ids: list[str], v: int = 1, **_: object) -> None:
    """Move projects on; acked early, since the sweep brings back what gets lost."""
    if messages.readable(v):
        projects().advance([UUID(id) for id in ids])


@app.task(name=messages.ADVANCE_PROJECTS)
def advance_projects(**_: object) -> int:
    """Put projects back into their lane that should have been advanced; once, when sweeps have piled up."""
    if not services().lanes.once_in(messages.ADVANCE_PROJECTS, EVERY_S / 2):
        return 0
    return projects().sweep()
