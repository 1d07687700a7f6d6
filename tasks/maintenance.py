"""What beat asks for. All of it is safe to run twice, and on two beats."""

from tasks import app
from tasks.wiring import lifecycle, services
from vidpoll import messages, restore


@app.task(name=messages.RESTORE_STUCK)
def restore_stuck(**_: object) -> dict[str, int]:
    """Put back into the lanes what the rows say belongs there."""
    return restore.restore_stuck(services(), lifecycle())
