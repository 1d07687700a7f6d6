"""Which simulated vendor answers a call, by its path; with or without sockets."""

import pkgutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import import_module

from vidpoll.simulator import vendors
from vidpoll.simulator.wire import Call, Reply
from vidpoll.simulator.world import World

Vendor = Callable[[World, Call], Reply]


@cache
def bases() -> dict[str, Vendor]:
    """Every path a vendor answers under, the longest first."""
    found: dict[str, Vendor] = {}
    for module in pkgutil.iter_modules(vendors.__path__):
        found |= import_module(f"{vendors.__name__}.{module.name}").BASES
    return dict(sorted(found.items(), key=lambda base: -len(base[0])))


def answer(world: World, call: Call) -> Reply:
    """The vendor's reply to a call whose ``path`` is the full one, e.g. ``/replicate/v1/predictions?cursor=x``.

    Nothing waits in here: whoever sends the reply sees to its ``delay_s`` and its ``manner``.
    """
    path, _, query = call.path.partition("?")
    for base, vendor in bases().items():
        if path == base or path.startswith(base + "/"):
            return vendor(world, replace(call, path=path.removeprefix(base), query=query))
    return Reply(404, {"error": f"the simulator has no {path}; it has {', '.join(sorted(bases()))} and /_sim/…"})
