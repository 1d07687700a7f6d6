"""Rows of files that are to be copied, made by whatever completes a generation, in the same statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, literal, select, union_all
from sqlalchemy.dialects import postgresql

from vidpoll.store.archive_tables import archived_files
from vidpoll.store.times import later

#: What the writer of a row says; the rest are defaults.
_COLUMNS: Final = ["id", "generation_id", "owner", "position", "kind", "url", "expires_at"]


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file of a result, to be copied.

    Attributes:
        live_s: seconds for which its provider keeps it; None where nobody tells.
    """

    id: UUID
    position: int
    url: str
    kind: str
    live_s: float | None


def rows_of(completed: Any, files: Sequence[NewFile]) -> Any:
    """The INSERT of the files of ``completed``, a selection of one generation with its id and owner."""
    row = completed.c
    each = [
        select(
            literal(one.id, Uuid), row.id, row.owner, literal(one.position), literal(one.kind), literal(one.url),
            _expiry(one.live_s),
        )
        for one in files
    ]  # fmt: skip
    source = each[0] if len(each) == 1 else union_all(*each)
    made = postgresql.insert(archived_files).from_select(_COLUMNS, cast(Any, source))
    return made.on_conflict_do_nothing()


def _expiry(live_s: float | None) -> ColumnElement[Any]:
    if live_s is None:
        return literal(None, archived_files.c.expires_at.type)
    return later(live_s)
