"""Postgres: the truth. One class, in parts: accepting, submitting, watching, reading, what an owner may see, what is
stuck, dead letters, API keys, learned durations. ``live`` reads for an event loop.
"""

from vidpoll.store.accepting import Accepted, Accepting
from vidpoll.store.dead_letters import DeadLetters
from vidpoll.store.engine import connect
from vidpoll.store.finished import Finished, Learned, LearnedDurations
from vidpoll.store.keys import Keys, StoredKey
from vidpoll.store.owned import Owned, Statistics
from vidpoll.store.reading import Reading
from vidpoll.store.stuck import Stuck, Waiting
from vidpoll.store.submitting import Submitting
from vidpoll.store.watching import Checked, Watching

__all__ = ["Accepted", "Checked", "Finished", "Learned", "Statistics", "Store", "StoredKey", "Waiting", "connect"]


class Store(Accepting, Submitting, Watching, Reading, Owned, Stuck, DeadLetters, Keys, LearnedDurations):
    """Everything vidpoll reads from and writes to Postgres.

    Every method raises StoreUnavailable when Postgres does not answer.

    Example:
        >>> store = Store(connect("postgresql://postgres@127.0.0.1:5432/vidpoll"))
    """
