"""What copies are called: the same for the same file, however often it is stored. Pure."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid5

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
#: Characters of an owner that stand in a name.
_OWNER_LIMIT: Final = 60


def name_of(owner: str, created_at: datetime, generation_id: UUID, position: int, extension: str) -> str:
    """The path below the archive's folder: owner, year and month of the request, generation and place in its result.

    Example:
        >>> name_of("alice", datetime(2026, 3, 1, tzinfo=UTC), UUID(int=7), 0, "mp4")
        'alice/2026/03/00000000-0000-0000-0000-000000000007-0.mp4'
    """
    return f"{safe(owner)}/{created_at.astimezone(UTC):%Y/%m}/{generation_id}-{position}.{extension}"


def safe(owner: str) -> str:
    """An owner as one part of a path, everywhere; no two owners have the same.

    Example:
        >>> safe("alice"), safe("../etc")
        ('alice', '-etc-f7f9121f')
    """
    plain = _UNSAFE.sub("-", owner)[:_OWNER_LIMIT]
    return plain if plain == owner else f"{plain}-{hashlib.sha256(owner.encode()).hexdigest()[:8]}"


def file_id(generation_id: UUID, position: int) -> UUID:
    """The id of a file of a generation, which everybody makes alike."""
    return uuid5(generation_id, f"file:{position}")
