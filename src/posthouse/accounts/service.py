"""Makes and changes accounts and keys. Each function is one transaction, callable from any process: a running
server hears of the change within a second. Accounts are named by id or email."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from posthouse.accounts import rules
from posthouse.accounts.errors import EmailTaken, KeyHeld, KeyRevoked, TooManyKeys, UnknownAccount
from posthouse.accounts.queries import default_plan, find_account, find_key, key_prefix
from posthouse.accounts.rules import Account, AccountStatus, FrozenBy, Key, NewKey
from posthouse.kernel.clock import now_ms
from posthouse.kernel.ids import new_id
from posthouse.kernel.secrets import hash_key, new_key
from posthouse.store import audit
from posthouse.store.changes import announce
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, keys, ledger_accounts


def create_account(store: Store, email: str, *, plan: str | None = None, actor: str = "cli") -> Account:
    """Make an account with an empty balance, on the given or the operator's default plan. Raises
    UnfitValue, EmailTaken."""
    with store.begin() as connection:
        return add_account(connection, email, plan=plan, actor=actor)


def add_account(connection: Connection, email: str, *, plan: str | None = None, actor: str = "") -> Account:
    """The same within the caller's transaction, which has failed with EmailTaken; without `actor` somebody
    makes it for themselves. Raises UnfitValue, EmailTaken."""
    email = rules.parse_email(email)
    account = Account(new_id("acc"), email, plan or default_plan(connection), "active", now_ms())
    try:
        connection.execute(insert(accounts).values(msgspec.structs.asdict(account)))
    except IntegrityError:
        raise EmailTaken from None
    connection.execute(insert(ledger_accounts).values(id=account.id, kind="member", balance_nanos=0))
    _note_account(connection, actor or account.id, "account.create", None, account)
    return account


def freeze_account(store: Store, who: str, *, actor: str = "cli") -> Account:
    """Refuse all calls of the account. Raises UnknownAccount."""
    return _change_account(store, who, status="frozen", actor=actor)


def unfreeze_account(store: Store, who: str, *, actor: str = "cli") -> Account:
    """Serve the account's calls again. Raises UnknownAccount."""
    return _change_account(store, who, status="active", actor=actor)


def set_plan(store: Store, who: str, plan: str, *, actor: str = "cli") -> Account:
    """Move the account to a plan. Raises UnknownAccount."""
    return _change_account(store, who, plan=plan, actor=actor)


def change_account(
    connection: Connection,
    account: Account,
    *,
    plan: str | None = None,
    status: AccountStatus | None = None,
    actor: str = "cli",
) -> Account:
    """Change an account within the caller's transaction; None leaves a field as it is."""
    changed = msgspec.structs.replace(account, plan=plan or account.plan, status=status or account.status)
    if changed == account:
        return account
    statement = update(accounts).where(accounts.c.id == account.id)
    connection.execute(statement.values(plan=changed.plan, status=changed.status))
    announce(connection, "account", account.id, now_ms())
    if changed.plan != account.plan:
        _note_account(connection, actor, "account.plan", account, changed)
    if changed.status != account.status:
        action = "account.freeze" if changed.status == "frozen" else "account.unfreeze"
        _note_account(connection, actor, action, account, changed)
    return changed


def _change_account(
    store: Store,
    who: str,
    *,
    plan: str | None = None,
    status: AccountStatus | None = None,
    actor: str,
) -> Account:
    with store.begin() as connection:
        account = find_account(connection, who)
        return change_account(connection, account, plan=plan, status=status, actor=actor)


def _note_account(
    connection: Connection, actor: str, action: str, before: Account | None, after: Account
) -> None:
    """Into the audit log, without the email: it has to be forgotten with the account."""
    states = [one and {"plan": one.plan, "status": one.status} for one in (before, after)]
    audit.note(
        connection,
        actor=actor,
        action=action,
        subject=f"account:{after.id}",
        before=states[0],
        after=states[1],
        at_ms=now_ms(),
    )


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a key, or to make it of: UNSET leaves a field as it is, None lifts a restriction."""

    name: str | UnsetType = UNSET
    expires_ms: int | UnsetType | None = UNSET
    budget_nanos: int | UnsetType | None = UNSET
    budget_period: str | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType | None = UNSET
    endpoints: tuple[str, ...] | UnsetType | None = UNSET
    addresses: tuple[str, ...] | UnsetType | None = UNSET


def create_key(
    store: Store,
    who: str,
    *,
    name: str = "",
    expires_ms: int | None = None,
    budget_nanos: int | None = None,
    budget_period: str = "total",
    models: tuple[str, ...] | None = None,
    endpoints: tuple[str, ...] | None = None,
    addresses: tuple[str, ...] | None = None,
    keys_max: int | None = None,
    actor: str = "cli",
) -> NewKey:
    """Make a key for an account and return it, the only time that it is seen: only its hash is stored. None
    restricts nothing. Raises UnknownAccount, UnfitValue, TooManyKeys."""
    wanted = KeyChange(
        name=name,
        expires_ms=expires_ms,
        budget_nanos=budget_nanos,
        budget_period=budget_period,
        models=models,
        endpoints=endpoints,
        addresses=addresses,
    )
    with store.begin() as connection:
        account_id = find_account(connection, who).id
        return add_key(connection, account_id, wanted, keys_max=keys_max, actor=actor)


def add_key(
    connection: Connection,
    account_id: str,
    wanted: KeyChange,
    *,
    keys_max: int | None = None,
    actor: str = "cli",
) -> NewKey:
    """The same for an account that is there, within the caller's transaction. Raises UnfitValue,
    TooManyKeys."""
    values = _columns(wanted)
    if keys_max is not None:
        _check_count(connection, account_id, keys_max)
    made = _insert_key(connection, account_id, **values)
    _note(connection, actor, "key.create", None, find_key(connection, made.id))
    return made


def update_key(store: Store, key_id: str, change: KeyChange, *, actor: str = "cli") -> Key:
    """Change what is given. A budget of another period begins to count anew. Raises UnknownKey,
    UnfitValue."""
    values = _columns(change)
    with store.begin() as connection:
        key = find_key(connection, key_id)
        if values.get("budget_period", key.budget_period) != key.budget_period:
            values |= {"period_since_ms": None, "period_base_nanos": 0}
        return _write_key(connection, key, values, actor=actor, action="key.update") if values else key


def freeze_key(store: Store, key_id: str, *, by: FrozenBy = "operator", actor: str = "cli") -> Key:
    """Refuse the key's calls until it is unfrozen; what the operator froze stays so for its owner. Raises
    UnknownKey, KeyRevoked."""
    with store.begin() as connection:
        key = find_key(connection, key_id)
        _check_not_revoked(key)
        if key.frozen_by == "operator":
            by = "operator"
        values = {"status": "frozen", "frozen_by": by}
        return _write_key(connection, key, values, actor=actor, action="key.freeze")


def unfreeze_key(store: Store, key_id: str, *, by: FrozenBy = "operator", actor: str = "cli") -> Key:
    """Serve the key's calls again. Raises UnknownKey, KeyRevoked, KeyHeld."""
    with store.begin() as connection:
        key = find_key(connection, key_id)
        _check_not_revoked(key)
        if key.frozen_by == "operator" != by:
            raise KeyHeld
        values = {"status": "active", "frozen_by": None}
        return _write_key(connection, key, values, actor=actor, action="key.unfreeze")


def revoke_key(store: Store, key_id: str, *, actor: str = "cli") -> Key:
    """End the key for good. Raises UnknownKey."""
    with store.begin() as connection:
        key = find_key(connection, key_id)
        return _write_key(connection, key, {"status": "revoked"}, actor=actor, action="key.revoke")


def delete_key(store: Store, key_id: str, *, actor: str = "cli") -> Key:
    """Revoke the key and hide it from lists; its records stay. Raises UnknownKey."""
    with store.begin() as connection:
        key = find_key(connection, key_id)
        values = {"status": "revoked", "deleted_ms": key.deleted_ms or now_ms()}
        return _write_key(connection, key, values, actor=actor, action="key.delete")


def rotate_key(store: Store, key_id: str, *, overlap_ms: int = 0, actor: str = "cli") -> NewKey:
    """Give the key a new secret and return it, the only time that it is seen. Name, budget, limits and
    records stay. The secret until now works for `overlap_ms` more; one from an earlier rotation ends. Raises
    UnknownKey, KeyRevoked."""
    rules.parse_overlap(overlap_ms)
    with store.begin() as connection:
        key = find_key(connection, key_id)
        _check_not_revoked(key)
        made, values = _new_secret(connection, key_id, overlap_ms)
        _write_key(connection, key, values, actor=actor, action="key.rotate")
    return made


def issue_playground_key(store: Store, account_id: str, *, lifetime_ms: int) -> NewKey:
    """A key with which the console calls for the account, under the same id each time. Its calls count on
    the limits of the account's oldest key (KeyEntry.limited_as), so that it is no allowance besides. The one
    issued before works until it expires. Is no change that anybody would look for, so it is not in the audit
    log. Raises UnknownAccount."""
    expires_ms = now_ms() + lifetime_ms
    with store.begin() as connection:
        _lock_account(connection, account_id)
        query = select(keys).where(keys.c.account_id == account_id, keys.c.kind == "playground")
        row = connection.execute(query).first()
        if row is None:
            return _insert_key(
                connection, account_id, name="playground", kind="playground", expires_ms=expires_ms
            )
        made, values = _new_secret(connection, row.id, max(0, row.expires_ms - now_ms()))
        connection.execute(update(keys).where(keys.c.id == row.id).values(**values, expires_ms=expires_ms))
        announce(connection, "key", row.id, now_ms())
    return made


_PARSED: dict[str, Callable[[Any], Any]] = {
    "name": rules.parse_name,
    "budget_nanos": rules.parse_budget,
    "budget_period": rules.parse_period,
    "models": partial(rules.parse_scope, field="models"),
    "endpoints": partial(rules.parse_scope, field="endpoints"),
    "addresses": rules.parse_networks,
}


def _columns(change: KeyChange) -> dict[str, Any]:
    """What to write of the key's row. Raises UnfitValue."""
    values: dict[str, Any] = {}
    for field in change.__struct_fields__:
        given = getattr(change, field)
        if given is not UNSET:
            parsed = _PARSED[field](given) if field in _PARSED else given
            values[field] = msgspec.json.encode(parsed).decode() if isinstance(parsed, tuple) else parsed
    return values


def _insert_key(connection: Connection, account_id: str, **values: Any) -> NewKey:
    key_id = new_id("key")
    made, secret = _new_secret(connection, key_id)
    row = {"id": key_id, "account_id": account_id, "status": "active", "created_ms": now_ms()}
    connection.execute(insert(keys).values(**row, **secret, **values))
    _announce(connection, account_id, key_id)
    return made


def _announce(connection: Connection, account_id: str, key_id: str) -> None:
    """Tell servers of a change of a key, and of the playground's, which is limited as the oldest."""
    announce(connection, "key", key_id, now_ms())
    own = (keys.c.account_id == account_id, keys.c.kind == "playground", keys.c.id != key_id)
    for other in connection.execute(select(keys.c.id).where(*own)).scalars().all():
        announce(connection, "key", other, now_ms())


def _new_secret(
    connection: Connection, key_id: str, overlap_ms: int | None = None
) -> tuple[NewKey, dict[str, Any]]:
    """A new secret for a key, and the columns to write; `overlap_ms` is how long the one that it has now
    still works. None: it has none. Raises UnfitValue."""
    prefix = rules.parse_prefix(key_prefix(connection))
    made = NewKey(key_id, new_key(prefix))
    values: dict[str, Any] = {"hash": hash_key(made.key.encode()), "hint": rules.hint_of(made.key, prefix)}
    if overlap_ms is not None:
        values["old_hash"] = keys.c.hash if overlap_ms else None
        values["old_until_ms"] = now_ms() + overlap_ms if overlap_ms else None
    return made, values


def _check_count(connection: Connection, account_id: str, keys_max: int) -> None:
    """Raises TooManyKeys where the account has so many already."""
    _lock_account(connection, account_id)
    deleted_ms = keys.c.deleted_ms
    counted = or_(deleted_ms.is_(None), deleted_ms > now_ms() - rules.DELETED_COUNTS_MS)
    mine = (keys.c.account_id == account_id, keys.c.kind == "api")
    count = select(func.count()).select_from(keys).where(*mine, counted)
    if connection.execute(count).scalar_one() >= keys_max:
        raise TooManyKeys


def _lock_account(connection: Connection, account_id: str) -> None:
    """One at a time adds keys to an account. Raises UnknownAccount."""
    query = select(accounts.c.id).where(accounts.c.id == account_id).with_for_update()
    if connection.execute(query).first() is None:
        raise UnknownAccount(f"there is no account {account_id!r}")


def _check_not_revoked(key: Key) -> None:
    if key.status == "revoked":
        raise KeyRevoked


def _write_key(connection: Connection, key: Key, values: dict[str, Any], *, actor: str, action: str) -> Key:
    connection.execute(update(keys).where(keys.c.id == key.id).values(values))
    _announce(connection, key.account_id, key.id)
    changed = find_key(connection, key.id)
    _note(connection, actor, action, key, changed)
    return changed


def _note(connection: Connection, actor: str, action: str, before: Key | None, after: Key) -> None:
    """Tell the audit log what is different now."""
    was = {} if before is None else msgspec.to_builtins(before)
    now = msgspec.to_builtins(after)
    changed = [field for field in now if was.get(field) != now[field]]
    audit.note(
        connection,
        actor=actor,
        action=action,
        subject=f"key:{after.id}",
        before={field: was[field] for field in changed} if was else None,
        after={field: now[field] for field in changed},
        at_ms=now_ms(),
    )
