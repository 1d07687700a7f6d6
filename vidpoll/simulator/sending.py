"""Put a reply on a socket, in whatever manner it is to leave."""

import socket
import struct
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from vidpoll.simulator.wire import Reply

#: Seconds between two dripped bytes, and seconds after which a drip ends by itself.
DRIP_S: Final = 1.0
DRIP_FOR_S: Final = 120
#: Bytes by which a length is overstated.
OVERSTATED: Final = 100


def send(connection: socket.socket, reply: Reply, stopping: threading.Event) -> bool:
    """Send a reply; whether the connection can carry another one. Waits end when the server stops."""
    try:
        return not stopping.wait(reply.delay_s) and _sent(connection, reply, stopping)
    except OSError:  # the client hung up
        return False


def _sent(connection: socket.socket, reply: Reply, stopping: threading.Event) -> bool:
    if reply.manner == "cut":
        connection.shutdown(socket.SHUT_RDWR)
        return False
    if reply.chunks is not None:
        _stream(connection, _head(reply, "Transfer-Encoding: chunked"), reply.chunks())
        return True
    data = reply.data()
    head = _head(reply, f"Content-Length: {len(data)}")
    match reply.manner:
        case "headers":
            connection.sendall(head)
            return True
        case "half_closed":
            connection.sendall(head + data[: len(data) // 2])
        case "half_reset":
            connection.sendall(head + data[: len(data) // 2])
            _reset(connection)
        case "drip":
            connection.sendall(head)
            _drip(connection, data, stopping)
        case "drip_headers":
            _drip(connection, head + data, stopping)
        case "overstated":
            connection.sendall(_head(reply, f"Content-Length: {len(data) + OVERSTATED}") + data)
        case _ if reply.bytes_per_s:
            connection.sendall(head)
            return _pour(connection, data, reply.bytes_per_s, stopping)
        case _:
            connection.sendall(head + data)
            return True
    return False


def _head(reply: Reply, length: str) -> bytes:
    lines = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
        f"Content-Type: {reply.content_type}",
        length,
    ]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _stream(connection: socket.socket, head: bytes, chunks: Iterable[bytes]) -> None:
    connection.sendall(head)
    for chunk in chunks:
        connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    connection.sendall(b"0\r\n\r\n")


def _drip(connection: socket.socket, data: bytes, stopping: threading.Event) -> None:
    for byte in data[: int(DRIP_FOR_S / DRIP_S)]:
        connection.sendall(bytes([byte]))
        if stopping.wait(DRIP_S):
            return


def _pour(connection: socket.socket, data: bytes, bytes_per_s: float, stopping: threading.Event) -> bool:
    """A tenth of a second's worth after the other; whether all of it left."""
    size = max(1, int(bytes_per_s / 10))
    for start in range(0, len(data), size):
        if stopping.wait(0.1 if start else 0.0):
            return False
        connection.sendall(data[start : start + size])
    return True


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Only closing the last handle resets, and a shutdown before it would say goodbye; so take it from everybody.
    socket.close(connection.detach())
