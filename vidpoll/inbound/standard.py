"""Standard Webhooks 1.0: HMAC-SHA-256 over id, timestamp and body, under a secret that both sides have.

Source: the specification of Standard Webhooks; its library makes the signature that the given one is compared with.
(The library's own ``verify`` goes by the machine's clock, and breaks on a signature without a comma.)
"""

import base64
import binascii
import hmac
from datetime import UTC, datetime
from typing import Final

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from vidpoll.errors import NotConfigured
from vidpoll.inbound.base import AGED, FORGED, MALFORMED, Post, Rejected, moment

#: Signatures of one webhook that are looked at: a vendor that changes its secret sends two.
MOST_SIGNATURES: Final = 10


def signed(post: Post, secret: str) -> str | Rejected:
    """The webhook's id, if it was signed with the secret, lately.

    Raises:
        NotConfigured: the secret is none.
    """
    id, written = post.headers.get("webhook-id", ""), post.headers.get("webhook-timestamp")
    signed_at, given = moment(written), post.headers.get("webhook-signature", "")
    if not id or signed_at is None or not given:
        return MALFORMED
    try:
        expected = _signature(secret, id, signed_at, post.body.decode())
    except UnicodeDecodeError:
        return MALFORMED
    versioned = (one.partition(",") for one in given.split(" ")[:MOST_SIGNATURES])
    if not any(version == "v1" and _same(expected, text) for version, _, text in versioned):
        return FORGED
    return id if post.is_timely(signed_at) else AGED


def _signature(secret: str, id: str, signed_at: float, body: str) -> str:
    try:
        return Webhook(secret).sign(id, datetime.fromtimestamp(signed_at, UTC), body).partition(",")[2]
    except (EmptyWebhookSecretError, binascii.Error, ValueError):
        raise NotConfigured("what webhooks are signed with must be whsec_ and base64 after it") from None


def _same(expected: str, given: str) -> bool:
    try:
        return hmac.compare_digest(base64.b64decode(expected), base64.b64decode(given, validate=True))
    except (ValueError, binascii.Error):
        return False
