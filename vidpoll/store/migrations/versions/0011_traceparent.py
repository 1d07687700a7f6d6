"""The trace context of whoever asked. An addition only, no table is rewritten."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COMMENT = "the W3C trace context of whoever asked for it"


def upgrade() -> None:
    """Add it."""
    op.add_column("generations", sa.Column("traceparent", sa.Text(), nullable=True, comment=_COMMENT))


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("generations", "traceparent")
