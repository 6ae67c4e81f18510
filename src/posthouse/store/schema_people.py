"""The people's tables: who somebody is, how they sign in, and what is mailed to them."""

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

# What is known of the person behind an account; the relay never reads it. An account without a row is a
# member who has no password.
profiles = Table(
    "profiles",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("name", Text, nullable=False, server_default=""),
    Column("role", Text, nullable=False, server_default="member", index=True),
    Column("language", Text, nullable=False, server_default="en"),
    Column("password_hash", Text),  # argon2; NULL: there is no password to sign in with
    Column("email_verified_ms", BigInteger),
    Column("totp_sealed", LargeBinary),  # NULL: no second factor
    Column("totp_step", BigInteger, nullable=False, server_default="0"),  # the last one taken: each only once
    Column("note", Text, nullable=False, server_default=""),  # the operator's
    Column("low_balance_nanos", BigInteger),  # NULL: no mail
    Column("low_balance_mailed_ms", BigInteger),
    Column("referral_code", Text, unique=True),
    Column("invited_by", Text),  # the account whose referral code it came with
    Column("invitation_id", Text),  # the operator's invitation that it came with
    Column("address_hash", LargeBinary),  # where it was registered from
    Column("created_ms", BigInteger, nullable=False),
    Column("deleted_ms", BigInteger),
    CheckConstraint("role IN ('member', 'support', 'operator', 'owner')", name="role"),
    Index("ix_profiles_created", "created_ms"),
    Index("ix_profiles_address", "address_hash", "created_ms"),
    Index("ix_profiles_invited_by", "invited_by"),
)

# What may be done once: links in mails, steps of a sign-in elsewhere, passkeys' challenges, proofs of work
# that were handed in. Taking one deletes it.
one_time = Table(
    "one_time",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of 256 random bits
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),  # an email, an account's id, or ""
    Column("data", Text, nullable=False),  # JSON
    Column("address_hash", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    Index("ix_one_time_subject", "subject", "kind"),
    Index("ix_one_time_address", "address_hash", "kind"),
)

# Who somebody is at an identity provider ("github", or "oidc:NAME").
identities = Table(
    "identities",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),  # what the provider calls them
    Column("created_ms", BigInteger, nullable=False),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Text, primary_key=True),  # the credential's, base64url
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of 80 random bits
)

# Shown to the operator again, so not hashed: all that a code lets one do is register.
invitations = Table(
    "invitations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("note", Text, nullable=False),
    Column("uses_max", Integer, nullable=False),
    Column("used", Integer, nullable=False, server_default="0"),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
    CheckConstraint("used >= 0 AND used <= uses_max", name="used"),
)

# Mails that wait to be sent; a row is deleted when its mail has gone out.
mails = Table(
    "mails",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # JSON: to, subject, text
    Column("due_ms", BigInteger, nullable=False, index=True),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("expires_ms", BigInteger, nullable=False),
)

# Who is signed in. The cookie holds 256 random bits, of which only the SHA-256 is here.
sessions = Table(
    "sessions",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("id", Text, nullable=False, unique=True),  # how lists name it
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("viewing_id", Text, ForeignKey("accounts.id")),  # the member whose pages are looked at
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),  # to the minute
    Column("expires_ms", BigInteger, nullable=False, index=True),  # however busy it is
    Column("user_agent", Text, nullable=False),
    Column("address_hash", LargeBinary, nullable=False),
    Column("address_hint", Text, nullable=False),  # "203.0.113.…"
)

# What scripts sign in with; the token is shown once, its SHA-256 is here.
access_tokens = Table(
    "access_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),  # "pht_…aB3d"
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON list of permissions
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),  # NULL: never
    Column("used_ms", BigInteger),  # to the minute
)

# What somebody tries again and again, such as passwords, and who is known: see people/throttles.py.
throttles = Table(
    "throttles",
    metadata,
    Column("subject", Text, primary_key=True),  # what is tried, and a hash of who tries
    # When all tries will be free, or one is forgotten.
    Column("full_ms", BigInteger, nullable=False, index=True),
)
