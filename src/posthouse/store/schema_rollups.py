"""Sums of usage records by quarter of an hour, so that no page adds up millions of records.

A slot is the quarter of an hour, counted from 1970 UTC, in which a call started: every time zone's days and
hours begin at one. What keeps the sums exact stands in ledger/rollups.py.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from posthouse.store.schema import metadata

TTFT_BOUNDS_MS = (100, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000)  # of `ttft_0` and so on
TTFT_COLUMNS = tuple(f"ttft_{number}" for number in range(len(TTFT_BOUNDS_MS) + 1))  # the last: above all

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


def _counts(*names: str) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False) for name in names]


# By who called. A member's page reads a range of the primary key, an operator's one of the index.
usage_sums = Table(
    "usage_sums",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("key_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    *_counts(*SUMS),
    Index("ix_usage_sums_slot", "slot"),
    sqlite_with_rowid=False,
)

# By what was called, and by who answered; channel "" where nobody did. All members together, so few rows.
model_sums = Table(
    "model_sums",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("model", Text, primary_key=True),
    *_counts(*SUMS, "faults", *TTFT_COLUMNS),
    sqlite_with_rowid=False,
)
channel_sums = Table(
    "channel_sums",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("channel", Text, primary_key=True),
    *_counts(*SUMS, "faults", *TTFT_COLUMNS),
    sqlite_with_rowid=False,
)

# The same by hour, and by who called by day (UTC): what a page of all members over weeks or months reads.
# `slot` is the first quarter of the hour or day.
model_hours = Table(
    "model_hours",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("model", Text, primary_key=True),
    *_counts(*SUMS, "faults", *TTFT_COLUMNS),
    sqlite_with_rowid=False,
)
account_days = Table(
    "account_days",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", Text, primary_key=True),
    *_counts(*SUMS),
    sqlite_with_rowid=False,
)

# From where was called; a day is one of UTC, counted from 1970.
address_days = Table(
    "address_days",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("address_hash", LargeBinary, primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    *_counts("requests"),
    sqlite_with_rowid=False,
)

# One row. The sums have exactly the records whose id is below `rolled`; up to `promised` they will have next.
usage_watermark = Table(
    "usage_watermark",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("rolled", Text, nullable=False),
    Column("promised", Text, nullable=False),
)
