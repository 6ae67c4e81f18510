"""The tables. Money is BIGINT nanos, time is BIGINT milliseconds since 1970 UTC, JSON is text.

Insert-only: transfers, usage_records, price_snapshots, channel_events. A member's ledger account has the
account's own id. The CHECKs repeat what the services guarantee, so that a fault of ours fails a write rather
than money.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

REVISION = "0009"  # the newest migration; a test holds it to be the head of migrations/versions

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("plan", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    CheckConstraint("status IN ('active', 'frozen')", name="status"),
    Index("ix_accounts_created", "created_ms", "id"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of the whole key
    Column("hint", Text, nullable=False),  # "sk-kvFT…aB3d": enough to recognise, far too little to guess
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("budget_nanos", BigInteger),
    Column("spent_nanos", BigInteger, nullable=False, server_default="0"),
    Column("models", Text),  # JSON list or NULL: all
    Column("endpoints", Text),
    Column("addresses", Text),  # JSON list of networks
    Column("kind", Text, nullable=False, server_default="api"),  # or playground: the console's own
    Column("budget_period", Text, nullable=False, server_default="total"),  # total, day, month
    Column("period_since_ms", BigInteger),  # when the period that is counted began; NULL: none is
    Column("period_base_nanos", BigInteger, nullable=False, server_default="0"),  # spent by calls before it
    Column("old_hash", LargeBinary),  # of the key before it was rotated, which still works
    Column("old_until_ms", BigInteger),  # until then
    Column("deleted_ms", BigInteger),  # hidden since then; its records stay
    Column("frozen_by", Text),  # owner or operator, who alone lifts it then; NULL: nobody
    CheckConstraint("status IN ('active', 'frozen', 'revoked')", name="status"),
    Index("ix_keys_old_hash", "old_hash", unique=True),
    Index("ix_keys_created", "created_ms", "id"),
)

ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # member, cash_in, promotion, correction
    Column("balance_nanos", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("kind <> 'member' OR balance_nanos >= 0", name="member_balance"),
)

transfers = Table(
    "transfers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("debit", Text, ForeignKey("ledger_accounts.id"), nullable=False, index=True),
    Column("credit", Text, ForeignKey("ledger_accounts.id"), nullable=False, index=True),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("actor", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    CheckConstraint("amount_nanos > 0", name="amount"),
    CheckConstraint("debit <> credit", name="sides"),
)

# One row per call, in the order of kernel.outcome.Outcome's fields: the writer relies on it.
usage_records = Table(
    "usage_records",
    metadata,
    Column("request_id", Text, primary_key=True),  # sorts by time: rows are appended, never inserted between
    Column("ending", Text, nullable=False),
    Column("http_status", Integer, nullable=False),
    Column("relay_code", Integer, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("stream", Integer, nullable=False),  # 0 or 1
    Column("address_hash", LargeBinary, nullable=False),
    Column("channel", Text, nullable=False),
    Column("attempts", Text, nullable=False),  # JSON list of AttemptRecord
    Column("quantities", Text, nullable=False),  # JSON object of counts by price component
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("service_tier", Text, nullable=False),
    Column("estimated", Integer, nullable=False),  # 0 or 1
    Column("charge_nanos", BigInteger, nullable=False),
    Column("shortfall_nanos", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("ttft_ms", BigInteger, nullable=False),
    CheckConstraint("charge_nanos >= 0", name="charge"),
    # Each index costs the writer a page per account of a group. One by key would double that; a key's records
    # are found among its account's.
    Index("ix_usage_records_account", "account_id", "request_id"),
    sqlite_with_rowid=False,
)

price_snapshots = Table(
    "price_snapshots",
    metadata,
    Column("id", Text, primary_key=True),
    Column("lines", Text, nullable=False),  # JSON
)

# A relay process and until when it counts as alive. Its allowances end with it.
processes = Table(
    "processes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("expires_ms", BigInteger, nullable=False),
)

allowances = Table(
    "allowances",
    metadata,
    Column("account_id", Text, ForeignKey("ledger_accounts.id"), primary_key=True),
    Column("process_id", Text, ForeignKey("processes.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("granted_nanos", BigInteger, nullable=False),
    Column("spent_nanos", BigInteger, nullable=False),
    CheckConstraint("spent_nanos >= 0 AND spent_nanos <= granted_nanos", name="spent"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("key_hash", LargeBinary, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("request_id", Text, nullable=False),  # the last call with it
    Column("process_id", Text, nullable=False),  # who runs that call; "" when it has ended
    Column("charged_nanos", BigInteger, nullable=False),
    Column("completed", Integer, nullable=False),  # calls with it that got a whole answer
    Column("created_ms", BigInteger, nullable=False, index=True),
)

# What a call has made and an upstream keeps (a stored completion, a container, …): whose it is, and where it
# must go back to. Never what is in it. In the order of ledger.owned.Owned's fields: the writer relies on it.
owned_objects = Table(
    "owned_objects",
    metadata,
    # The upstream's own. A caller may know another's, so of one channel's the first owner stays.
    Column("id", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("credential", Text, nullable=False),
    Column("model", Text, nullable=False),  # that made it
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, index=True),  # when the upstream forgets it; NULL: when it is deleted
    Index("ix_owned_objects_account", "account_id", "kind", "created_ms", "id"),
)

configuration = Table(
    "configuration",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("definition", Text, nullable=False),  # JSON
    Column("updated_ms", BigInteger, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

# What running servers must hear of: they cache it. Kept for a while, then pruned.
changes = Table(
    "changes",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

# A channel (credential "") or one of its credentials that is set apart; no row: it is in use. `draining` and
# `disabled` are set by hand, `out` by the relay when the upstream takes the credential no longer.
channel_states = Table(
    "channel_states",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("credential", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    CheckConstraint("state IN ('draining', 'disabled', 'out')", name="state"),
)

# What happened to channels, and why. The oldest are deleted: see relay/watch.py.
channel_events = Table(
    "channel_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("process_id", Text, nullable=False),  # "": by a command
    Column("channel", Text, nullable=False),
    Column("model", Text, nullable=False),  # "": the whole channel
    Column("credential", Text, nullable=False),  # its name, or ""
    Column("kind", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_channel_events_channel", "channel", "id"),
    sqlite_autoincrement=True,
)

# How each process's channels stand: written when somebody asks by a notice, never otherwise.
channel_standings = Table(
    "channel_standings",
    metadata,
    Column("process_id", Text, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("standings", Text, nullable=False),  # JSON
)
