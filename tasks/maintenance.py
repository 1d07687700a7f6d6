"""What beat asks for. All of it is safe to run twice, and on two beats."""

from tasks import app
from tasks.wiring import lifecycle, services
from vidpoll import messages, restore

#: Seconds between two sweeps of beat.
EVERY_S = 10.0


@app.task(name=messages.RESTORE_STUCK)
def restore_stuck(**_: object) -> dict[str, int]:
    """Put back into the lanes what the rows say belongs there; once, when sweeps have piled up."""
    if not services().lanes.once_in(messages.RESTORE_STUCK, EVERY_S / 2):
        return {}
    return restore.restore_stuck(services(), lifecycle())
