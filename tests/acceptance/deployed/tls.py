"""Ends TLS before a server that speaks none: to whoever connects, it is a server with TLS."""

import asyncio
import socket
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

#: What a client of Postgres sends first (protocol 3, "SSLRequest" and "GSSENCRequest"): length 8, and a code.
_SSL_REQUEST = (80877103).to_bytes(4, "big")


class TlsEnd:
    """A loopback port with TLS in front of a port without.

    Attributes:
        connections: handshakes that succeeded.
        refused: handshakes that failed.
    """

    def __init__(self, context: ssl.SSLContext, target_port: int, *, postgres: bool = False) -> None:
        self._context, self._target_port, self._postgres = context, target_port, postgres
        self.connections, self.refused = 0, 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self.port = int(self._listening.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._accepting = asyncio.run_coroutine_threadsafe(self._accept(), self._loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._listening.close()

    async def _accept(self) -> None:
        while True:
            accepted, _ = await self._loop.sock_accept(self._listening)
            task = self._loop.create_task(self._serve(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket) -> None:
        try:
            if self._postgres and not await self._asked_for_tls(accepted):
                accepted.close()
                return
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, accepted, ssl=self._context, ssl_handshake_timeout=5
            )
        except (OSError, ssl.SSLError):
            self.refused += 1
            accepted.close()
            return
        self.connections += 1
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        with suppress(OSError):
            to_server, server = await asyncio.open_connection("127.0.0.1", self._target_port)
            await asyncio.gather(_pump(reader, server), _pump(to_server, writer))

    async def _asked_for_tls(self, accepted: socket.socket) -> bool:
        """Answer what a client of Postgres asks before the handshake; False for one that wants no TLS."""
        while len(asked := await self._loop.sock_recv(accepted, 8)) == 8:
            if asked[4:] == _SSL_REQUEST:
                await self._loop.sock_sendall(accepted, b"S")
                return True
            await self._loop.sock_sendall(accepted, b"N")
        return False

    async def _end(self) -> None:
        self._accepting.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            to.write(data)
            await to.drain()
    except OSError:
        pass
    finally:
        to.close()
