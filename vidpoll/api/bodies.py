"""No body is read beyond a limit."""

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes a request's body may have.
BODY_LIMIT: Final = 1 << 20


class Bounded:
    """Has requests of an app refused with 413 as soon as their body is known to be too large.

    The framework's own limit does the same, in plain text where everything else answers problem documents.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        size = int(declared) if declared.isascii() and declared.isdigit() else 0
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message: Message = {} if size > BODY_LIMIT else await receive()
            read += len(message.get("body", b""))
            if max(size, read) > BODY_LIMIT:
                raise HTTPException(413, f"a body may have {BODY_LIMIT} bytes")
            return message

        await self._app(scope, bounded, send)
