"""Sums by model and hour, and by account and day, made of those by quarter of an hour."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

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
SERVICE = (*SUMS, "faults", *[f"ttft_{number}" for number in range(10)])


def upgrade() -> None:
    _make("model_hours", "model", SERVICE, of="model_sums", slots=4)
    _make("account_days", "account_id", SUMS, of="usage_sums", slots=96)


def _make(table: str, name: str, sums: tuple[str, ...], *, of: str, slots: int) -> None:
    op.create_table(
        table,
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(name, sa.Text(), nullable=False),
        *[sa.Column(column, sa.BigInteger(), nullable=False) for column in sums],
        sa.PrimaryKeyConstraint("slot", name, name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )
    old, new = (sa.table(one, *map(sa.column, ("slot", name, *sums))) for one in (of, table))
    first = old.c.slot // slots * slots
    added = [sa.func.sum(old.c[column]) for column in sums]
    query = sa.select(first, old.c[name], *added).group_by(first, old.c[name])
    op.execute(new.insert().from_select(["slot", name, *sums], query))
