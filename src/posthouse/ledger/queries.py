"""Reads balances, and proves the books; changes nothing."""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, Connection, Select, func, or_, select, union_all

from posthouse.ledger.errors import UnknownMember
from posthouse.ledger.rollups import wrong_sums
from posthouse.metering.prices import PriceLine, Tariff
from posthouse.store.engine import Store
from posthouse.store.schema import (
    accounts,
    allowances,
    keys,
    ledger_accounts,
    price_snapshots,
    transfers,
    usage_records,
)

ROWS_AT_ONCE = 1000  # of usage in memory, while a store of many millions is proved
DIFFERENCES_MAX = 10_000  # more than anybody reads; a store with so many is broken as a whole


class Member(NamedTuple):
    """An account, as far as money is concerned."""

    id: str
    plan: str


class Balance(msgspec.Struct, frozen=True):
    """What a member has, and how it came: balance = credited - debited - charged. `free_nanos` is what no
    running server holds."""

    account_id: str
    balance_nanos: int
    free_nanos: int
    credited_nanos: int
    debited_nanos: int
    charged_nanos: int


class Difference(msgspec.Struct, frozen=True):
    """Something in the books that should not be. `what` names the rule: balance, negative_balance, key_spent,
    key_period, allowance, amount, unknown_account, unknown_key, unknown_ledger_account, price_missing,
    price_changed, charge, sums. Where the rule is about an amount, `expected` is what the rows add up to and
    `actual` what is stored."""

    what: str
    subject: str
    expected: int = 0
    actual: int = 0


def find_member(connection: Connection, who: str) -> Member:
    """The account of that id or email. Raises UnknownMember."""
    query = select(accounts.c.id, accounts.c.plan)
    query = query.where(or_(accounts.c.id == who, accounts.c.email == who.strip().lower()))
    row = connection.execute(query).first()
    if row is None:
        raise UnknownMember(f"there is no account {who!r}")
    return Member(*row)


def get_balance(store: Store, who: str) -> Balance:
    """The balance of the account with that id or email. Raises UnknownMember."""
    with store.read() as connection:
        account_id = find_member(connection, who).id
        balance = _sum(connection, ledger_accounts.c.balance_nanos, ledger_accounts.c.id == account_id)
        held = allowances.c.granted_nanos - allowances.c.spent_nanos
        return Balance(
            account_id,
            balance,
            balance - _sum(connection, held, allowances.c.account_id == account_id),
            _sum(connection, transfers.c.amount_nanos, transfers.c.credit == account_id),
            _sum(connection, transfers.c.amount_nanos, transfers.c.debit == account_id),
            _sum(connection, usage_records.c.charge_nanos, usage_records.c.account_id == account_id),
        )


def get_member_balance(store: Store, account_id: str) -> int:
    """The balance alone, at the cost of one look-up; 0 where there is no such account."""
    with store.read() as connection:
        query = select(ledger_accounts.c.balance_nanos).where(ledger_accounts.c.id == account_id)
        return connection.execute(query).scalar() or 0


def members_balance(store: Store) -> int:
    """What all members have together."""
    with store.read() as connection:
        return _sum(connection, ledger_accounts.c.balance_nanos, ledger_accounts.c.kind == "member")


def balances(store: Store) -> dict[str, int]:
    """Balance of every ledger account, members and the operator's own, by id."""
    with store.read() as connection:
        rows = connection.execute(select(ledger_accounts.c.id, ledger_accounts.c.balance_nanos))
        return {row.id: row.balance_nanos for row in rows}


def verify(store: Store) -> list[Difference]:
    """Recompute the books from their rows, in one snapshot. Empty when nothing differs."""
    with store.read() as connection:
        checks = (_balances, _keys, _allowances, _orphans, _prices, _charges, _sums)
        found = (difference for check in checks for difference in check(connection))
        return [difference for difference, _ in zip(found, range(DIFFERENCES_MAX), strict=False)]


def _balances(connection: Connection) -> Iterator[Difference]:
    """Every ledger account's balance is its credits less its debits less the charges of its calls."""
    amount, charge = transfers.c.amount_nanos, usage_records.c.charge_nanos
    expected = _totals(
        connection,
        select(transfers.c.credit.label("id"), func.sum(amount).label("nanos")).group_by(transfers.c.credit),
        select(transfers.c.debit, -func.sum(amount)).group_by(transfers.c.debit),
        select(usage_records.c.account_id, -func.sum(charge)).group_by(usage_records.c.account_id),
    )
    rows = connection.execute(select(ledger_accounts)).all()
    for row in rows:
        nanos = expected.pop(row.id, 0)
        if nanos != row.balance_nanos:
            yield Difference("balance", row.id, nanos, row.balance_nanos)
        if row.kind == "member" and row.balance_nanos < 0:
            yield Difference("negative_balance", row.id, 0, row.balance_nanos)
    for ledger_id, nanos in expected.items():
        yield Difference("unknown_ledger_account", ledger_id, nanos)


def _keys(connection: Connection) -> Iterator[Difference]:
    """Every key has spent what its calls were charged."""
    by_key = select(usage_records.c.key_id, func.sum(usage_records.c.charge_nanos)).group_by(
        usage_records.c.key_id
    )
    expected = _totals(connection, by_key)
    for row in connection.execute(select(keys.c.id, keys.c.spent_nanos)):
        nanos = expected.pop(row.id, 0)
        if nanos != row.spent_nanos:
            yield Difference("key_spent", row.id, nanos, row.spent_nanos)
    for key_id, nanos in expected.items():
        yield Difference("unknown_key", key_id, nanos)
    yield from _periods(connection)


def _periods(connection: Connection) -> Iterator[Difference]:
    """Every key has spent in its day or month what the calls that began in it were charged."""
    by_key = (
        select(usage_records.c.key_id, func.sum(usage_records.c.charge_nanos))
        .join(keys, keys.c.id == usage_records.c.key_id)
        .where(usage_records.c.started_ms >= keys.c.period_since_ms)
        .group_by(usage_records.c.key_id)
    )
    expected = _totals(connection, by_key)
    counted = select(keys.c.id, (keys.c.spent_nanos - keys.c.period_base_nanos).label("nanos"))
    for row in connection.execute(counted.where(keys.c.period_since_ms.is_not(None))):
        if row.nanos != expected.get(row.id, 0):
            yield Difference("key_period", row.id, expected.get(row.id, 0), row.nanos)


def _allowances(connection: Connection) -> Iterator[Difference]:
    """Processes hold no more of a balance than there is."""
    held = func.sum(allowances.c.granted_nanos - allowances.c.spent_nanos)
    query = (
        select(ledger_accounts.c.id, ledger_accounts.c.balance_nanos, held)
        .join(allowances, allowances.c.account_id == ledger_accounts.c.id)
        .group_by(ledger_accounts.c.id, ledger_accounts.c.balance_nanos)
    )
    for ledger_id, balance, granted in connection.execute(query):
        if granted > balance:
            yield Difference("allowance", ledger_id, balance, int(granted))
    query = select(allowances).where(
        (allowances.c.spent_nanos < 0) | (allowances.c.spent_nanos > allowances.c.granted_nanos)
    )
    for row in connection.execute(query):
        yield Difference("allowance", row.account_id, row.granted_nanos, row.spent_nanos)


def _orphans(connection: Connection) -> Iterator[Difference]:
    """Every account has a ledger account, and the other way round; amounts have the sign that they must."""
    for account_id in _without(connection, accounts.c.id, ledger_accounts.c.id):
        yield Difference("unknown_ledger_account", account_id)
    members = select(ledger_accounts.c.id).where(ledger_accounts.c.kind == "member")
    for account_id in _without(connection, ledger_accounts.c.id, accounts.c.id, members):
        yield Difference("unknown_account", account_id)
    for row in connection.execute(select(transfers).where(transfers.c.amount_nanos <= 0)):
        yield Difference("amount", row.id, 0, row.amount_nanos)
    negative = or_(usage_records.c.charge_nanos < 0, usage_records.c.shortfall_nanos < 0)
    for row in connection.execute(select(usage_records).where(negative)):
        yield Difference("amount", row.request_id, 0, row.charge_nanos)


def _prices(connection: Connection) -> Iterator[Difference]:
    """Every price that a call was charged with is there, and is what it was: its id is a hash of its
    lines."""
    used = select(usage_records.c.price_id).where(usage_records.c.charge_nanos != 0).distinct()
    for price_id in _without(connection, usage_records.c.price_id, price_snapshots.c.id, used):
        yield Difference("price_missing", price_id)
    for row in connection.execute(select(price_snapshots)):
        if not hashlib.sha256(row.lines.encode()).hexdigest().startswith(row.id):
            yield Difference("price_changed", row.id)


def _charges(connection: Connection) -> Iterator[Difference]:
    """No call was charged more than its price snapshot makes of its quantities. Less is right where an
    Idempotency-Key had paid before."""
    tariffs = {row.id: _tariff(row.lines) for row in connection.execute(select(price_snapshots))}
    columns = usage_records.c
    asked = (columns.charge_nanos + columns.shortfall_nanos).label("asked_nanos")
    query = select(
        columns.request_id,
        columns.price_id,
        columns.quantities,
        columns.prompt_tokens,
        columns.service_tier,
        asked,
    ).where(columns.charge_nanos != 0)
    for row in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query):
        tariff = tariffs.get(row.price_id)
        quantities = msgspec.json.decode(row.quantities, type=dict[str, int])
        most_nanos = 0
        if tariff is not None:
            most_nanos = tariff.charge_nanos(quantities, row.prompt_tokens, row.service_tier)
        if row.asked_nanos > most_nanos:
            yield Difference("charge", row.request_id, most_nanos, row.asked_nanos)


def _sums(connection: Connection) -> Iterator[Difference]:
    """The sums that pages show are those of their records."""
    for which, expected, actual in wrong_sums(connection):
        yield Difference("sums", which, expected, actual)


def _tariff(lines: str) -> Tariff | None:
    """The tariff of a price snapshot; None when it is none (any more)."""
    try:
        return Tariff(msgspec.json.decode(lines, type=tuple[PriceLine, ...]))
    except (ValueError, msgspec.MsgspecError):
        return None


def _without(
    connection: Connection, column: Column[Any], other: Column[Any], query: Select[Any] | None = None
) -> list[str]:
    """The column's values that stand nowhere in the other table's column."""
    query = select(column) if query is None else query
    known = select(other).where(other == column)
    return list(connection.execute(query.where(~known.exists())).scalars())


def _totals(connection: Connection, *queries: Select[Any]) -> dict[str, int]:
    """Sums by id over queries of (id, sum)."""
    totals: dict[str, int] = {}
    for row_id, nanos in connection.execute(union_all(*queries)):
        totals[row_id] = totals.get(row_id, 0) + int(nanos)
    return totals


def _sum(connection: Connection, value: Any, condition: Any) -> int:
    return int(connection.execute(select(func.sum(value)).where(condition)).scalar() or 0)
