"""What durations are learned from, and what was learned. Additions only, no table is rewritten."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_PARAMS = "values of the parameters it was learned for, as JSON; {} for all"
_PART = "total: from the paid call to the end; run: since the provider began"


def upgrade() -> None:
    """Add them; of what finished before, only how long it took at most is known."""
    op.add_column(
        "generations",
        sa.Column("last_pending_at", sa.DateTime(timezone=True), comment="the last look at which it was not done"),
    )
    op.add_column(
        "generations",
        sa.Column("queued_s", sa.Float(), comment="seconds it waited at the provider, where the provider tells"),
    )
    op.add_column(
        "generations",
        sa.Column("run_s", sa.Float(), comment="seconds it ran at the provider, where the provider tells"),
    )
    op.create_table(
        "durations",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False, comment=_PARAMS),
        sa.Column("part", sa.Text(), nullable=False, comment=_PART),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column(
            "first_bin",
            sa.SmallInteger(),
            nullable=False,
            comment="the bin of vidpoll/durations.py that weights begin at",
        ),
        sa.Column("weights", sa.ARRAY(sa.Float()), nullable=False, comment="probability of each bin"),
        sa.Column("newest_at", sa.DateTime(timezone=True), nullable=False, comment="when the newest of them ended"),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("part IN ('total', 'run')", name=op.f("durations_part_known")),
        sa.PrimaryKeyConstraint("provider", "model", "params", "part", name=op.f("durations_pkey")),
    )


def downgrade() -> None:
    """Take them away again."""
    op.drop_table("durations")
    for column in ("run_s", "queued_s", "last_pending_at"):
        op.drop_column("generations", column)
