"""Messages that were refused: kept where an operator sees them, never tried again by themselves."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import insert, select

from vidpoll.errors import VidpollError
from vidpoll.redact import without_keys
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import dead_letters

#: Longest payload kept, in characters; the rest is cut.
PAYLOAD_LIMIT: Final = 20_000


class DeadLetters(EngineBound):
    """The refused messages."""

    def bury(self, task: str, message_id: str | None, payload: Mapping[str, Any], error: VidpollError) -> None:
        """Keep a refused message, with the reason."""
        text = json.dumps(payload, default=repr).replace("\\u0000", "\\ufffd")
        if len(text) > PAYLOAD_LIMIT:
            text = f"{text[:PAYLOAD_LIMIT]}… ({len(text)} characters)"
        values = {"task": task, "message_id": message_id, "payload": text, "code": error.code, "reason": str(error)}
        with answering(self._engine) as connection:
            connection.execute(insert(dead_letters).values({k: _storable(v) for k, v in values.items()}))

    def buried(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest refused messages, newest first."""
        query = select(dead_letters).order_by(dead_letters.c.id.desc()).limit(limit)
        with answering(self._engine) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _storable(value: str | None) -> str | None:
    """Bad input must not break the record of bad input: drop what Postgres cannot hold, and keys of ours."""
    return None if value is None else without_keys(value).replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
