"""The desk's tables: audit log, tickets, announcements, pages. `audit_log` is insert-only."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from posthouse.store.schema import metadata

# Every change that somebody made, written in the transaction of the change: see store/audit.py.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # an account's id, with a token's behind a slash, or "cli"
    Column("action", Text, nullable=False),  # "account.freeze"
    Column("subject", Text, nullable=False),  # "account:acc_…"
    Column("before", Text, nullable=False),  # JSON, "null" where there was nothing
    Column("after", Text, nullable=False),
    Index("ix_audit_log_subject", "subject", "id"),
    Index("ix_audit_log_actor", "actor", "id"),
    Index("ix_audit_log_action", "action", "id"),
    sqlite_autoincrement=True,
)
