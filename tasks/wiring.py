"""One set of connected services for each worker process, made at the first use."""

from functools import cache

from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services, build
from vidpoll.settings import load_settings


@cache
def services() -> Services:
    """The process' services."""
    return build(load_settings())


@cache
def lifecycle() -> Lifecycle:
    """The process' lifecycle."""
    return Lifecycle(services())
