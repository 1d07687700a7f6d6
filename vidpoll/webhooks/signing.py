"""Secrets of endpoints, and the headers that sign a body with them.

Source: Standard Webhooks, "Signature scheme" (symmetric, HMAC-SHA256) and "Webhook headers".
"""

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

#: Bytes of a secret; the specification wants 24 to 64.
SECRET_BYTES: Final = 32


def new_secret() -> str:
    """A secret for one endpoint, as its owner is given it: ``whsec_`` and base64.

    Example:
        >>> new_secret().startswith("whsec_"), new_secret() == new_secret()
        (True, False)
    """
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(body: str, event_id: str, at: datetime, keys: Sequence[str]) -> dict[str, str]:
    """The three headers of the specification: one signature for each of the secrets that are valid now.

    ``at`` is the moment of this try, not of the event: receivers refuse what is older than a few minutes.

    Example:
        >>> made = headers("{}", "evt_1", datetime(2026, 11, 21, tzinfo=UTC), ["whsec_" + 40 * "A"])
        >>> made["webhook-timestamp"], made["webhook-signature"].partition(",")[0]
        ('1795219200', 'v1')
    """
    at = at.astimezone(UTC)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(event_id, at, body) for key in keys),
    }
