"""What the HTTP side needs: API keys, events that can be followed, retries. Additions only, no table is rewritten."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; the events there are count as older than everything."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False, comment="public part of the key"),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the key's secret part"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("scopes <@ ARRAY['read', 'write', 'operate']", name=op.f("api_keys_scopes_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("api_keys_pkey")),
    )
    op.add_column(
        "generations",
        sa.Column("retry_of", sa.Uuid(), nullable=True, comment="the generation this one was asked for anew after"),
    )
    op.add_column(
        "generation_events",
        sa.Column(
            "owner", sa.Text(), nullable=True, comment="the row's; NULL if a worker of version 0.1 or older wrote it"
        ),
    )
    op.add_column(
        "generation_events",
        sa.Column(
            "transaction_id",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="tells what was committed since a moment, which ids cannot: they are handed out before the commit",
        ),
    )
    op.alter_column("generation_events", "transaction_id", server_default=sa.text("pg_current_xact_id()::text::bigint"))


def downgrade() -> None:
    """Take them away again."""
    op.drop_column("generation_events", "transaction_id")
    op.drop_column("generation_events", "owner")
    op.drop_column("generations", "retry_of")
    op.drop_table("api_keys")
