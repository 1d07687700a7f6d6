"""Indexes of what 0004 added, built while the tables are written to."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CREATED = sa.text("created_at DESC")
_INDEXES: tuple[tuple[str, str, list[Any], str | None], ...] = (
    ("generation_events_transaction_idx", "generation_events", ["transaction_id"], None),
    ("generation_events_owner_idx", "generation_events", ["owner", "transaction_id"], None),
    ("generations_open_idx", "generations", ["owner", "created_at"], "completed_at IS NULL"),
    ("generations_project_idx", "generations", ["owner", "project_id", _CREATED], "project_id IS NOT NULL"),
)


def upgrade() -> None:
    """Build them outside of a transaction; a build that was interrupted leaves an invalid index, so begin anew."""
    with op.get_context().autocommit_block():
        for name, table, columns, where in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            condition = sa.text(where) if where else None
            op.create_index(name, table, columns, postgresql_where=condition, postgresql_concurrently=True)


def downgrade() -> None:
    """Take them away again."""
    for name, table, _columns, _where in reversed(_INDEXES):
        op.drop_index(name, table)
