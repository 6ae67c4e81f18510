"""The payments' tables: top-up orders, redemption codes, invoices. Money moves in `transfers` alone; these
rows say why, and their CHECKs that nothing counts as paid or redeemed without its transfer."""

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

from posthouse.store.schema import metadata, transfers

# What a member wants to pay. `expired` is no status: an open order whose time is over can still be paid.
orders = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("note", Text, nullable=False),  # the member's own words
    Column("reference", Text, nullable=False),  # how it was paid, or why it was cancelled
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger),
    Column("closed_by", Text, nullable=False),  # "": nobody yet
    Column("transfer_id", Text, ForeignKey("transfers.id"), unique=True),
    CheckConstraint("amount_nanos > 0", name="amount"),
    CheckConstraint("status IN ('open', 'paid', 'cancelled')", name="status"),
    CheckConstraint("(status = 'paid') = (transfer_id IS NOT NULL)", name="paid"),
    Index("ix_orders_created", "created_ms", "id"),
    Index("ix_orders_account", "account_id", "created_ms", "id"),
    Index("ix_orders_status", "status", "created_ms", "id"),
)

code_batches = Table(
    "code_batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # of the transfer that a code becomes
    Column("amount_nanos", BigInteger, nullable=False),  # of each code
    Column("count", Integer, nullable=False),
    Column("redeemed", Integer, nullable=False),
    Column("per_account_max", Integer),  # NULL: no limit
    Column("expires_ms", BigInteger),  # NULL: never
    Column("withdrawn_ms", BigInteger),  # since then none of it can be redeemed
    Column("created_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    CheckConstraint("amount_nanos > 0", name="amount"),
    CheckConstraint("kind IN ('topup', 'promotion')", name="kind"),
    CheckConstraint("redeemed >= 0 AND redeemed <= count", name="redeemed"),
    Index("ix_code_batches_created", "created_ms", "id"),
)

codes = Table(
    "codes",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the code without its dashes
    Column("batch_id", Text, ForeignKey("code_batches.id"), nullable=False),
    Column("hint", Text, nullable=False),  # its last characters: enough to recognise
    Column("account_id", Text, ForeignKey("accounts.id")),  # who redeemed it
    Column("redeemed_ms", BigInteger),
    Column("transfer_id", Text, ForeignKey("transfers.id"), unique=True),
    CheckConstraint("(account_id IS NULL) = (transfer_id IS NULL)", name="redeemed"),
    Index("ix_codes_batch", "batch_id", "account_id"),
)

invoices = Table(
    "invoices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("title", Text, nullable=False),  # who is invoiced: a person or a company
    Column("tax_number", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("details", Text, nullable=False),  # postal address, bank and whatever else the invoice must say
    Column("status", Text, nullable=False),
    Column("number", Text, nullable=False),  # of the issued invoice
    Column("reason", Text, nullable=False),  # why it was declined
    Column("created_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger),
    Column("closed_by", Text, nullable=False),
    CheckConstraint("amount_nanos > 0", name="amount"),
    CheckConstraint("status IN ('open', 'issued', 'declined')", name="status"),
    Index("ix_invoices_created", "created_ms", "id"),
    Index("ix_invoices_account", "account_id", "created_ms", "id"),
    Index("ix_invoices_status", "status", "created_ms", "id"),
)

# Transfers of all members by time: what the operator's list is read by.
Index("ix_transfers_created", transfers.c.created_ms, transfers.c.id)
