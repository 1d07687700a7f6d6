"""Indexes of what 0002 added, built while the table is written to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build them outside of a transaction; a build that was interrupted leaves an invalid index, so begin anew."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS generations_late_idx")
        op.create_index(
            "generations_late_idx",
            "generations",
            ["account", "next_check_at"],
            postgresql_where=sa.text("watch_until IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS generations_operation_unique")
        op.create_index(
            "generations_operation_unique",
            "generations",
            ["account", "operation_name"],
            unique=True,
            postgresql_where=sa.text("operation_name IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Take them away again."""
    op.drop_index("generations_operation_unique", "generations")
    op.drop_index("generations_late_idx", "generations")
