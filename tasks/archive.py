"""Files of results: copied when their generation completed, and swept up by beat."""

from typing import Final
from uuid import UUID

from tasks import app
from tasks.wiring import archiving, services
from vidpoll import messages

#: Seconds between two sweeps of beat, and between two searches for generations nobody noted files of.
EVERY_S: Final = 15.0
SEARCH_EVERY_S: Final = 300.0


@app.task(name=messages.ARCHIVE)
def archive(ids: list[str], v: int = 1, **_: object) -> None:
    """Copy files; acked early, since their lease brings them back."""
    if messages.readable(v):
        archiving().archive([UUID(id) for id in ids])


@app.task(name=messages.ARCHIVE_RESULTS)
def archive_results(**_: object) -> dict[str, int]:
    """Put files back into their lane that should be in it; now and then, look for what was never noted."""
    lanes = services().lanes
    if services().archive is None or not lanes.once_in(messages.ARCHIVE_RESULTS, EVERY_S / 2):
        return {}
    search = lanes.once_in(f"{messages.ARCHIVE_RESULTS}:search", SEARCH_EVERY_S)
    return archiving().sweep(search=search)
