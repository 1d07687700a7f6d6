"""Which events endpoints are told, and the body of each: ``{type, timestamp, data}``.

Source: Standard Webhooks, "Payload structure".
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

GENERATION: Final = "generation"
PROJECT: Final = "project"
#: What happened to a generation or a project, by the kind of its event; other kinds are nobody's affair outside.
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    GENERATION: ("completed", "failed", "cancelled", "overdue"),
    PROJECT: ("completed", "failed", "cancelled"),
}
#: Every type an endpoint may ask for.
TYPES: Final = tuple(f"{subject}.{kind}" for subject, kinds in KINDS.items() for kind in kinds)
#: What is sent when somebody wants to see whether an endpoint works; goes to every one, whatever it asked for.
TEST: Final = "webhook.test"


def event_id(subject: UUID, version: int, kind: str) -> str:
    """The ``webhook-id`` of an event: the same in every try and every replay, and never another's.

    Not made of the number of the event's line: after a restore from a backup numbers are used again, and receivers
    would drop what is new as known.

    Example:
        >>> event_id(UUID(int=7), 3, "completed")
        'evt_00000000000000000000000000000007_3_completed'
    """
    return f"evt_{subject.hex}_{version}_{kind}"


def body(type: str, at: datetime, data: Mapping[str, Any]) -> str:
    """What is signed and sent, to the byte.

    Example:
        >>> body("generation.completed", datetime(2026, 11, 21, 10, tzinfo=UTC), {"id": "7"})
        '{"type":"generation.completed","timestamp":"2026-11-21T10:00:00Z","data":{"id":"7"}}'
    """
    moment = at.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    return json.dumps(
        {"type": type, "timestamp": moment, "data": data}, ensure_ascii=False, separators=(",", ":"), default=str
    )
