"""Reads accounts and keys; changes nothing."""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, or_, select

from posthouse.accounts.errors import UnknownAccount, UnknownKey
from posthouse.accounts.rules import Account, Key, KeyEntry, KeyTitle
from posthouse.store.configuration import operator_field
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, keys

PAGE_MAX = 1000
_DEFAULT_PREFIX = "sk-"
_DEFAULT_PLAN = "free"
_ENTRY = select(keys, accounts.c.plan, accounts.c.status.label("account_status")).join(
    accounts, accounts.c.id == keys.c.account_id
)


def find_account(connection: Connection, who: str) -> Account:
    """The account of that id or email. Raises UnknownAccount."""
    query = select(accounts).where(or_(accounts.c.id == who, accounts.c.email == who.strip().lower()))
    row = connection.execute(query).first()
    if row is None:
        raise UnknownAccount(f"there is no account {who!r}")
    return Account(**row._mapping)


def get_account(store: Store, who: str) -> Account:
    """The account of that id or email. Raises UnknownAccount."""
    with store.read() as connection:
        return find_account(connection, who)


def list_accounts(store: Store, *, after: str = "", limit: int = PAGE_MAX) -> list[Account]:
    """A page of accounts by email, those after the email `after`."""
    query = (
        select(accounts)
        .where(accounts.c.email > after)
        .order_by(accounts.c.email)
        .limit(min(limit, PAGE_MAX))
    )
    with store.read() as connection:
        return [Account(**row._mapping) for row in connection.execute(query)]


def emails_of(store: Store, account_ids: Iterable[str]) -> dict[str, str]:
    """The emails of those accounts by their ids; ids that are nobody's are left out."""
    query = select(accounts.c.id, accounts.c.email).where(accounts.c.id.in_(sorted(set(account_ids))))
    with store.read() as connection:
        return {row.id: row.email for row in connection.execute(query)}


def emails_of_actors(store: Store, actors: Iterable[str]) -> dict[str, str]:
    """The emails of who made changes, by what the log calls them: an account's id, with a token's behind a
    slash. Who is no account is left out."""
    account_ids = {actor: actor.partition("/")[0] for actor in actors}
    emails = emails_of(store, account_ids.values())
    return {actor: emails[one] for actor, one in account_ids.items() if one in emails}


def find_key(connection: Connection, key_id: str) -> Key:
    """The key of that id. Raises UnknownKey."""
    row = connection.execute(select(keys).where(keys.c.id == key_id)).first()
    if row is None:
        raise UnknownKey(f"there is no key {key_id!r}")
    return _key(row)


def get_key(store: Store, key_id: str) -> Key:
    """The key of that id. Raises UnknownKey."""
    with store.read() as connection:
        return find_key(connection, key_id)


def list_keys(store: Store, who: str) -> list[Key]:
    """The keys of an account, oldest first: revoked ones too, deleted ones and the console's own not. Raises
    UnknownAccount."""
    with store.read() as connection:
        account = find_account(connection, who)
        listed = (keys.c.account_id == account.id, keys.c.deleted_ms.is_(None), keys.c.kind == "api")
        query = select(keys).where(*listed).order_by(keys.c.created_ms, keys.c.id)
        return [_key(row) for row in connection.execute(query)]


def count_accounts(store: Store, starts_ms: Sequence[int], until_ms: int) -> tuple[int, list[int]]:
    """How many accounts there are, and how many were made in each step: from its start to the next one's."""
    made = accounts.c.created_ms
    counts = [0] * len(starts_ms)
    with store.read() as connection:
        total = connection.execute(select(func.count()).select_from(accounts)).scalar_one()
        query = select(made).where(made >= starts_ms[0], made < until_ms)
        for created_ms in connection.execute(query).scalars():
            counts[bisect_right(starts_ms, created_ms) - 1] += 1
    return total, counts


def members_of_plans(store: Store) -> dict[str, int]:
    """How many accounts are on each plan; plans that nobody is on are left out."""
    query = select(accounts.c.plan, func.count().label("members")).group_by(accounts.c.plan)
    with store.read() as connection:
        return {row.plan: row.members for row in connection.execute(query)}


def titles_of_keys(store: Store, key_ids: Iterable[str]) -> dict[str, KeyTitle]:
    """What those keys are called, whosever they are, by id."""
    query = select(keys.c.id, keys.c.name, keys.c.hint, keys.c.kind).where(keys.c.id.in_(set(key_ids)))
    with store.read() as connection:
        return {row.id: KeyTitle(row.name, row.hint, row.kind) for row in connection.execute(query)}


def find_entry(store: Store, key_hash: bytes) -> KeyEntry | None:
    """What the relay needs to know of the key with that hash, which may be the one before a rotation."""
    by_hash = or_(keys.c.hash == key_hash, keys.c.old_hash == key_hash)
    with store.read() as connection:
        row = connection.execute(_ENTRY.where(by_hash)).first()
        if row is None:
            return None
        limited_as = row.id
        if row.kind == "playground":
            limited_as = connection.execute(_oldest_key(literal(row.account_id))).scalar() or row.id
    return _entry(row, is_old=bytes(row.hash) != key_hash, limited_as=limited_as)


def playground_limits(store: Store) -> dict[str, str]:
    """The key as which each account's playground is limited, by the playground's."""
    query = select(keys.c.id, _oldest_key(keys.c.account_id).scalar_subquery())
    with store.read() as connection:
        rows = connection.execute(query.where(keys.c.kind == "playground"))
        return {row[0]: row[1] for row in rows if row[1] is not None}


def key_prefix(connection: Connection) -> str:
    """What new keys start with."""
    return operator_field(connection, "key_prefix", _DEFAULT_PREFIX)


def default_plan(connection: Connection) -> str:
    """The plan of a new account that names none."""
    return operator_field(connection, "default_plan", _DEFAULT_PLAN)


def _items(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else msgspec.json.decode(text, type=tuple[str, ...])


def _key(row: Row[Any]) -> Key:
    return Key(
        id=row.id,
        account_id=row.account_id,
        hint=row.hint,
        name=row.name,
        status=row.status,
        created_ms=row.created_ms,
        expires_ms=row.expires_ms,
        budget_nanos=row.budget_nanos,
        spent_nanos=row.spent_nanos,
        models=_items(row.models),
        endpoints=_items(row.endpoints),
        addresses=_items(row.addresses),
        kind=row.kind,
        budget_period=row.budget_period,
        period_since_ms=row.period_since_ms,
        period_spent_nanos=0 if row.period_since_ms is None else row.spent_nanos - row.period_base_nanos,
        old_until_ms=row.old_until_ms,
        deleted_ms=row.deleted_ms,
        frozen_by=row.frozen_by,
    )


def _oldest_key(account_id: ColumnElement[str]) -> Select[Any]:
    """The oldest key that the account has; where all are deleted, the last one that was."""
    mine = keys.alias()
    order = (mine.c.deleted_ms.is_(None).desc(), mine.c.deleted_ms.desc(), mine.c.created_ms, mine.c.id)
    query = select(mine.c.id).where(mine.c.account_id == account_id, mine.c.kind == "api")
    return query.order_by(*order).limit(1)


def _entry(row: Row[Any], *, is_old: bool, limited_as: str) -> KeyEntry:
    models, endpoints, addresses = _items(row.models), _items(row.endpoints), _items(row.addresses)
    ends = [row.expires_ms, row.old_until_ms if is_old else None]
    return KeyEntry(
        key_id=row.id,
        limited_as=limited_as,
        account_id=row.account_id,
        name=row.name,
        plan=row.plan,
        key_status=row.status,
        account_status=row.account_status,
        expires_ms=min((end for end in ends if end is not None), default=None),
        budget_nanos=row.budget_nanos,
        models=None if models is None else frozenset(models),
        endpoints=None if endpoints is None else frozenset(endpoints),
        networks=None if addresses is None else tuple(map(ipaddress.ip_network, addresses)),
    )
