"""The desk's tables: audit log, tickets, announcements, pages, images, dismissed signals. `audit_log` is
insert-only."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from posthouse.store.schema import metadata

# Every change that somebody made, written in the transaction of the change: see store/audit.py.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("actor", Text, nullable=False),  # an account's id, with a token's behind a slash, or "cli"
    Column("noun", Text, nullable=False),  # of the action, so that lists of it have an index
    Column("action", Text, nullable=False),  # "account.freeze"
    Column("subject", Text, nullable=False),  # "account:acc_…"
    Column("before", Text, nullable=False),  # JSON, "null" where there was nothing
    Column("after", Text, nullable=False),
    Index("ix_audit_log_subject", "subject", "id"),
    Index("ix_audit_log_actor", "actor", "id"),
    Index("ix_audit_log_noun", "noun", "id"),
    sqlite_autoincrement=True,
)

# What members ask of the operator's people. `updated_ms` is the last message's.
tickets = Table(
    "tickets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("status", Text, nullable=False),  # open: the desk's turn, answered: the member's
    Column("messages", Integer, nullable=False),  # how many there are
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    CheckConstraint("status IN ('open', 'answered', 'closed')", name="status"),
    Index("ix_tickets_account", "account_id", "updated_ms", "id"),
    Index("ix_tickets_status", "status", "updated_ms", "id"),
    Index("ix_tickets_updated", "updated_ms", "id"),
)

ticket_messages = Table(
    "ticket_messages",
    metadata,
    Column("ticket_id", Text, ForeignKey("tickets.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("author_id", Text, nullable=False),
    Column("is_staff", Integer, nullable=False),  # 0 or 1
    Column("text", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

announcements = Table(
    "announcements",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title_en", Text, nullable=False),  # "": shown in the other language
    Column("title_zh", Text, nullable=False),
    Column("text_en", Text, nullable=False),  # Markdown
    Column("text_zh", Text, nullable=False),
    Column("pinned", Integer, nullable=False),  # 0 or 1
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),  # NULL: for good
    Column("created_ms", BigInteger, nullable=False),
    Index("ix_announcements_order", "pinned", "from_ms", "id"),
)

# The operator's own words in place of those that come with Posthouse.
pages = Table(
    "pages",
    metadata,
    Column("name", Text, primary_key=True),
    Column("language", Text, primary_key=True),
    Column("text", Text, nullable=False),  # Markdown
    Column("updated_ms", BigInteger, nullable=False),
)

# Uploaded images by "HASH.png": what is stored under a name never changes.
images = Table(
    "images",
    metadata,
    Column("name", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

# Signals of abuse that somebody has looked at and found harmless, for a while.
dismissals = Table(
    "dismissals",
    metadata,
    Column("signal", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
)
