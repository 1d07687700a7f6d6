"""The tables. ``generations`` is made to be read with plain SQL by any client; the CHECKs refuse impossible rows."""

from typing import Final

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
from vidpoll.store import archive_tables, webhook_tables  # noqa: F401  their tables belong to the metadata
from vidpoll.store.metadata import metadata, moment

_STATUSES = ", ".join(f"'{status}'" for status in Status)
_FINAL = ", ".join(f"'{status}'" for status in sorted(FINAL))

#: How tables are kept: room for another version of a row on its page, and vacuum by a small share of many rows.
STORAGE: Final = {
    "generations": {"fillfactor": 85, "autovacuum_vacuum_scale_factor": 0.02, "autovacuum_analyze_scale_factor": 0.02},
    "generation_events": {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_insert_scale_factor": 0.05},
}

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
    Column("kind", Text, nullable=False, server_default="video", comment="what is to be made"),
    Column("parent_id", Uuid, comment="the generation whose result is upscaled or extended"),
    Column("from_parent", JSONB(none_as_null=True), comment="parameters the parent brings; sent over those in params"),
    Column("priority", SmallInteger, nullable=False, server_default="0"),
    Column("timeout_s", Float),
    Column("status", Text, nullable=False, server_default=Status.PENDING),
    Column("operation_name", Text, comment="the provider's id of the operation"),
    Column("progress", SmallInteger, nullable=False, server_default="0"),
    Column("stage", Text, comment="what it is doing, in words"),
    Column("overdue", Boolean, nullable=False, server_default=false()),
    Column("video_url", Text, comment="the first result, also where it is an image"),
    Column("result", JSONB(none_as_null=True), comment="all videos and images, content type, seed, cost, late"),
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
    moment("next_check_at"),
    moment("expected_at"),
    moment("deadline_at"),
    moment("cancel_requested_at"),
    moment("cancel_answered_at"),
    moment("not_found_since"),
    moment("last_pending_at", comment="the last look at which it was not done"),
    moment("watch_until"),
    moment("created_at", default=True),
    moment("sent_at"),
    moment("submitted_at"),
    moment("updated_at", default=True),
    moment("completed_at"),
    Column("step_of", Uuid, comment="the project this is a step of; no foreign key: no end waits for a project"),
    Column("traceparent", Text, comment="the W3C trace context of whoever asked for it"),
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
    CheckConstraint("kind IN ('video', 'image', 'upscale', 'extend')", name="kind_known"),
    CheckConstraint("parent_id IS NULL OR kind IN ('upscale', 'extend')", name="parent_fits_kind"),
    CheckConstraint("parent_id IS NULL OR account IS NULL OR from_parent IS NOT NULL", name="parent_is_resolved"),
    CheckConstraint("checks >= 0 AND failures >= 0 AND submit_attempts >= 0", name="counts_not_negative"),
    postgresql_with=STORAGE["generations"],
)

Index(
    "generations_owner_key_unique",
    generations.c.owner,
    generations.c.idempotency_key,
    unique=True,
    postgresql_where=text("idempotency_key IS NOT NULL"),
)
# No index may have a column that a look changes (next_check_at, updated_at, version, checks …), nor its condition: so a
# look writes the row and no index, in the room that `fillfactor` leaves on the row's page (a HOT update).
Index(
    "generations_in_flight_idx",
    generations.c.account,
    generations.c.id,
    postgresql_where=text("status = 'processing'"),
)
Index(
    "generations_watched_late_idx",
    generations.c.account,
    generations.c.id,
    postgresql_where=text("watch_until IS NOT NULL"),
)
Index(
    "generations_to_submit_idx",
    generations.c.status,
    generations.c.account,
    generations.c.created_at,
    generations.c.id,
    postgresql_where=text("status IN ('pending', 'submitting', 'unknown')"),
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
    moment("at", default=True),
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
    postgresql_with=STORAGE["generation_events"],
)

pruned = Table(
    "pruned",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("transaction_id", BigInteger, nullable=False, comment="the newest that wrote a line that is deleted now"),
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
    moment("updated_at", default=True),
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
    moment("created_at", default=True),
    moment("revoked_at"),
    CheckConstraint("scopes <@ ARRAY['read', 'write', 'operate']", name="scopes_known"),
)

projects = Table(
    "projects",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False, comment="made from the project's steps if none was given"),
    Column("request_hash", Text, nullable=False, comment="SHA-256 of the project without its key"),
    Column("max_parallel", Integer),
    Column("pace_s", Float, nullable=False, server_default="0"),
    Column("on_failure", Text, nullable=False, server_default="continue"),
    Column("status", Text, nullable=False, server_default="running"),
    Column(
        "version",
        Integer,
        nullable=False,
        server_default="1",
        comment="grows when a step begins or ends, and when somebody asks",
    ),
    moment("last_start_at", comment="when a step was last started"),
    moment("advanced_at", comment="when it was last found out what is next"),
    moment("cancel_requested_at"),
    moment("created_at", default=True),
    moment("updated_at", default=True),
    moment("completed_at"),
    CheckConstraint("status IN ('cancelled', 'completed', 'failed', 'running')", name="status_known"),
    CheckConstraint("(status = 'running') = (completed_at IS NULL)", name="ended_has_completed_at"),
    CheckConstraint("on_failure IN ('continue', 'stop')", name="on_failure_known"),
    Index("projects_owner_key_unique", "owner", "idempotency_key", unique=True),
    Index("projects_owner_created_idx", "owner", text("created_at DESC")),
    Index("projects_running_idx", "advanced_at", postgresql_where=text("status = 'running'")),
)

project_steps = Table(
    "project_steps",
    metadata,
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("spec", JSONB, nullable=False, comment="what was asked for, but for key, after and weight"),
    Column("after", ARRAY(Text), nullable=False),
    Column("weight", Float, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0", comment="how often it was retried"),
    Column("generation_id", Uuid, comment="its generation, which tells how it stands; none before it is started"),
    Column("retry_of", Uuid, comment="the generation of the attempt before"),
    Column("skipped", Text, comment="why it is not to be started"),
    Column("error", JSONB(none_as_null=True), comment="why no generation could be made"),
    Column("result", JSONB(none_as_null=True), comment="of a local step"),
    CheckConstraint("num_nonnulls(generation_id, skipped, error, result) <= 1", name="stands_one_way"),
)

project_outbox = Table(
    "project_outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("project_id", Uuid, nullable=False, comment="a project of which a step ended since it was advanced"),
    Column("generation_id", Uuid, nullable=False),
    moment("at", default=True),
    Index("project_outbox_project_idx", "project_id"),
)

account_controls = Table(
    "account_controls",
    metadata,
    Column("account", Text, primary_key=True),
    Column("verb", Text, primary_key=True, comment="which calls: submit or status"),
    moment("paused_since", comment="NULL when no operator paused it"),
    moment("paused_until", comment="NULL for a pause without an end"),
    Column("paused_by", Text),
    Column("pause_reason", Text),
    Column("rate", Float, comment="calls per second in place of the configured ones; NULL for those"),
    Column("burst", Integer, comment="in place of the configured one"),
    moment("rate_since"),
    Column("rate_by", Text),
    Column(
        "updated_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.now(),
        comment="also the version: the copy in Redis is replaced by newer ones only",
    ),
    CheckConstraint("verb IN ('submit', 'status')", name="verb_known"),
    CheckConstraint(
        "(paused_since IS NULL) = (paused_by IS NULL) AND (paused_since IS NULL) = (pause_reason IS NULL)"
        " AND (paused_since IS NOT NULL OR paused_until IS NULL)",
        name="pause_is_whole",
    ),
    CheckConstraint(
        "(rate IS NULL) = (burst IS NULL) AND (rate IS NULL) = (rate_by IS NULL)"
        " AND (rate IS NULL) = (rate_since IS NULL) AND (rate IS NULL OR (rate > 0 AND burst > 0))",
        name="rate_is_whole",
    ),
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
    moment("at", default=True),
    Index("dead_letters_at_idx", "at"),
)
