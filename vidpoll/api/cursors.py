"""Where a page of a list ends: the moment and the id of its last item, as text nobody needs to read."""

import base64
import binascii
from datetime import datetime
from uuid import UUID

from vidpoll.errors import InvalidRequest


def to_cursor(created_at: datetime, id: UUID) -> str:
    """The cursor of the page behind this item."""
    return base64.urlsafe_b64encode(f"{created_at.isoformat()} {id}".encode()).decode()


def from_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The item a cursor stands for.

    Raises:
        InvalidRequest: it is none of ours.
    """
    try:
        moment, _, id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None:
            raise ValueError(cursor)
        return created_at, UUID(id)
    except (ValueError, binascii.Error):
        raise InvalidRequest(["cursor: is not one that a page before gave"]) from None
