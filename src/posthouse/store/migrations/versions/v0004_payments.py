"""Payments: orders, redemption codes, invoices."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("transfer_id", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_nanos > 0", name=op.f("ck_orders_amount")),
        sa.CheckConstraint("status IN ('open', 'paid', 'cancelled')", name=op.f("ck_orders_status")),
        sa.CheckConstraint("(status = 'paid') = (transfer_id IS NOT NULL)", name=op.f("ck_orders_paid")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_orders_account_id")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfers.id"], name=op.f("fk_orders_transfer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("transfer_id", name=op.f("uq_orders_transfer_id")),
    )
    op.create_index("ix_orders_created", "orders", ["created_ms", "id"], unique=False)
    op.create_index("ix_orders_account", "orders", ["account_id", "created_ms", "id"], unique=False)
    op.create_index("ix_orders_status", "orders", ["status", "created_ms", "id"], unique=False)
    op.create_table(
        "code_batches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("redeemed", sa.Integer(), nullable=False),
        sa.Column("per_account_max", sa.Integer(), nullable=True),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("amount_nanos > 0", name=op.f("ck_code_batches_amount")),
        sa.CheckConstraint("kind IN ('topup', 'promotion')", name=op.f("ck_code_batches_kind")),
        sa.CheckConstraint("redeemed >= 0 AND redeemed <= count", name=op.f("ck_code_batches_redeemed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_batches")),
    )
    op.create_index("ix_code_batches_created", "code_batches", ["created_ms", "id"], unique=False)
    op.create_table(
        "codes",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("redeemed_ms", sa.BigInteger(), nullable=True),
        sa.Column("transfer_id", sa.Text(), nullable=True),
        sa.CheckConstraint("(account_id IS NULL) = (transfer_id IS NULL)", name=op.f("ck_codes_redeemed")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_codes_account_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["code_batches.id"], name=op.f("fk_codes_batch_id")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfers.id"], name=op.f("fk_codes_transfer_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_codes")),
        sa.UniqueConstraint("transfer_id", name=op.f("uq_codes_transfer_id")),
    )
    op.create_index("ix_codes_batch", "codes", ["batch_id", "account_id"], unique=False)
    op.create_table(
        "invoices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("tax_number", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.CheckConstraint("amount_nanos > 0", name=op.f("ck_invoices_amount")),
        sa.CheckConstraint("status IN ('open', 'issued', 'declined')", name=op.f("ck_invoices_status")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_invoices_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
    )
    op.create_index("ix_invoices_created", "invoices", ["created_ms", "id"], unique=False)
    op.create_index("ix_invoices_account", "invoices", ["account_id", "created_ms", "id"], unique=False)
    op.create_index("ix_invoices_status", "invoices", ["status", "created_ms", "id"], unique=False)
    op.create_index("ix_transfers_created", "transfers", ["created_ms", "id"], unique=False)
