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
    """Add columns; their defaults cost no rewrite."""
    for column in _COLUMNS:
        op.add_column("generations", column)


def downgrade() -> None:
    """Take them away again."""
    for column in reversed(_COLUMNS):
        op.drop_column("generations", column.name)
