"""What beat asks for. All of it is safe to run twice, and on two beats."""

from tasks import app
from tasks.wiring import lifecycle, services
from vidpoll import learning, messages, restore

#: Seconds between two sweeps of beat, and between two lessons.
EVERY_S = 10.0
LEARN_EVERY_S = 30.0


@app.task(name=messages.RESTORE_STUCK)
def restore_stuck(**_: object) -> dict[str, int]:
    """Put back into the lanes what the rows say belongs there; once, when sweeps have piled up."""
    if not services().lanes.once_in(messages.RESTORE_STUCK, EVERY_S / 2):
        return {}
    return restore.restore_stuck(services(), lifecycle())


@app.task(name=messages.LEARN_DURATIONS)
def learn_durations(**_: object) -> dict[str, int]:
    """Learn from what finished since how long each model takes; once, when lessons have piled up."""
    if not services().lanes.once_in(messages.LEARN_DURATIONS, LEARN_EVERY_S / 2):
        return {}
    return learning.learn_durations(services())
