"""Copies of results. An addition only, no table is rewritten."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _moment(name: str, *, default: bool = False, comment: str | None = None) -> "sa.Column[object]":
    if default:
        return sa.Column(
            name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment=comment
        )
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True, comment=comment)


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "archived_files",
        sa.Column("id", sa.Uuid(), nullable=False, comment="made from the generation and the position"),
        sa.Column(
            "generation_id",
            sa.Uuid(),
            nullable=False,
            comment="no foreign key: a copy is deleted after its generation",
        ),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, comment="its place in the result, from 0"),
        sa.Column("kind", sa.Text(), nullable=False, comment="video or image, as the provider told"),
        sa.Column("url", sa.Text(), nullable=False, comment="the provider's, as it was told last"),
        sa.Column("status", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False, comment="those begun"),
        sa.Column(
            "failures",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="those that failed for want of the file",
        ),
        sa.Column(
            "error",
            postgresql.JSONB(none_as_null=True),
            nullable=True,
            comment="{code, message, retryable} of the last attempt",
        ),
        sa.Column("content_type", sa.Text(), nullable=True, comment="by its first bytes"),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column(
            "name",
            sa.Text(),
            nullable=True,
            comment="below the archive's folder; set before anything is written under it",
        ),
        sa.Column("archived_url", sa.Text(), nullable=True),
        _moment("next_at", default=True, comment="when it is to be tried"),
        _moment("busy_until", comment="an attempt begun ends before"),
        _moment("expires_at", comment="until when the provider keeps it; NULL where nobody tells"),
        _moment("created_at", default=True),
        _moment("stored_at"),
        sa.CheckConstraint(
            "status IN ('waiting', 'stored', 'failed', 'erasing')", name=op.f("archived_files_status_known")
        ),
        sa.CheckConstraint(
            "status <> 'stored' OR num_nulls(content_type, bytes, sha256, name, archived_url, stored_at) = 0",
            name=op.f("archived_files_stored_is_whole"),
        ),
        sa.CheckConstraint("status <> 'failed' OR error IS NOT NULL", name=op.f("archived_files_failed_has_error")),
        sa.PrimaryKeyConstraint("id", name=op.f("archived_files_pkey")),
        sa.UniqueConstraint("generation_id", "position", name="archived_files_generation_position_unique"),
    )
    for name, column, status in (
        ("archived_files_waiting_idx", "next_at", "waiting"),
        ("archived_files_failed_idx", "created_at", "failed"),
        ("archived_files_erasing_idx", "id", "erasing"),
    ):
        op.create_index(name, "archived_files", [column], postgresql_where=sa.text(f"status = '{status}'"))
    op.create_index("archived_files_owner_idx", "archived_files", ["owner"])


def downgrade() -> None:
    """Take them away again."""
    op.drop_table("archived_files")
