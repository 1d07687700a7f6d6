"""One set of connected services for each worker process, made at the first use."""

from functools import cache

from vidpoll.advancing import Projects
from vidpoll.archiving import Archiving
from vidpoll.delivering import Webhooks
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services, build
from vidpoll.settings import load_settings
from vidpoll.waking import Waking


@cache
def services() -> Services:
    """The process' services."""
    return build(load_settings())


@cache
def lifecycle() -> Lifecycle:
    """The process' lifecycle."""
    return Lifecycle(services())


@cache
def projects() -> Projects:
    """The process' projects."""
    return Projects(services(), lifecycle())


@cache
def archiving() -> Archiving:
    """The process' archiving."""
    return Archiving(services(), lifecycle())


@cache
def waking() -> Waking:
    """What the process does with webhooks."""
    return Waking(services())


@cache
def webhooks() -> Webhooks:
    """The process' webhooks."""
    return Webhooks(services(), lifecycle(), threads=load_settings().worker_threads)
