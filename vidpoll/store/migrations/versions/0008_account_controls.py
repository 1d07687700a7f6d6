"""What operators decided of lanes: pauses and rates. A table of its own, nothing that is there changes."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _moment(name: str, comment: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), comment=comment)


def upgrade() -> None:
    """Add it."""
    op.create_table(
        "account_controls",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False, comment="which calls: submit or status"),
        _moment("paused_since", "NULL when no operator paused it"),
        _moment("paused_until", "NULL for a pause without an end"),
        sa.Column("paused_by", sa.Text()),
        sa.Column("pause_reason", sa.Text()),
        sa.Column("rate", sa.Float(), comment="calls per second in place of the configured ones; NULL for those"),
        sa.Column("burst", sa.Integer(), comment="in place of the configured one"),
        _moment("rate_since"),
        sa.Column("rate_by", sa.Text()),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="also the version: the copy in Redis is replaced by newer ones only",
        ),
        sa.CheckConstraint("verb IN ('submit', 'status')", name=op.f("account_controls_verb_known")),
        sa.CheckConstraint(
            "(paused_since IS NULL) = (paused_by IS NULL) AND (paused_since IS NULL) = (pause_reason IS NULL)"
            " AND (paused_since IS NOT NULL OR paused_until IS NULL)",
            name=op.f("account_controls_pause_is_whole"),
        ),
        sa.CheckConstraint(
            "(rate IS NULL) = (burst IS NULL) AND (rate IS NULL) = (rate_by IS NULL)"
            " AND (rate IS NULL) = (rate_since IS NULL) AND (rate IS NULL OR (rate > 0 AND burst > 0))",
            name=op.f("account_controls_rate_is_whole"),
        ),
        sa.PrimaryKeyConstraint("account", "verb", name=op.f("account_controls_pkey")),
    )


def downgrade() -> None:
    """Take it away again; what was paused goes on once Redis forgets it."""
    op.drop_table("account_controls")
