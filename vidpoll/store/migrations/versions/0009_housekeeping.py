"""Looks as HOT updates, tables that are vacuumed in time, and how far events were pruned. No table is rewritten.

The version before goes on by the new indexes: what it asks for is in them too, only some of it is sorted anew.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_Indexes = tuple[tuple[str, list[Any], str], ...]

_NEW: _Indexes = (
    ("generations_in_flight_idx", ["account", "id"], "status = 'processing'"),
    ("generations_watched_late_idx", ["account", "id"], "watch_until IS NOT NULL"),
    (
        "generations_to_submit_idx",
        ["status", "account", "created_at", "id"],
        "status IN ('pending', 'submitting', 'unknown')",
    ),
)
#: Their columns change at every look, so that no look could be a HOT update.
_OLD: _Indexes = (
    ("generations_watched_idx", ["account", "next_check_at"], "status = 'processing'"),
    ("generations_late_idx", ["account", "next_check_at"], "watch_until IS NOT NULL"),
    ("generations_unsubmitted_idx", ["status", "updated_at"], "status IN ('pending', 'submitting', 'unknown')"),
)
_STORAGE = {
    "generations": {"fillfactor": 85, "autovacuum_vacuum_scale_factor": 0.02, "autovacuum_analyze_scale_factor": 0.02},
    "generation_events": {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_insert_scale_factor": 0.05},
}
_TRANSACTION_ID = "the newest that wrote a line that is deleted now"


def upgrade() -> None:
    """The old indexes go once the new ones are there. Run again, only a build that was interrupted begins anew."""
    with op.get_context().autocommit_block():
        op.create_table(
            "pruned",
            sa.Column("table_name", sa.Text(), nullable=False),
            sa.Column("transaction_id", sa.BigInteger(), nullable=False, comment=_TRANSACTION_ID),
            sa.PrimaryKeyConstraint("table_name", name=op.f("pruned_pkey")),
            if_not_exists=True,
        )
        for table, options in _STORAGE.items():
            op.execute(f"ALTER TABLE {table} SET ({', '.join(f'{name} = {value}' for name, value in options.items())})")
        _replace(_OLD, _NEW)


def downgrade() -> None:
    """The old indexes again."""
    with op.get_context().autocommit_block():
        _replace(_NEW, _OLD)
        for table, options in _STORAGE.items():
            op.execute(f"ALTER TABLE {table} RESET ({', '.join(options)})")
        op.drop_table("pruned", if_exists=True)


def _replace(these: _Indexes, by: _Indexes) -> None:
    for name, columns, where in by:
        if _is_invalid(name):
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.create_index(
            name,
            "generations",
            columns,
            postgresql_where=sa.text(where),
            postgresql_concurrently=True,
            if_not_exists=True,
        )
    for name, _columns, _where in these:
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _is_invalid(name: str) -> bool:
    found = sa.text("SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    return op.get_bind().execute(found, {"name": name}).first() is not None
