"""API keys as their holders have them: ``vp_<id>_<secret>``.

The id finds the row, the secret's SHA-256 is compared. The secret has 256 random bits, so a plain hash is enough: there
is nothing to guess.
"""

import hashlib
import secrets
from typing import Final, Literal

Scope = Literal["read", "write", "operate"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "write", "operate")
_PREFIX: Final = "vp_"


def new_key() -> tuple[str, str, bytes]:
    """A key that nobody has yet: its id, the key itself, the hash to be stored."""
    id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return id, f"{_PREFIX}{id}_{secret}", hash_of(secret)


def split(key: str) -> tuple[str, str] | None:
    """Id and secret of a key; None when it cannot be one.

    Example:
        >>> split("vp_0123_abc")
        ('0123', 'abc')
    """
    id, _, secret = key.removeprefix(_PREFIX).partition("_")
    well_formed = key.startswith(_PREFIX) and id.isascii() and id.isalnum() and secret
    return (id, secret) if well_formed else None


def hash_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()
