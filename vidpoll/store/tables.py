"""The tables. ``generations`` is made to be read with plain SQL by any client; the CHECKs refuse impossible rows."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from vidpoll.generation import FINAL, Status

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)

_STATUSES = ", ".join(f"'{status}'" for status in Status)
_FINAL = ", ".join(f"'{status}'" for status in sorted(FINAL))


def _moment(name: str, *, default: bool = False, comment: str | None = None) -> Column[object]:
    if default:
        return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())
    return Column(name, DateTime(timezone=True), comment=comment)


generations = Table(
    "generations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("project_id", Text),
    Column("idempotency_key", Text),
    Column("request_hash", Text, nullable=False, comment="SHA-256 of the request without id and key"),
    Column("provider", Text, nullable=False),
    Column("account", Text, comment="pinned when a worker accepts it; never changed after"),
    Column("requested_account", Text, comment="the account the request named, if it named one"),
    Column("model", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("params", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("retry_of", Uuid, comment="the generation this one was asked for anew after"),
    Column("priority", SmallInteger, nullable=False, server_default="0"),
    Column("timeout_s", Float),
    Column("status", Text, nullable=False, server_default=Status.PENDING),
    Column("operation_name", Text, comment="the provider's id of the operation"),
    Column("progress", SmallInteger, nullable=False, server_default="0"),
    Column("stage", Text, comment="what it is doing, in words"),
    Column("overdue", Boolean, nullable=False, server_default=false()),
    Column("video_url", Text),
    Column("result", JSONB(none_as_null=True), comment="all videos, seed, cost, late"),
    Column("error", JSONB(none_as_null=True), comment="{code, message, retryable}"),
    Column("checks", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0", comment="calls that got no usable answer"),
    Column("failures_in_a_row", Integer, nullable=False, server_default="0", comment="since the last usable answer"),
    Column("failure_counts", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="failures by class"),
    Column("not_found_in_a_row", Integer, nullable=False, server_default="0"),
    Column("submit_attempts", Integer, nullable=False, server_default="0"),
    Column("submit_token", Uuid, comment="tells the attempts to submit apart"),
    Column(
        "maybe_sent", Boolean, nullable=False, server_default=false(), comment="a paid call left and was not answered"
    ),
    Column("looked_up", JSONB(none_as_null=True), comment="of an unknown one: {looks, fitting, cursor}"),
    Column("queued_s", Float, comment="seconds it waited at the provider, where the provider tells"),
    Column("run_s", Float, comment="seconds it ran at the provider, where the provider tells"),
    Column("version", Integer, nullable=False, server_default="1", comment="grows with every event"),
    _moment("next_check_at"),
    _moment("expected_at"),
    _moment("deadline_at"),
    _moment("cancel_requested_at"),
    _moment("cancel_answered_at"),
    _moment("not_found_since"),
    _moment("last_pending_at", comment="the last look at which it was not done"),
    _moment("watch_until"),
    _moment("created_at", default=True),
    _moment("sent_at"),
    _moment("submitted_at"),
    _moment("updated_at", default=True),
    _moment("completed_at"),
    CheckConstraint(f"status IN ({_STATUSES})", name="status_known"),
    CheckConstraint(f"(status IN ({_FINAL})) = (completed_at IS NOT NULL)", name="final_has_completed_at"),
    CheckConstraint(
        "status <> 'completed' OR (result IS NOT NULL AND video_url IS NOT NULL)", name="completed_has_result"
    ),
    CheckConstraint("(status = 'failed') = (error IS NOT NULL) OR status = 'unknown'", name="failed_has_error"),
    CheckConstraint("error IS NULL OR error ?& array['code', 'message', 'retryable']", name="error_has_fields"),
    CheckConstraint(
        "status <> 'processing' OR (operation_name IS NOT NULL AND next_check_at IS NOT NULL"
        " AND deadline_at IS NOT NULL AND submitted_at IS NOT NULL)",
        name="processing_is_watched",
    ),
    CheckConstraint(
        "account IS NOT NULL OR status IN ('pending', 'failed', 'cancelled')", name="account_is_pinned_before_submit"
    ),
    CheckConstraint("progress BETWEEN 0 AND 100", name="progress_is_percent"),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority_in_range"),
    CheckConstraint("checks >= 0 AND failures >= 0 AND submit_attempts >= 0", name="counts_not_negative"),
)

Index(
    "generations_owner_key_unique",
    generations.c.owner,
    generations.c.idempotency_key,
    unique=True,
    postgresql_where=text("idempotency_key IS NOT NULL"),
)
Index(
    "generations_watched_idx",
    generations.c.account,
    generations.c.next_check_at,
    postgresql_where=text("status = 'processing'"),
)
Index(
    "generations_unsubmitted_idx",
    generations.c.status,
    generations.c.updated_at,
    postgresql_where=text("status IN ('pending', 'submitting', 'unknown')"),
)
Index(
    "generations_late_idx",
    generations.c.account,
    generations.c.next_check_at,
    postgresql_where=text("watch_until IS NOT NULL"),
)
Index(
    "generations_operation_unique",
    generations.c.account,
    generations.c.operation_name,
    unique=True,
    postgresql_where=text("operation_name IS NOT NULL"),
)
Index("generations_owner_created_idx", generations.c.owner, generations.c.created_at.desc())
Index(
    "generations_open_idx", generations.c.owner, generations.c.created_at, postgresql_where=text("completed_at IS NULL")
)
Index(
    "generations_project_idx",
    generations.c.owner,
    generations.c.project_id,
    generations.c.created_at.desc(),
    postgresql_where=text("project_id IS NOT NULL"),
)
Index("generations_created_idx", generations.c.created_at.desc())
Index(
    "generations_finished_idx",
    generations.c.provider,
    generations.c.model,
    generations.c.completed_at.desc(),
    postgresql_where=text("status = 'completed'"),
)

generation_events = Table(
    "generation_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("generation_id", Uuid, ForeignKey("generations.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False, comment="the row's version after this event"),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False, comment="the row's status after this event"),
    Column("data", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _moment("at", default=True),
    Column("owner", Text, comment="the row's; NULL if a worker of version 0.1 or older wrote it"),
    Column(
        "transaction_id",
        BigInteger,
        nullable=False,
        server_default=text("pg_current_xact_id()::text::bigint"),
        comment="tells what was committed since a moment, which ids cannot: they are handed out before the commit",
    ),
    Index("generation_events_generation_idx", "generation_id", "id"),
    Index("generation_events_transaction_idx", "transaction_id"),
    Index("generation_events_owner_idx", "owner", "transaction_id"),
)

durations = Table(
    "durations",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column(
        "params", Text, primary_key=True, comment="values of the parameters it was learned for, as JSON; {} for all"
    ),
    Column(
        "part", Text, primary_key=True, comment="total: from the paid call to the end; run: since the provider began"
    ),
    Column("samples", Integer, nullable=False),
    Column("first_bin", SmallInteger, nullable=False, comment="the bin of vidpoll/durations.py that weights begin at"),
    Column("weights", ARRAY(Float), nullable=False, comment="probability of each bin"),
    Column("newest_at", DateTime(timezone=True), nullable=False, comment="when the newest of them ended"),
    _moment("updated_at", default=True),
    CheckConstraint("part IN ('total', 'run')", name="part_known"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True, comment="public part of the key"),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, comment="SHA-256 of the key's secret part"),
    _moment("created_at", default=True),
    _moment("revoked_at"),
    CheckConstraint("scopes <@ ARRAY['read', 'write', 'operate']", name="scopes_known"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("task", Text, nullable=False, comment="the message's task name"),
    Column("message_id", Text, comment="the message's task id"),
    Column("payload", Text, nullable=False, comment="the message's arguments as JSON, cut when very long"),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _moment("at", default=True),
    Index("dead_letters_at_idx", "at"),
)
