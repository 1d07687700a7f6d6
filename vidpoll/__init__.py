"""vidpoll asks AI providers for videos once, watches until they are done, and writes the outcome to Postgres.

Other services import :class:`Client`; the rest of the public surface is what it takes, returns and raises.
"""

from vidpoll.client import Client
from vidpoll.errors import (
    BrokerUnavailable,
    GenerationNotFound,
    IdempotencyConflict,
    InvalidRequest,
    NotConfigured,
    PartlyRefused,
    ProjectNotFound,
    StoreUnavailable,
    UnknownTarget,
    VidpollError,
    WaitTimeout,
)
from vidpoll.generation import Failure, Generation, GenerationRequest, Status
from vidpoll.projects.plan import ProjectRequest, StepRequest

__all__ = [
    "BrokerUnavailable",
    "Client",
    "Failure",
    "Generation",
    "GenerationNotFound",
    "GenerationRequest",
    "IdempotencyConflict",
    "InvalidRequest",
    "NotConfigured",
    "PartlyRefused",
    "ProjectNotFound",
    "ProjectRequest",
    "Status",
    "StepRequest",
    "StoreUnavailable",
    "UnknownTarget",
    "VidpollError",
    "WaitTimeout",
]
