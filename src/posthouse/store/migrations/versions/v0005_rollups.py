"""Sums of usage records by quarter of an hour."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

SUMS = (
    "requests",
    "errors",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "charge_nanos",
    "cost_nanos",
    "duration_ms",
)


def upgrade() -> None:
    op.create_table(
        "usage_sums",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        *_counts(*SUMS),
        sa.PrimaryKeyConstraint("account_id", "slot", "key_id", "model", name=op.f("pk_usage_sums")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_sums_slot", "usage_sums", ["slot"], unique=False)
    for name in ("model", "channel"):
        op.create_table(
            f"{name}_sums",
            sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column(name, sa.Text(), nullable=False),
            *_counts(*SUMS, "faults", *[f"ttft_{number}" for number in range(10)]),
            sa.PrimaryKeyConstraint("slot", name, name=op.f(f"pk_{name}_sums")),
            sqlite_with_rowid=False,
        )
    op.create_table(
        "address_days",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        *_counts("requests"),
        sa.PrimaryKeyConstraint("day", "address_hash", "account_id", "key_id", name=op.f("pk_address_days")),
        sqlite_with_rowid=False,
    )
    watermark = op.create_table(
        "usage_watermark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rolled", sa.Text(), nullable=False),
        sa.Column("promised", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_watermark")),
    )
    op.bulk_insert(watermark, [{"id": 1, "rolled": "", "promised": ""}])


def _counts(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]
