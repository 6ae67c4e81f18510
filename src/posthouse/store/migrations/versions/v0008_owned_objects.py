"""Owned objects: what calls have made and upstreams keep."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "owned_objects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("credential", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", "channel", name="pk_owned_objects"),
    )
    op.create_index("ix_owned_objects_account", "owned_objects", ["account_id", "kind", "created_ms", "id"])
    op.create_index("ix_owned_objects_expires_ms", "owned_objects", ["expires_ms"])
