"""Images, upscales and extends beside videos. Additions only, no table is read or rewritten.

The checks are NOT VALID: they hold for what is written from now on, and the rows before have nothing of it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COMMENTS = {
    "video_url": (None, "the first result, also where it is an image"),
    "result": ("all videos, seed, cost, late", "all videos and images, content type, seed, cost, late"),
}
_CHECKS = {
    "kind_known": "kind IN ('video', 'image', 'upscale', 'extend')",
    "parent_fits_kind": "parent_id IS NULL OR kind IN ('upscale', 'extend')",
    "parent_is_resolved": "parent_id IS NULL OR account IS NULL OR from_parent IS NOT NULL",
}


def upgrade() -> None:
    """Add them."""
    kind = sa.Column("kind", sa.Text(), server_default="video", nullable=False, comment="what is to be made")
    parent_id = sa.Column("parent_id", sa.Uuid(), comment="the generation whose result is upscaled or extended")
    from_parent = sa.Column(
        "from_parent", postgresql.JSONB(), comment="parameters the parent brings; sent over those in params"
    )
    for column in (kind, parent_id, from_parent):
        op.add_column("generations", column)
    for name, rule in _CHECKS.items():
        op.execute(f"ALTER TABLE generations ADD CONSTRAINT generations_{name} CHECK ({rule}) NOT VALID")
    for name, (_, comment) in _COMMENTS.items():
        op.alter_column("generations", name, comment=comment)


def downgrade() -> None:
    """Take them away again."""
    for name, (comment, _) in _COMMENTS.items():
        op.alter_column("generations", name, comment=comment)
    for name in _CHECKS:
        op.execute(f"ALTER TABLE generations DROP CONSTRAINT generations_{name}")
    for name in ("from_parent", "parent_id", "kind"):
        op.drop_column("generations", name)
