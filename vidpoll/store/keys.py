"""API keys: who may use the HTTP side, as whom, for what. Of a key's secret only the SHA-256 is kept."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, insert, select, update

from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import api_keys

_KEY: Final = api_keys.c


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row of ``api_keys``.

    Attributes:
        id: public part of the key.
        scopes: of ``read``, ``write`` and ``operate``.
    """

    id: str
    owner: str
    name: str
    scopes: list[str]
    secret_hash: bytes
    created_at: datetime
    revoked_at: datetime | None


class Keys(EngineBound):
    """The API keys."""

    def add_key(self, id: str, owner: str, scopes: Collection[str], secret_hash: bytes, name: str = "") -> None:
        """Let whoever has the secret act as ``owner``."""
        values = {"id": id, "owner": owner, "name": name, "scopes": sorted(scopes), "secret_hash": secret_hash}
        with answering(self._engine) as connection:
            connection.execute(insert(api_keys).values(values))

    def keys(self) -> list[StoredKey]:
        """All keys, the newest first, with those that were revoked."""
        query = select(_KEY.id, _KEY.owner, _KEY.name, _KEY.scopes, _KEY.secret_hash, _KEY.created_at, _KEY.revoked_at)
        with answering(self._engine) as connection:
            return [StoredKey(*row) for row in connection.execute(query.order_by(_KEY.created_at.desc()))]

    def revoke_key(self, id: str) -> bool:
        """End a key; whether there was one that worked."""
        revoked = update(api_keys).where(_KEY.id == id, _KEY.revoked_at.is_(None)).values(revoked_at=func.now())
        with answering(self._engine) as connection:
            return connection.execute(revoked).rowcount > 0

    def revoke_keys_named(self, name: str) -> None:
        """End every key of this name."""
        revoked = update(api_keys).where(_KEY.name == name, _KEY.revoked_at.is_(None)).values(revoked_at=func.now())
        with answering(self._engine) as connection:
            connection.execute(revoked)
