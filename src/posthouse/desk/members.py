"""What the operator's people see of members and their keys: members are found by part of an email or name,
or by id; keys by how they begin or end, by id, or by hash."""

import re
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, tuple_, update

from posthouse.accounts.errors import UnknownAccount, UnknownKey
from posthouse.accounts.queries import key_prefix
from posthouse.accounts.rules import AccountStatus, KeyStatus, shown_head
from posthouse.desk import rules
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, keys, ledger_accounts
from posthouse.store.schema_people import identities, passkeys, profiles, sessions
from posthouse.store.upsert import insert_if_absent

Place = tuple[int, str]  # where a page ended: created_ms and id
SEARCH_CHARS_MAX = 100

_HASH_DIGITS = 64  # of a SHA-256
_HASH = re.compile(r"[0-9a-f]{8,64}")  # its beginning; fewer digits would be in too many names


class Member(Struct, frozen=True, kw_only=True):
    """A line of the list. `keys`: those that are not revoked."""

    id: str
    email: str
    name: str
    role: str
    plan: str
    status: AccountStatus
    balance_nanos: int
    keys: int
    note: str
    created_ms: int


class MemberDetail(Struct, frozen=True, kw_only=True):
    """What else there is of one member. `seen_ms`: when they last did something in the console; None: there
    is no session."""

    language: str
    has_password: bool
    has_second_factor: bool
    passkeys: int
    providers: tuple[str, ...]
    email_verified_ms: int | None
    seen_ms: int | None
    invited_by: str
    invited_by_email: str
    invited: int
    deleted_ms: int | None


class FoundKey(Struct, frozen=True, kw_only=True):
    """A key as an operator sees it."""

    id: str
    hint: str
    name: str
    status: KeyStatus
    account_id: str
    email: str
    account_status: AccountStatus
    spent_nanos: int
    budget_nanos: int | None
    expires_ms: int | None
    created_ms: int


def list_members(
    store: Store,
    *,
    search: str = "",
    plan: str = "",
    status: AccountStatus | None = None,
    role: str = "",
    after: Place | None = None,
    limit: int,
) -> list[Member]:
    """The newest first."""
    query = _member().order_by(accounts.c.created_ms.desc(), accounts.c.id.desc()).limit(limit)
    if text := search.strip():
        query = query.where(_means(text))
    if plan:
        query = query.where(accounts.c.plan == plan)
    if status is not None:
        query = query.where(accounts.c.status == status)
    if role:
        query = query.where(func.coalesce(profiles.c.role, "member") == role)
    if after is not None:
        query = query.where(tuple_(accounts.c.created_ms, accounts.c.id) < after)
    with store.read() as connection:
        return [Member(**row._mapping) for row in connection.execute(query)]


def read_member(store: Store, account_id: str) -> tuple[Member, MemberDetail]:
    """Raises UnknownAccount."""
    with store.read() as connection:
        row = connection.execute(_member().where(accounts.c.id == account_id)).first()
        if row is None:
            raise UnknownAccount(f"there is no account {account_id!r}")
        return Member(**row._mapping), _detail(connection, account_id)


def set_note(store: Store, account_id: str, text: str, *, now_ms: int, actor: str = "cli") -> None:
    """Replace what the operator's people noted of a member; "": nothing. Raises UnknownAccount,
    UnfitValue."""
    text = rules.parse_text("note", text, rules.NOTE_CHARS_MAX) if text.strip() else ""
    with store.begin() as connection:
        row = connection.execute(_member().where(accounts.c.id == account_id)).first()
        if row is None:
            raise UnknownAccount(f"there is no account {account_id!r}")
        insert_if_absent(connection, profiles, {"account_id": account_id, "created_ms": row.created_ms})
        connection.execute(update(profiles).where(profiles.c.account_id == account_id).values(note=text))
        if row.note != text:
            note(
                connection,
                actor=actor,
                action="account.note",
                subject=f"account:{account_id}",
                before={"note": row.note},
                after={"note": text},
                at_ms=now_ms,
            )


def find_keys(
    store: Store,
    *,
    search: str = "",
    status: KeyStatus | None = None,
    account_id: str = "",
    after: Place | None = None,
    limit: int,
) -> list[FoundKey]:
    """The newest first. `search` is part of a hint or name, an id, the beginning of a key, or that of a key's
    SHA-256 in 8 hex digits or more, also of one that was rotated."""
    query = _KEY.where(keys.c.kind == "api").order_by(keys.c.created_ms.desc(), keys.c.id.desc()).limit(limit)
    if status is not None:
        query = query.where(keys.c.status == status)
    if account_id:
        query = query.where(keys.c.account_id == account_id)
    if after is not None:
        query = query.where(tuple_(keys.c.created_ms, keys.c.id) < after)
    with store.read() as connection:
        if text := search.strip():
            query = query.where(_names_key(text, key_prefix(connection)))
        return [FoundKey(**row._mapping) for row in connection.execute(query)]


def read_key(store: Store, key_id: str) -> FoundKey:
    """The key of that id, also the playground's. Raises UnknownKey."""
    with store.read() as connection:
        row = connection.execute(_KEY.where(keys.c.id == key_id)).first()
    if row is None:
        raise UnknownKey(f"there is no key {key_id!r}")
    return FoundKey(**row._mapping)


_KEY = select(
    *(keys.c[name] for name in ("id", "hint", "name", "status", "account_id", "spent_nanos")),
    *(keys.c[name] for name in ("budget_nanos", "expires_ms", "created_ms")),
    accounts.c.email,
    accounts.c.status.label("account_status"),
).join(accounts, accounts.c.id == keys.c.account_id)


def _member() -> Select[Any]:
    live_keys = (
        select(func.count())
        .select_from(keys)
        .where(keys.c.account_id == accounts.c.id, keys.c.status != "revoked", keys.c.kind == "api")
        .scalar_subquery()
    )
    return (
        select(
            *(accounts.c[name] for name in ("id", "email", "plan", "status", "created_ms")),
            func.coalesce(profiles.c.name, "").label("name"),
            func.coalesce(profiles.c.role, "member").label("role"),
            func.coalesce(profiles.c.note, "").label("note"),
            func.coalesce(ledger_accounts.c.balance_nanos, 0).label("balance_nanos"),
            live_keys.label("keys"),
        )
        .outerjoin(profiles, profiles.c.account_id == accounts.c.id)
        .outerjoin(ledger_accounts, ledger_accounts.c.id == accounts.c.id)
    )


def _means(text: str) -> ColumnElement[bool]:
    part = text[:SEARCH_CHARS_MAX].lower()
    return or_(
        accounts.c.id == part,
        accounts.c.email.contains(part, autoescape=True),
        func.lower(profiles.c.name).contains(part, autoescape=True),
    )


def _names_key(text: str, prefix: str) -> ColumnElement[bool]:
    part = text[:SEARCH_CHARS_MAX]
    named = or_(
        keys.c.id == part.lower(),
        keys.c.hint.contains(shown_head(part, prefix), autoescape=True),
        keys.c.name.contains(part, autoescape=True),
    )
    if _HASH.fullmatch(part.lower()) is None:
        return named
    first, last = (bytes.fromhex(part.ljust(_HASH_DIGITS, digit)) for digit in "0f")
    return or_(named, keys.c.hash.between(first, last), keys.c.old_hash.between(first, last))


def _detail(connection: Connection, account_id: str) -> MemberDetail:
    inviter = accounts.alias()
    joined = profiles.outerjoin(inviter, inviter.c.id == profiles.c.invited_by)
    own = select(profiles, inviter.c.email.label("inviter")).select_from(joined)
    profile = connection.execute(own.where(profiles.c.account_id == account_id)).first()
    seen = select(func.max(sessions.c.seen_ms)).where(
        sessions.c.account_id == account_id, sessions.c.viewing_id.is_(None)
    )
    providers = select(identities.c.provider).where(identities.c.account_id == account_id)
    invited = select(func.count()).select_from(profiles).where(profiles.c.invited_by == account_id)
    own_passkeys = select(func.count()).select_from(passkeys).where(passkeys.c.account_id == account_id)
    return MemberDetail(
        language=profile.language if profile else "",
        has_password=bool(profile and profile.password_hash),
        has_second_factor=bool(profile and profile.totp_sealed),
        passkeys=connection.execute(own_passkeys).scalar_one(),
        providers=tuple(connection.execute(providers.order_by(identities.c.provider)).scalars()),
        email_verified_ms=profile.email_verified_ms if profile else None,
        seen_ms=connection.execute(seen).scalar(),
        invited_by=(profile.invited_by or "") if profile else "",
        invited_by_email=(profile.inviter or "") if profile else "",
        invited=connection.execute(invited).scalar_one(),
        deleted_ms=profile.deleted_ms if profile else None,
    )
