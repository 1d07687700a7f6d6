"""What beat asks for. All of it is safe to run twice, and on two beats."""

from tasks import app
from tasks.wiring import lifecycle, services
from vidpoll import learning, messages, restore, retention
from vidpoll.settings import load_settings

#: Seconds between two sweeps of beat, between two lessons, and between two prunings.
EVERY_S = 10.0
LEARN_EVERY_S = 30.0
PRUNE_EVERY_S = 600.0
#: Seconds a pruning may take; less than a worker that is told to end is given.
PRUNE_S = 10.0


@app.task(name=messages.RESTORE_STUCK)
def restore_stuck(**_: object) -> dict[str, int]:
    """Put back into the lanes what the rows say belongs there; once, when sweeps have piled up."""
    if not services().lanes.once_in(messages.RESTORE_STUCK, EVERY_S / 2):
        return {}
    restored = restore.restore_stuck(services(), lifecycle())
    services().heartbeats.swept()
    return restored


@app.task(name=messages.LEARN_DURATIONS)
def learn_durations(**_: object) -> dict[str, int]:
    """Learn from what finished since how long each model takes; once, when lessons have piled up."""
    if not services().lanes.once_in(messages.LEARN_DURATIONS, LEARN_EVERY_S / 2):
        return {}
    return learning.learn_durations(services())


@app.task(name=messages.PRUNE)
def prune(**_: object) -> dict[str, int]:
    """Delete what is kept no longer, for a while; the rest the next time."""
    if not services().lanes.once_in(messages.PRUNE, PRUNE_EVERY_S / 2):
        return {}
    keep, offered = load_settings().keep, services().accounts.policies()
    pruned = retention.prune(services().store, keep, offered, most_s=PRUNE_S, archive=services().archive)
    return {one.what: one.gone for one in pruned}
