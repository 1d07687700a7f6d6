"""fal's webhooks: signed with Ed25519 (RFC 8032) by one of the keys that fal publishes as a JWKS (RFC 7517, RFC 8037).

Signed are four lines: request id, user id, timestamp, and the SHA-256 of the body in hexadecimal digits. The signature
does not say which key made it. Source: fal's page on webhooks. Every customer's webhooks are signed alike, which is one
reason why the address has a token of ours too.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vidpoll.inbound.base import AGED, FORGED, MALFORMED, Post, Verdict, moment, verdict

_PREFIX: Final = "x-fal-webhook-"
#: Keys that are read of a set at most.
MOST_KEYS: Final = 20


def verify(post: Post, keys: Sequence[Ed25519PublicKey]) -> Verdict:
    """Whether one of the keys signed it."""
    parts = [post.headers.get(_PREFIX + name, "") for name in ("request-id", "user-id", "timestamp")]
    signed_at = moment(parts[2])
    if not all(parts) or signed_at is None:
        return MALFORMED
    try:
        signature = bytes.fromhex(post.headers.get(f"{_PREFIX}signature", ""))
        message = "\n".join([*parts, post.digest]).encode()
    except ValueError:
        return MALFORMED
    if not any(_is_signed(key, signature, message) for key in keys):
        return FORGED
    if not post.is_timely(signed_at):
        return AGED
    said = post.said()
    return verdict(said.get("request_id"), f"{parts[0]} {post.digest}", ended=said.get("status") in ("OK", "ERROR"))


def _is_signed(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def keys_in(jwks: object) -> list[Ed25519PublicKey]:
    """The Ed25519 keys of a JSON Web Key Set; whatever else is in there is passed over."""
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    found = (_key(one) for one in (listed[:MOST_KEYS] if isinstance(listed, list) else ()))
    return [key for key in found if key]


def _key(jwk: Any) -> Ed25519PublicKey | None:
    if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        return None
    try:
        x = str(jwk.get("x", "")).encode()
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(x + b"=" * (-len(x) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error):
        return None
