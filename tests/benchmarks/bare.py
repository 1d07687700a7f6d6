"""The least a status read can be: uvicorn, one psycopg statement by primary key, json. What the API's is measured against.

Run as ``python -m tests.benchmarks.bare DATABASE_URL PORT``.
"""

import json
import sys
from typing import Any

import uvicorn
from psycopg_pool import AsyncConnectionPool

QUERY = "SELECT id, status, progress, video_url, error FROM generations WHERE id = %s"


class Bare:
    """An ASGI application of one route: the last part of the path is the id."""

    def __init__(self, database_url: str) -> None:
        self._pool = AsyncConnectionPool(database_url, min_size=8, max_size=8, open=False, kwargs={"autocommit": True})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        id = scope["path"].rsplit("/", 2)[-2]
        async with self._pool.connection() as connection:
            row = await (await connection.execute(QUERY, (id,))).fetchone()
        body = json.dumps(
            {"id": str(row[0]), "status": row[1], "progress": row[2], "video_url": row[3], "error": row[4]}
        ).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._pool.open()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._pool.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


if __name__ == "__main__":
    uvicorn.run(Bare(sys.argv[1]), port=int(sys.argv[2]), log_level="warning", access_log=False)
