"""Generations, their events, and the messages that were refused."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("task", sa.Text(), nullable=False, comment="the message's task name"),
        sa.Column("message_id", sa.Text(), nullable=True, comment="the message's task id"),
        sa.Column("payload", sa.Text(), nullable=False, comment="the message's arguments as JSON, cut when very long"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("dead_letters_pkey")),
    )
    op.create_index("dead_letters_at_idx", "dead_letters", ["at"], unique=False)
    op.create_table(
        "generations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_hash", sa.Text(), nullable=False, comment="SHA-256 of the request without id and key"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True, comment="pinned when a worker accepts it; never changed after"),
        sa.Column(
            "requested_account", sa.Text(), nullable=True, comment="the account the request named, if it named one"
        ),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("params", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("timeout_s", sa.Float(), nullable=True),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("operation_name", sa.Text(), nullable=True, comment="the provider's id of the operation"),
        sa.Column("progress", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("stage", sa.Text(), nullable=True, comment="what it is doing, in words"),
        sa.Column("overdue", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("video_url", sa.Text(), nullable=True),
        sa.Column("result", postgresql.JSONB(), nullable=True, comment="all videos, seed, cost, late"),
        sa.Column("error", postgresql.JSONB(), nullable=True, comment="{code, message, retryable}"),
        sa.Column("checks", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "failures", sa.Integer(), server_default="0", nullable=False, comment="calls that got no usable answer"
        ),
        sa.Column(
            "failures_in_a_row",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="since the last usable answer",
        ),
        sa.Column("submit_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False, comment="grows with every event"),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'failed') = (error IS NOT NULL) OR status = 'unknown'", name=op.f("generations_failed_has_error")
        ),
        sa.CheckConstraint(
            "(status IN ('cancelled', 'completed', 'failed')) = (completed_at IS NOT NULL)",
            name=op.f("generations_final_has_completed_at"),
        ),
        sa.CheckConstraint(
            "account IS NOT NULL OR status IN ('pending', 'failed', 'cancelled')",
            name=op.f("generations_account_is_pinned_before_submit"),
        ),
        sa.CheckConstraint(
            "error IS NULL OR error ?& array['code', 'message', 'retryable']", name=op.f("generations_error_has_fields")
        ),
        sa.CheckConstraint(
            "status <> 'completed' OR (result IS NOT NULL AND video_url IS NOT NULL)",
            name=op.f("generations_completed_has_result"),
        ),
        sa.CheckConstraint(
            "status <> 'processing' OR (operation_name IS NOT NULL AND next_check_at IS NOT NULL AND deadline_at IS NOT NULL AND submitted_at IS NOT NULL)",
            name=op.f("generations_processing_is_watched"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'submitting', 'processing', 'unknown', 'completed', 'failed', 'cancelled')",
            name=op.f("generations_status_known"),
        ),
        sa.CheckConstraint(
            "checks >= 0 AND failures >= 0 AND submit_attempts >= 0", name=op.f("generations_counts_not_negative")
        ),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name=op.f("generations_priority_in_range")),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("generations_progress_is_percent")),
        sa.PrimaryKeyConstraint("id", name=op.f("generations_pkey")),
    )
    op.create_index("generations_created_idx", "generations", [sa.literal_column("created_at DESC")], unique=False)
    op.create_index(
        "generations_owner_created_idx", "generations", ["owner", sa.literal_column("created_at DESC")], unique=False
    )
    op.create_index(
        "generations_owner_key_unique",
        "generations",
        ["owner", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index(
        "generations_unsubmitted_idx",
        "generations",
        ["status", "updated_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'submitting', 'unknown')"),
    )
    op.create_index(
        "generations_watched_idx",
        "generations",
        ["account", "next_check_at"],
        unique=False,
        postgresql_where=sa.text("status = 'processing'"),
    )
    op.create_table(
        "generation_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="the row's version after this event"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="the row's status after this event"),
        sa.Column("data", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generations.id"], name=op.f("generation_events_generation_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("generation_events_pkey")),
    )
    op.create_index("generation_events_generation_idx", "generation_events", ["generation_id", "id"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("generation_events")
    op.drop_table("generations")
    op.drop_table("dead_letters")
