"""What reconciling, late watching and failure classes need. Additions only: the version before goes on with them."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS: tuple[sa.Column[Any], ...] = (
    sa.Column(
        "failure_counts",
        postgresql.JSONB(),
        server_default=sa.text("'{}'::jsonb"),
        nullable=False,
        comment="failures by class",
    ),
    sa.Column("not_found_in_a_row", sa.Integer(), server_default="0", nullable=False),
    sa.Column("submit_token", sa.Uuid(), nullable=True, comment="tells the attempts to submit apart"),
    sa.Column(
        "maybe_sent",
        sa.Boolean(),
        server_default=sa.text("false"),
        nullable=False,
        comment="a paid call left and was not answered",
    ),
    sa.Column("looked_up", postgresql.JSONB(), nullable=True, comment="of an unknown one: {looks, fitting, cursor}"),
    sa.Column("cancel_answered_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("not_found_since", sa.DateTime(timezone=True), nullable=True),
    sa.Column("watch_until", sa.DateTime(timezone=True), nullable=True),
    sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
)


def upgrade() -> None:
    """Add columns, whose defaults cost no rewrite, and build the indexes while the table is being written to."""
    for column in _COLUMNS:
        op.add_column("generations", column)
    with op.get_context().autocommit_block():
        # A build that was interrupted leaves an index that is not valid: begin anew.
        op.execute("DROP INDEX IF EXISTS generations_late_idx")
        op.create_index(
            "generations_late_idx",
            "generations",
            ["account", "next_check_at"],
            postgresql_where=sa.text("watch_until IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.execute("DROP INDEX IF EXISTS generations_operation_unique")
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
    for column in reversed(_COLUMNS):
        op.drop_column("generations", column.name)
