"""Keys: kinds, budgets by period, rotation, deletion."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("keys", sa.Column("kind", sa.Text(), server_default="api", nullable=False))
    op.add_column("keys", sa.Column("budget_period", sa.Text(), server_default="total", nullable=False))
    op.add_column("keys", sa.Column("period_since_ms", sa.BigInteger(), nullable=True))
    op.add_column("keys", sa.Column("period_base_nanos", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("keys", sa.Column("old_hash", sa.LargeBinary(), nullable=True))
    op.add_column("keys", sa.Column("old_until_ms", sa.BigInteger(), nullable=True))
    op.add_column("keys", sa.Column("deleted_ms", sa.BigInteger(), nullable=True))
    op.add_column("keys", sa.Column("frozen_by", sa.Text(), nullable=True))
    op.create_index("ix_keys_old_hash", "keys", ["old_hash"], unique=True)
