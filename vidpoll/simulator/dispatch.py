"""Which simulated vendor answers a call, by its path; with or without sockets."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from vidpoll.simulator import replicate, runware, veo
from vidpoll.simulator.wire import Call, Reply
from vidpoll.simulator.world import World

_VENDORS: Final[dict[str, Callable[[World, Call], Reply]]] = {
    "/replicate/v1": replicate.answer,
    "/runware/v1": runware.answer,
    "/vertex/v1": lambda world, call: veo.answer(world, call, "vertex"),
    "/gemini/v1beta": lambda world, call: veo.answer(world, call, "gemini"),
}


def answer(world: World, call: Call) -> Reply:
    """The vendor's reply to a call whose ``path`` is the full one, e.g. ``/replicate/v1/predictions?cursor=x``.

    Nothing waits in here: whoever sends the reply sees to its ``delay_s`` and its ``manner``.
    """
    path, _, query = call.path.partition("?")
    for base, vendor in _VENDORS.items():
        if path == base or path.startswith(base + "/"):
            return vendor(world, replace(call, path=path.removeprefix(base), query=query))
    return Reply(404, {"error": f"the simulator has no {path}; it has {', '.join(_VENDORS)} and /_sim/…"})
