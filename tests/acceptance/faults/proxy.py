"""A TCP proxy that misbehaves on command: it stands where the network would break.

One thread with an event loop. Its port is its own: the server behind it may die, come back and even move.
"""

import asyncio
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

#: ``up``: from the client to the server; ``down``: back.
Direction = Literal["up", "down"]
_BOTH: Final = frozenset({"up", "down"})
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
T = TypeVar("T")


class Proxy:
    """A listening loopback port in front of ``target``. A mode lasts until the next one is set.

    Attributes:
        target: where new connections go.
        connections: clients accepted since the start.
        spoiled: answers lost or cut in the middle since the start.
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        self.target = (target_host, target_port)
        self.connections = 0
        self.spoiled = 0
        self._links: set[_Link] = set()
        self._held: frozenset[str] = frozenset()
        self._delay_s = 0.0
        self._spoil: tuple[Literal["whole", "half"], int, bytes] = ("whole", 0, b"")
        # Bound beside the listening socket, so that nobody else gets the port while connections are refused.
        self._reserved = _bound(0)
        self.port = int(self._reserved.getsockname()[1])
        self._listening: socket.socket | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()
        self.pass_through()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def open(self) -> int:
        """Clients connected at the moment."""
        return self._do(self._count(lambda _: True))

    @property
    def holding(self) -> int:
        """Clients of whose bytes, or whose answers, some are kept back."""
        return self._do(self._count(_Link.holds))

    # -- modes --------------------------------------------------------------------------------------------------------

    def pass_through(self) -> None:
        """Be a wire; what was held back flows."""
        self._do(self._set())

    release = pass_through

    def delay(self, seconds: float) -> None:
        """Everything takes so much longer, in both directions."""
        self._do(self._set(delay_s=seconds))

    def refuse(self) -> None:
        """Nobody listens: connections are refused, those that exist are cut."""
        self._do(self._set(listening=False))

    def black_hole(self) -> None:
        """Connections are accepted and stay, and not a byte moves: the other side is gone without a word."""
        self._do(self._set(held=_BOTH))

    def hold_answers(self) -> None:
        """What clients send arrives; what comes back waits for :meth:`release`."""
        self._do(self._set(held=frozenset({"down"})))

    def lose_answers(self, n: int = 1, *, matching: bytes = b"") -> None:
        """The next ``n`` requests (that hold ``matching``) arrive; instead of an answer comes a reset."""
        self._do(self._set(spoil=("whole", n, matching)))

    def reset_mid_answer(self, n: int = 1, *, matching: bytes = b"") -> None:
        """The same after half of the answer's first piece."""
        self._do(self._set(spoil=("half", n, matching)))

    def cut(self) -> None:
        """Reset every connection now. The mode stays, so new ones may be fine."""
        self._do(self._cut())

    def close(self) -> None:
        """End: no thread, no socket is left."""
        if not self._thread.is_alive():
            return
        self._do(self._set(listening=False))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._reserved.close()

    # -- inside the loop ----------------------------------------------------------------------------------------------

    def _do(self, change: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(change, self._loop).result(10)

    async def _set(
        self,
        *,
        listening: bool = True,
        held: frozenset[str] = frozenset(),
        delay_s: float = 0.0,
        spoil: tuple[Literal["whole", "half"], int, bytes] = ("whole", 0, b""),
    ) -> None:
        self._held, self._delay_s, self._spoil = held, delay_s, spoil
        if listening and self._listening is None:
            self._listening = _bound(self.port)
            self._listening.listen(1024)
            self._listening.setblocking(False)
            self._loop.add_reader(self._listening, self._accept, self._listening)
        if not listening:
            if self._listening:
                self._loop.remove_reader(self._listening)
                self._listening.close()
                self._listening = None
            await self._cut()
        for link in list(self._links):
            link.request.clear()
            link.flush()

    def _accept(self, listening: socket.socket) -> None:
        client, _ = listening.accept()
        self.connections += 1
        link = _Link(self)
        self._links.add(link)
        link.start(self._loop.connect_accepted_socket(lambda: _Client(link), client))

    async def _cut(self) -> None:
        links = list(self._links)
        for link in links:
            await link.accepting
            link.cut()
        await asyncio.gather(*(link.connecting for link in links if link.connecting), return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed at the loop's next turn

    async def _count(self, which: "Callable[[_Link], bool]") -> int:
        return sum(map(which, self._links))

    def _strikes(self, request: bytes) -> Literal["whole", "half"] | None:
        """What becomes of the answer to ``request``."""
        how, left, matching = self._spoil
        if not left or not request or matching not in request:
            return None
        self._spoil = (how, left - 1, matching)
        self.spoiled += 1
        return how


class _Link:
    """A client's connection, and ours to the server on its behalf."""

    def __init__(self, proxy: Proxy) -> None:
        self.request = bytearray()
        self.accepting: asyncio.Task[object]
        self.connecting: asyncio.Task[None] | None = None
        self._proxy = proxy
        self._sinks: dict[str, asyncio.Transport | None] = {"up": None, "down": None}
        self._waiting: dict[str, deque[tuple[float, bytes]]] = {"up": deque(), "down": deque()}
        self._ended: set[str] = set()

    def start(self, accepting: Coroutine[Any, Any, object]) -> None:
        self.accepting = self._proxy._loop.create_task(accepting)

    def accepted(self, client: asyncio.Transport) -> None:
        self._sinks["down"] = client
        self.flush()

    def connected(self, server: asyncio.Transport) -> None:
        self._sinks["up"] = server
        self.flush()

    async def _connect(self) -> None:
        try:
            await self._proxy._loop.create_connection(lambda: _Server(self), *self._proxy.target)
        except OSError:
            self.cut()

    def arrived(self, direction: Direction, data: bytes) -> None:
        """Bytes from one side, none for its end."""
        if direction == "up":
            self.request += data
        elif data:
            how = self._proxy._strikes(bytes(self.request))
            self.request.clear()
            client = self._sinks["down"]
            if how == "half" and client:
                client.write(data[: max(1, len(data) // 2)])
            if how:
                self.cut()
                return
        self._waiting[direction].append((self._proxy._loop.time() + self._proxy._delay_s, data))
        self._flow(direction)

    def holds(self) -> bool:
        """Whether bytes wait for a mode to end."""
        return any(self._waiting.values())

    def flush(self) -> None:
        """Let flow what may."""
        if self.connecting is None and "up" not in self._proxy._held:
            self.connecting = self._proxy._loop.create_task(self._connect())
        self._flow("up")
        self._flow("down")

    def _flow(self, direction: Direction) -> None:
        loop, waiting, sink = self._proxy._loop, self._waiting[direction], self._sinks[direction]
        while waiting and sink and direction not in self._proxy._held:
            due, data = waiting[0]
            if due > loop.time() and self._proxy._delay_s:
                loop.call_at(due, self._flow, direction)
                return
            waiting.popleft()
            if data:
                sink.write(data)
            else:
                self._end(direction, sink)

    def _end(self, direction: Direction, sink: asyncio.Transport) -> None:
        try:
            sink.write_eof()
        except OSError:
            self.cut()
        self._ended.add(direction)
        if self._ended == _BOTH:
            self._close(reset=False)

    def cut(self) -> None:
        """Reset both sides."""
        self._close(reset=True)

    def _close(self, *, reset: bool) -> None:
        self._proxy._links.discard(self)
        if self.connecting and self.connecting is not asyncio.current_task():
            self.connecting.cancel()
        for direction, sink in self._sinks.items():
            self._sinks[direction] = None
            if sink and reset:
                sink.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                sink.abort()
            elif sink:
                sink.close()


class _End(asyncio.Protocol):
    """One side of a link."""

    sends: Direction

    def __init__(self, link: _Link) -> None:
        self._link = link

    def data_received(self, data: bytes) -> None:
        self._link.arrived(self.sends, data)

    def eof_received(self) -> bool:
        self._link.arrived(self.sends, b"")
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if error:
            self._link.cut()


class _Client(_End):
    sends = "up"

    def connection_made(self, transport: Any) -> None:
        self._link.accepted(transport)


class _Server(_End):
    sends = "down"

    def connection_made(self, transport: Any) -> None:
        self._link.connected(transport)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound
