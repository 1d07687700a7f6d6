"""Postgres: the truth. One class, in parts: accepting, submitting, watching, reading, what an owner may see, what is
stuck, projects, webhooks, dead letters, API keys, learned durations, what operators decided, what is kept no longer,
copies of results. ``live`` reads for an event loop.
"""

from vidpoll.store.accepting import Accepted, Accepting
from vidpoll.store.archived import ArchivedFile, ArchivedFiles, ArchiveState, Copying
from vidpoll.store.controls import Controls
from vidpoll.store.dead_letters import DeadLetters
from vidpoll.store.engine import connect
from vidpoll.store.finished import Finished, Learned, LearnedDurations
from vidpoll.store.keys import Keys, StoredKey
from vidpoll.store.new_files import NewFile
from vidpoll.store.owned import Owned, Statistics
from vidpoll.store.project_reading import ProjectLine
from vidpoll.store.projects import Admitted, Advanced, StoredProjects
from vidpoll.store.pruning import Page, Pruning
from vidpoll.store.reading import Reading
from vidpoll.store.stuck import Stuck, Waiting
from vidpoll.store.submitting import Submitting
from vidpoll.store.watching import Checked, Watching
from vidpoll.store.webhook_deliveries import WebhookDeliveries
from vidpoll.store.webhook_outbox import GenerationNews, NewDelivery, News, ProjectNews, WebhookOutbox
from vidpoll.store.webhooks import WebhookEndpoints

__all__ = [
    "Accepted",
    "Admitted",
    "Advanced",
    "ArchiveState",
    "ArchivedFile",
    "Checked",
    "Copying",
    "Finished",
    "GenerationNews",
    "Learned",
    "NewDelivery",
    "NewFile",
    "News",
    "Page",
    "ProjectLine",
    "ProjectNews",
    "Statistics",
    "Store",
    "StoredKey",
    "Waiting",
    "connect",
]


class Store(
    Accepting, Submitting, Watching, Reading, Owned, Stuck, StoredProjects, DeadLetters, Keys, LearnedDurations,
    Controls, Pruning, WebhookEndpoints, WebhookDeliveries, WebhookOutbox, ArchivedFiles,
):  # fmt: skip
    """Everything vidpoll reads from and writes to Postgres.

    Every method raises StoreUnavailable when Postgres does not answer.

    Example:
        >>> store = Store(connect("postgresql://postgres@127.0.0.1:5432/vidpoll"))
    """
