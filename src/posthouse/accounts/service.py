"""Makes and changes accounts and keys. Each function is one transaction, callable from any process: a running
server hears of the change within a second. Accounts are named by id or email."""

from typing import Any

import msgspec
from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from posthouse.accounts import rules
from posthouse.accounts.errors import EmailTaken, InvalidField
from posthouse.accounts.queries import default_plan, find_account, find_key, key_prefix
from posthouse.accounts.rules import Account, AccountStatus, Key, KeyStatus, NewKey
from posthouse.kernel.clock import now_ms
from posthouse.kernel.ids import new_id
from posthouse.kernel.secrets import hash_key, new_key
from posthouse.store.changes import announce
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, keys, ledger_accounts


def create_account(store: Store, email: str, *, plan: str | None = None) -> Account:
    """Make an account with an empty balance, on the given or the operator's default plan. Raises
    InvalidField, EmailTaken."""
    with store.begin() as connection:
        return add_account(connection, email, plan=plan)


def add_account(connection: Connection, email: str, *, plan: str | None = None) -> Account:
    """The same within the caller's transaction, which has failed with EmailTaken. Raises InvalidField,
    EmailTaken."""
    email = rules.parse_email(email)
    account = Account(new_id("acc"), email, plan or default_plan(connection), "active", now_ms())
    try:
        connection.execute(insert(accounts).values(msgspec.structs.asdict(account)))
    except IntegrityError:
        raise EmailTaken(f"there is already an account {email!r}") from None
    connection.execute(insert(ledger_accounts).values(id=account.id, kind="member", balance_nanos=0))
    return account


def freeze_account(store: Store, who: str) -> Account:
    """Refuse all calls of the account. Raises UnknownAccount."""
    return _change_account(store, who, status="frozen")


def unfreeze_account(store: Store, who: str) -> Account:
    """Serve the account's calls again. Raises UnknownAccount."""
    return _change_account(store, who, status="active")


def set_plan(store: Store, who: str, plan: str) -> Account:
    """Move the account to a plan. Raises UnknownAccount."""
    return _change_account(store, who, plan=plan)


def change_account(
    connection: Connection, account: Account, *, plan: str | None = None, status: AccountStatus | None = None
) -> Account:
    """Change an account within the caller's transaction; None leaves a field as it is."""
    changed = Account(
        account.id, account.email, plan or account.plan, status or account.status, account.created_ms
    )
    if changed != account:
        statement = update(accounts).where(accounts.c.id == account.id)
        connection.execute(statement.values(plan=changed.plan, status=changed.status))
        announce(connection, "account", account.id, now_ms())
    return changed


def _change_account(
    store: Store, who: str, *, plan: str | None = None, status: AccountStatus | None = None
) -> Account:
    with store.begin() as connection:
        return change_account(connection, find_account(connection, who), plan=plan, status=status)


def create_key(
    store: Store,
    who: str,
    *,
    name: str = "",
    expires_ms: int | None = None,
    budget_nanos: int | None = None,
    models: tuple[str, ...] | None = None,
    endpoints: tuple[str, ...] | None = None,
    addresses: tuple[str, ...] | None = None,
) -> NewKey:
    """Make a key for an account and return it, the only time that it is seen: only its hash is stored. None
    restricts nothing. Raises UnknownAccount, InvalidField."""
    with store.begin() as connection:
        return add_key(
            connection,
            find_account(connection, who).id,
            name=name,
            expires_ms=expires_ms,
            budget_nanos=budget_nanos,
            models=models,
            endpoints=endpoints,
            addresses=addresses,
        )


def add_key(
    connection: Connection,
    account_id: str,
    *,
    name: str = "",
    expires_ms: int | None = None,
    budget_nanos: int | None = None,
    models: tuple[str, ...] | None = None,
    endpoints: tuple[str, ...] | None = None,
    addresses: tuple[str, ...] | None = None,
) -> NewKey:
    """The same for an account that is there, within the caller's transaction. Raises InvalidField."""
    scope = _scope(models=models, endpoints=endpoints, addresses=addresses)
    prefix = rules.parse_prefix(key_prefix(connection))
    made = NewKey(new_id("key"), new_key(prefix))
    connection.execute(
        insert(keys).values(
            id=made.id,
            account_id=account_id,
            hash=hash_key(made.key.encode()),
            hint=rules.hint_of(made.key, prefix),
            name=rules.parse_name(name),
            status="active",
            created_ms=now_ms(),
            expires_ms=expires_ms,
            budget_nanos=rules.parse_budget(budget_nanos),
            **scope,
        )
    )
    announce(connection, "key", made.id, now_ms())
    return made


def freeze_key(store: Store, key_id: str) -> Key:
    """Refuse the key's calls until it is unfrozen. Raises UnknownKey, InvalidField when it is revoked."""
    return _set_status(store, key_id, "frozen")


def unfreeze_key(store: Store, key_id: str) -> Key:
    """Serve the key's calls again. Raises UnknownKey, InvalidField when it is revoked."""
    return _set_status(store, key_id, "active")


def revoke_key(store: Store, key_id: str) -> Key:
    """End the key for good. Raises UnknownKey."""
    return _set_status(store, key_id, "revoked")


def rename_key(store: Store, key_id: str, name: str) -> Key:
    """Raises UnknownKey, InvalidField."""
    return _change_key(store, key_id, name=rules.parse_name(name))


def expire_key(store: Store, key_id: str, expires_ms: int | None) -> Key:
    """Refuse the key's calls from that time on; None: never. Raises UnknownKey."""
    return _change_key(store, key_id, expires_ms=expires_ms)


def set_key_budget(store: Store, key_id: str, budget_nanos: int | None) -> Key:
    """Limit what the key may spend in all its life; None: no limit. Raises UnknownKey, InvalidField."""
    return _change_key(store, key_id, budget_nanos=rules.parse_budget(budget_nanos))


def set_key_scope(
    store: Store,
    key_id: str,
    *,
    models: tuple[str, ...] | None = None,
    endpoints: tuple[str, ...] | None = None,
    addresses: tuple[str, ...] | None = None,
) -> Key:
    """Replace the key's restrictions; None: not restricted. Raises UnknownKey, InvalidField."""
    return _change_key(store, key_id, **_scope(models=models, endpoints=endpoints, addresses=addresses))


def _scope(
    *, models: tuple[str, ...] | None, endpoints: tuple[str, ...] | None, addresses: tuple[str, ...] | None
) -> dict[str, str | None]:
    """The three columns' texts. Raises InvalidField."""
    parsed = {
        "models": rules.parse_scope(models),
        "endpoints": rules.parse_scope(endpoints),
        "addresses": rules.parse_networks(addresses),
    }
    return {
        column: None if items is None else msgspec.json.encode(items).decode()
        for column, items in parsed.items()
    }


def _set_status(store: Store, key_id: str, status: KeyStatus) -> Key:
    with store.begin() as connection:
        if find_key(connection, key_id).status == "revoked" != status:
            raise InvalidField(f"the key {key_id!r} is revoked for good; make a new one")
        return _write_key(connection, key_id, status=status)


def _change_key(store: Store, key_id: str, **values: Any) -> Key:
    with store.begin() as connection:
        return _write_key(connection, key_id, **values)


def _write_key(connection: Connection, key_id: str, **values: Any) -> Key:
    connection.execute(update(keys).where(keys.c.id == key_id).values(values))
    announce(connection, "key", key_id, now_ms())
    return find_key(connection, key_id)  # raises UnknownKey, and the notice is rolled back
