"""The index by which the newest finished generations of a model are found, built while the table is written to."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NAME = "generations_finished_idx"


def upgrade() -> None:
    """Build it outside of a transaction; a build that was interrupted leaves an invalid index, so begin anew."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_NAME}")
        op.create_index(
            _NAME,
            "generations",
            ["provider", "model", sa.text("completed_at DESC")],
            postgresql_where=sa.text("status = 'completed'"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Take it away again."""
    op.drop_index(_NAME, "generations")
