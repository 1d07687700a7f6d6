"""The tables of webhooks: endpoints, their secrets, what is on its way to them, and how far events were read.

Secrets stand in a table of their own, so that a role may be allowed everything about endpoints and never read one.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from vidpoll.store.metadata import metadata, moment

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("status", Text, nullable=False, server_default="enabled"),
    Column("disabled_code", Text, comment="asked, gone (it answered 410) or failing (for days)"),
    Column("disabled_reason", Text),
    Column(
        "made_in",
        Text,
        nullable=False,
        server_default=text("pg_current_snapshot()::text"),
        comment="what was committed when it was made; of that it is told nothing",
    ),
    moment("failing_since", comment="when it failed first since it last took something"),
    Column("failures_in_a_row", Integer, nullable=False, server_default="0"),
    moment("rests_until", comment="nothing is sent to it before"),
    moment("last_delivered_at"),
    Column("held_by", Uuid, comment="the worker's try that has it for itself"),
    moment("held_until"),
    moment("created_at", default=True),
    moment("updated_at", default=True),
    CheckConstraint("status IN ('enabled', 'disabled')", name="status_known"),
    CheckConstraint(
        "(status = 'disabled') = (disabled_code IS NOT NULL) AND (disabled_code IS NULL) = (disabled_reason IS NULL)",
        name="disabled_has_reason",
    ),
    CheckConstraint("disabled_code IN ('asked', 'gone', 'failing')", name="disabled_code_known"),
    Index("webhook_endpoints_owner_idx", "owner", "created_at"),
)

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("endpoint_id", Uuid, ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("secret", Text, nullable=False, comment="readable, since it signs: for workers alone"),
    moment("created_at", default=True),
    moment("expires_at", comment="NULL for the newest"),
    Index("webhook_secrets_endpoint_idx", "endpoint_id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("endpoint_id", Uuid, ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", Text, nullable=False, comment="the webhook-id, the same in every try"),
    Column("event_type", Text, nullable=False),
    Column("subject", Uuid, nullable=False, comment="the generation or project it tells of"),
    Column("version", Integer, nullable=False, comment="the order in which those of a subject are sent"),
    Column("body", Text, nullable=False, comment="what is signed and sent, to the byte"),
    Column("status", Text, nullable=False, server_default="waiting"),
    Column("attempts", SmallInteger, nullable=False, server_default="0", comment="tries of its schedule that failed"),
    Column("tries", Integer, nullable=False, server_default="0", comment="POSTs made"),
    moment("next_at", default=True, comment="when it is tried next"),
    moment("scheduled_at", default=True, comment="a try before is none of its schedule"),
    moment("last_tried_at"),
    Column("last_status", SmallInteger, comment="NULL: there was no answer"),
    Column("last_words", Text, comment="what was answered, or why nothing was; at most 200 characters"),
    moment("created_at", default=True),
    moment("ended_at"),
    CheckConstraint("status IN ('waiting', 'delivered', 'failed')", name="status_known"),
    CheckConstraint("(status = 'waiting') = (ended_at IS NULL)", name="ended_has_ended_at"),
    CheckConstraint("char_length(last_words) <= 200", name="words_are_few"),
    Index("webhook_deliveries_event_unique", "endpoint_id", "event_id", unique=True),
    Index(
        "webhook_deliveries_subject_idx",
        "endpoint_id",
        "subject",
        "version",
        postgresql_where=text("status = 'waiting'"),
    ),
    Index("webhook_deliveries_waiting_idx", "endpoint_id", "id", postgresql_where=text("status = 'waiting'")),
    Index("webhook_deliveries_failed_idx", "endpoint_id", "id", postgresql_where=text("status = 'failed'")),
    Index("webhook_deliveries_endpoint_idx", "endpoint_id", "id"),
)

project_events = Table(
    "project_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("project_id", Uuid, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("owner", Text, nullable=False),
    Column("version", Integer, nullable=False, comment="the project's after this event"),
    Column("kind", Text, nullable=False, comment="the status it ended in"),
    Column("document", JSONB, nullable=False, comment="how it stood then"),
    moment("at", default=True),
    Column(
        "transaction_id",
        BigInteger,
        nullable=False,
        server_default=text("pg_current_xact_id()::text::bigint"),
        comment="as in generation_events",
    ),
    Index("project_events_project_idx", "project_id"),
    Index("project_events_transaction_idx", "transaction_id"),
)

webhook_cursor = Table(
    "webhook_cursor",
    metadata,
    Column("name", Text, primary_key=True, comment="events: there is one"),
    Column(
        "transaction_id", BigInteger, nullable=False, comment="events of older transactions were all made deliveries of"
    ),
    moment("moved_at", default=True),
)
