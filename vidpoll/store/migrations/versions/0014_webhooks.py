"""Webhooks: endpoints, their secrets, deliveries, and events of projects. Additions only, no table is rewritten."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def _moment(name: str, *, default: bool = False, comment: str | None = None) -> "sa.Column[object]":
    if default:
        return sa.Column(name, sa.DateTime(timezone=True), server_default=_NOW, nullable=False, comment=comment)
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True, comment=comment)


def _number() -> "sa.Column[int]":
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def _of_endpoint() -> "sa.Column[object]":
    return sa.Column("endpoint_id", sa.Uuid(), nullable=False)


def _foreign(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"{table}_{column}_fkey"), ondelete="CASCADE")


def upgrade() -> None:
    """Add them."""
    _add_endpoints()
    _add_secrets()
    _add_deliveries()
    _add_project_events()
    _add_cursor()


def _add_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="enabled", nullable=False),
        sa.Column(
            "disabled_code", sa.Text(), nullable=True, comment="asked, gone (it answered 410) or failing (for days)"
        ),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column(
            "made_in",
            sa.Text(),
            server_default=sa.text("pg_current_snapshot()::text"),
            nullable=False,
            comment="what was committed when it was made; of that it is told nothing",
        ),
        _moment("failing_since", comment="when it failed first since it last took something"),
        sa.Column("failures_in_a_row", sa.Integer(), server_default="0", nullable=False),
        _moment("rests_until", comment="nothing is sent to it before"),
        _moment("last_delivered_at"),
        sa.Column("held_by", sa.Uuid(), nullable=True, comment="the worker's try that has it for itself"),
        _moment("held_until"),
        _moment("created_at", default=True),
        _moment("updated_at", default=True),
        sa.CheckConstraint("status IN ('enabled', 'disabled')", name=op.f("webhook_endpoints_status_known")),
        sa.CheckConstraint(
            "(status = 'disabled') = (disabled_code IS NOT NULL)"
            " AND (disabled_code IS NULL) = (disabled_reason IS NULL)",
            name=op.f("webhook_endpoints_disabled_has_reason"),
        ),
        sa.CheckConstraint(
            "disabled_code IN ('asked', 'gone', 'failing')", name=op.f("webhook_endpoints_disabled_code_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_endpoints_pkey")),
    )
    op.create_index("webhook_endpoints_owner_idx", "webhook_endpoints", ["owner", "created_at"])


def _add_secrets() -> None:
    op.create_table(
        "webhook_secrets",
        _number(),
        _of_endpoint(),
        sa.Column("secret", sa.Text(), nullable=False, comment="readable, since it signs: for workers alone"),
        _moment("created_at", default=True),
        _moment("expires_at", comment="NULL for the newest"),
        _foreign("webhook_secrets", "endpoint_id", "webhook_endpoints"),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_secrets_pkey")),
    )
    op.create_index("webhook_secrets_endpoint_idx", "webhook_secrets", ["endpoint_id"])


def _add_deliveries() -> None:
    table, waiting = "webhook_deliveries", sa.text("status = 'waiting'")
    op.create_table(
        table,
        _number(),
        _of_endpoint(),
        sa.Column("event_id", sa.Text(), nullable=False, comment="the webhook-id, the same in every try"),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False, comment="the generation or project it tells of"),
        sa.Column("version", sa.Integer(), nullable=False, comment="the order in which those of a subject are sent"),
        sa.Column("body", sa.Text(), nullable=False, comment="what is signed and sent, to the byte"),
        sa.Column("status", sa.Text(), server_default="waiting", nullable=False),
        sa.Column(
            "attempts",
            sa.SmallInteger(),
            server_default="0",
            nullable=False,
            comment="tries of its schedule that failed",
        ),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False, comment="POSTs made"),
        _moment("next_at", default=True, comment="when it is tried next"),
        _moment("scheduled_at", default=True, comment="a try before is none of its schedule"),
        _moment("last_tried_at"),
        sa.Column("last_status", sa.SmallInteger(), nullable=True, comment="NULL: there was no answer"),
        sa.Column(
            "last_words",
            sa.Text(),
            nullable=True,
            comment="what was answered, or why nothing was; at most 200 characters",
        ),
        _moment("created_at", default=True),
        _moment("ended_at"),
        sa.CheckConstraint("status IN ('waiting', 'delivered', 'failed')", name=op.f(f"{table}_status_known")),
        sa.CheckConstraint("(status = 'waiting') = (ended_at IS NULL)", name=op.f(f"{table}_ended_has_ended_at")),
        sa.CheckConstraint("char_length(last_words) <= 200", name=op.f(f"{table}_words_are_few")),
        _foreign(table, "endpoint_id", "webhook_endpoints"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"{table}_pkey")),
    )
    op.create_index(f"{table}_event_unique", table, ["endpoint_id", "event_id"], unique=True)
    op.create_index(f"{table}_subject_idx", table, ["endpoint_id", "subject", "version"], postgresql_where=waiting)
    op.create_index(f"{table}_waiting_idx", table, ["endpoint_id", "id"], postgresql_where=waiting)
    op.create_index(f"{table}_failed_idx", table, ["endpoint_id", "id"], postgresql_where=sa.text("status = 'failed'"))
    op.create_index(f"{table}_endpoint_idx", table, ["endpoint_id", "id"])


def _add_project_events() -> None:
    op.create_table(
        "project_events",
        _number(),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="the project's after this event"),
        sa.Column("kind", sa.Text(), nullable=False, comment="the status it ended in"),
        sa.Column("document", postgresql.JSONB(), nullable=False, comment="how it stood then"),
        _moment("at", default=True),
        sa.Column(
            "transaction_id",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
            comment="as in generation_events",
        ),
        _foreign("project_events", "project_id", "projects"),
        sa.PrimaryKeyConstraint("id", name=op.f("project_events_pkey")),
    )
    op.create_index("project_events_project_idx", "project_events", ["project_id"])
    op.create_index("project_events_transaction_idx", "project_events", ["transaction_id"])


def _add_cursor() -> None:
    """What happened before there are endpoints is nobody's; reading begins here."""
    op.create_table(
        "webhook_cursor",
        sa.Column("name", sa.Text(), nullable=False, comment="events: there is one"),
        sa.Column(
            "transaction_id",
            sa.BigInteger(),
            nullable=False,
            comment="events of older transactions were all made deliveries of",
        ),
        _moment("moved_at", default=True),
        sa.PrimaryKeyConstraint("name", name=op.f("webhook_cursor_pkey")),
    )
    op.execute(
        "INSERT INTO webhook_cursor (name, transaction_id)"
        " SELECT 'events', pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    )


def downgrade() -> None:
    """Take them away again."""
    for name in ("webhook_cursor", "project_events", "webhook_deliveries", "webhook_secrets", "webhook_endpoints"):
        op.drop_table(name)
