"""Projects: their steps, and the lines by which they learn that one ended. Additions only, no table is rewritten."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_STEP_OF = "the project this is a step of; no foreign key: no end waits for a project"


def _moment(name: str, *, default: bool = False, comment: str | None = None) -> "sa.Column[object]":
    if default:
        return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True, comment=comment)


def upgrade() -> None:
    """Add them."""
    op.add_column("generations", sa.Column("step_of", sa.Uuid(), nullable=True, comment=_STEP_OF))
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "idempotency_key", sa.Text(), nullable=False, comment="made from the project's steps if none was given"
        ),
        sa.Column("request_hash", sa.Text(), nullable=False, comment="SHA-256 of the project without its key"),
        sa.Column("max_parallel", sa.Integer(), nullable=True),
        sa.Column("pace_s", sa.Float(), server_default="0", nullable=False),
        sa.Column("on_failure", sa.Text(), server_default="continue", nullable=False),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="grows when a step begins or ends, and when somebody asks",
        ),
        _moment("last_start_at", comment="when a step was last started"),
        _moment("advanced_at", comment="when it was last found out what is next"),
        _moment("cancel_requested_at"),
        _moment("created_at", default=True),
        _moment("updated_at", default=True),
        _moment("completed_at"),
        sa.CheckConstraint(
            "status IN ('cancelled', 'completed', 'failed', 'running')", name=op.f("projects_status_known")
        ),
        sa.CheckConstraint(
            "(status = 'running') = (completed_at IS NULL)", name=op.f("projects_ended_has_completed_at")
        ),
        sa.CheckConstraint("on_failure IN ('continue', 'stop')", name=op.f("projects_on_failure_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("projects_pkey")),
    )
    op.create_index("projects_owner_key_unique", "projects", ["owner", "idempotency_key"], unique=True)
    op.create_index("projects_owner_created_idx", "projects", ["owner", sa.text("created_at DESC")])
    op.create_index("projects_running_idx", "projects", ["advanced_at"], postgresql_where=sa.text("status = 'running'"))
    op.create_table(
        "project_steps",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "spec", postgresql.JSONB(), nullable=False, comment="what was asked for, but for key, after and weight"
        ),
        sa.Column("after", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False, comment="how often it was retried"),
        sa.Column(
            "generation_id",
            sa.Uuid(),
            nullable=True,
            comment="its generation, which tells how it stands; none before it is started",
        ),
        sa.Column("retry_of", sa.Uuid(), nullable=True, comment="the generation of the attempt before"),
        sa.Column("skipped", sa.Text(), nullable=True, comment="why it is not to be started"),
        sa.Column(
            "error", postgresql.JSONB(none_as_null=True), nullable=True, comment="why no generation could be made"
        ),
        sa.Column("result", postgresql.JSONB(none_as_null=True), nullable=True, comment="of a local step"),
        sa.CheckConstraint(
            "num_nonnulls(generation_id, skipped, error, result) <= 1", name=op.f("project_steps_stands_one_way")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("project_steps_project_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "key", name=op.f("project_steps_pkey")),
    )
    op.create_table(
        "project_outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "project_id",
            sa.Uuid(),
            nullable=False,
            comment="a project of which a step ended since it was advanced",
        ),
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        _moment("at", default=True),
        sa.PrimaryKeyConstraint("id", name=op.f("project_outbox_pkey")),
    )
    op.create_index("project_outbox_project_idx", "project_outbox", ["project_id"])


def downgrade() -> None:
    """Take them away again."""
    for table in ("project_outbox", "project_steps", "projects"):
        op.drop_table(table)
    op.drop_column("generations", "step_of")
