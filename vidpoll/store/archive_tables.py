"""The table of copies; ``tables.py`` has all others."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from vidpoll.store.metadata import metadata, moment

archived_files = Table(
    "archived_files",
    metadata,
    Column("id", Uuid, primary_key=True, comment="made from the generation and the position"),
    Column("generation_id", Uuid, nullable=False, comment="no foreign key: a copy is deleted after its generation"),
    Column("owner", Text, nullable=False),
    Column("position", Integer, nullable=False, comment="its place in the result, from 0"),
    Column("kind", Text, nullable=False, comment="video or image, as the provider told"),
    Column("url", Text, nullable=False, comment="the provider's, as it was told last"),
    Column("status", Text, nullable=False, server_default="waiting"),
    Column("attempts", Integer, nullable=False, server_default="0", comment="those begun"),
    Column("failures", Integer, nullable=False, server_default="0", comment="those that failed for want of the file"),
    Column("error", JSONB(none_as_null=True), comment="{code, message, retryable} of the last attempt"),
    Column("content_type", Text, comment="by its first bytes"),
    Column("bytes", BigInteger),
    Column("sha256", Text),
    Column("name", Text, comment="below the archive's folder; set before anything is written under it"),
    Column("archived_url", Text),
    moment("next_at", default=True, comment="when it is to be tried"),
    moment("busy_until", comment="an attempt begun ends before"),
    moment("expires_at", comment="until when the provider keeps it; NULL where nobody tells"),
    moment("created_at", default=True),
    moment("stored_at"),
    CheckConstraint("status IN ('waiting', 'stored', 'failed', 'erasing')", name="status_known"),
    CheckConstraint(
        "status <> 'stored' OR num_nulls(content_type, bytes, sha256, name, archived_url, stored_at) = 0",
        name="stored_is_whole",
    ),
    CheckConstraint("status <> 'failed' OR error IS NOT NULL", name="failed_has_error"),
    UniqueConstraint("generation_id", "position", name="archived_files_generation_position_unique"),
    Index("archived_files_waiting_idx", "next_at", postgresql_where=text("status = 'waiting'")),
    Index("archived_files_failed_idx", "created_at", postgresql_where=text("status = 'failed'")),
    Index("archived_files_erasing_idx", "id", postgresql_where=text("status = 'erasing'")),
    Index("archived_files_owner_idx", "owner"),
)
