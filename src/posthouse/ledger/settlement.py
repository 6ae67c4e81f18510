"""Writes settlements: a usage record each, and what the charges change, in one transaction.

Two ways. `GroupSql.write` takes a whole group in as few statements as can be, on the driver's own connection:
every sqlite3 call lets go of the interpreter lock and must win it back from a busy event loop. `settle_one`
takes a single one step by step, where the group did not go through, and settles even what its allowance no
longer covers, without ever taking more than is there.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, replace
from sqlalchemy import Connection, Dialect, case, insert, select, update

from posthouse.kernel.clock import monotonic_s
from posthouse.kernel.outcome import Ending, Outcome
from posthouse.kernel.periods import QUARTER_MS
from posthouse.ledger import claims, owned, rollups
from posthouse.ledger.allowances import free_nanos, own_allowance
from posthouse.ledger.claims import Claim
from posthouse.ledger.owned import Owned
from posthouse.store.schema import allowances, keys, ledger_accounts, price_snapshots, usage_records
from posthouse.store.upsert import insert_if_absent

GROUP_ROWS_MAX = 64  # rows per statement: past that a longer one saves nothing, and each length is cached
_ENDINGS = {ending: str(ending.value) for ending in Ending}
_encode = msgspec.json.Encoder().encode


class Snapshot(NamedTuple):
    """The price that a charge was made with: its id and its lines as JSON."""

    price_id: str
    lines: str


class Charged(Struct, eq=False):
    """One settlement to write; the outcome has its final charge. `made`: an object that the call made."""

    outcome: Outcome
    snapshot: Snapshot | None
    claim: Claim | None
    made: Owned | None


class AllowanceLost(Exception):
    """Some account of the group has no allowance of this process any more, or less than the group spends."""


class Late(Exception):
    """Some record of the group may belong to what is already rolled up: it is written by itself."""


# Of a record what calls of a burst have in common: how they ended, whose they were, of what, which channel.
_COMMON = slice(1, 13)


def usage_row(outcome: Outcome) -> list[Any]:
    """The outcome as a row of usage_records, in the order of its columns."""
    return _row(astuple(outcome))


def _row(record: tuple[Any, ...]) -> list[Any]:
    return [record[0], *_common(record), *_others(record)]


def _common(record: tuple[Any, ...]) -> list[Any]:
    values = [*record[_COMMON]]
    values[0] = _ENDINGS[values[0]]
    values[9] = 1 if values[9] else 0
    values[10] = bytearray(values[10])  # for bytes, as for bool, sqlite3 searches an adapter each time
    return values


def _others(record: tuple[Any, ...]) -> list[Any]:
    """What comes behind it."""
    values = [*record[_COMMON.stop :]]
    values[0] = _encode(values[0]).decode()
    values[1] = _encode(values[1]).decode()
    values[5] = 1 if values[5] else 0
    return values


_INSERT_USAGE = "INSERT INTO usage_records ({columns}) VALUES {rows}"
_UPDATE_BALANCES = """
    UPDATE ledger_accounts SET balance_nanos = balance_nanos - charged.column2
    FROM (VALUES {rows}) AS charged WHERE id = charged.column1"""
_UPDATE_ALLOWANCES = """
    UPDATE allowances SET spent_nanos = spent_nanos + charged.column2
    FROM (VALUES {rows}) AS charged WHERE account_id = charged.column1 AND process_id = {mark}"""
# What a call is charged that began before the key's counted period belongs to the ones before.
_UPDATE_KEYS = """
    UPDATE keys SET spent_nanos = spent_nanos + charged.column2, period_base_nanos = period_base_nanos
        + CASE WHEN period_since_ms > {mark} THEN charged.column2 ELSE 0 END
    FROM (VALUES {rows}) AS charged WHERE id = charged.column1"""
# The same for one row, which is what most groups have: SQLite makes a table of its own for each FROM.
_UPDATE_BALANCE = "UPDATE ledger_accounts SET balance_nanos = balance_nanos - ?2 WHERE id = ?1"
_UPDATE_ALLOWANCE = """
    UPDATE allowances SET spent_nanos = spent_nanos + ?2 WHERE account_id = ?1 AND process_id = ?3"""
_UPDATE_KEY = """
    UPDATE keys SET spent_nanos = spent_nanos + ?3, period_base_nanos = period_base_nanos
        + CASE WHEN period_since_ms > ?1 THEN ?3 ELSE 0 END WHERE id = ?2"""
_INSERT_PRICE = "INSERT INTO price_snapshots (id, lines) VALUES ({mark}, {mark}) ON CONFLICT DO NOTHING"
_READ_PROMISE = "SELECT promised FROM usage_watermark"
_LOCK_BALANCES = "SELECT 1 FROM ledger_accounts WHERE id = ANY(%s) ORDER BY id FOR UPDATE"


class GroupSql:
    """The statements of a group, for one database dialect."""

    def __init__(self, dialect: Dialect, process_id: str) -> None:
        self._process_id = process_id
        self._postgresql = dialect.name == "postgresql"
        mark = "%s" if self._postgresql else "?"
        pair = "(%s::text, %s::bigint)" if self._postgresql else "(?, ?)"
        columns = [column.name for column in usage_records.columns]
        insert_usage = _INSERT_USAGE.replace("{columns}", ", ".join(columns))
        self._insert_usage = _by_length(insert_usage, f"({', '.join([mark] * len(columns))})", mark)
        columns = columns[_COMMON] + columns[:1] + columns[_COMMON.stop :]
        insert_usage = _INSERT_USAGE.replace("{columns}", ", ".join(columns))
        marks = [f"?{number}" if number < _COMMON.stop else "?" for number in range(1, len(columns) + 1)]
        self._insert_alike = _by_length(insert_usage, f"({', '.join(marks)})", mark)
        self._update_balances = _by_length(_UPDATE_BALANCES, pair, mark)
        self._update_allowances = _by_length(_UPDATE_ALLOWANCES, pair, mark)
        self._update_keys = _by_length(_UPDATE_KEYS, pair, mark)
        if not self._postgresql:
            self._update_balances[1] = _UPDATE_BALANCE
            self._update_allowances[1] = _UPDATE_ALLOWANCE
            self._update_keys[1] = _UPDATE_KEY
        self._insert_price = _INSERT_PRICE.replace("{mark}", mark)
        self._insert_owned = owned.insert_sql(dialect)
        self._known_prices: set[str] = set()
        self._promised = ""
        self._promise_read_s = float("-inf")

    def is_late(self, outcome: Outcome) -> bool:
        """Whether the record must be written by itself, as far as is known: see ledger/rollups.py."""
        return outcome.request_id < self._promised

    def write(self, connection: Any, group: Sequence[Charged]) -> None:
        """Write and commit the group on a DBAPI connection that is in no transaction. Raises AllowanceLost,
        Late or the driver's exception; then roll back."""
        if not self._postgresql:
            connection.execute("BEGIN IMMEDIATE")
        self._heed_promise(connection, group)
        by_account, by_quarter = _sums(group)
        if self._postgresql and by_account:
            # In one order in every process, so that two groups can't wait for each other.
            connection.execute(_LOCK_BALANCES, [sorted(by_account)])
        for start in range(0, len(group), GROUP_ROWS_MAX):
            self._insert(connection, [one.outcome for one in group[start : start + GROUP_ROWS_MAX]])
        self._add(connection, self._update_balances, by_account)
        mine = (self._process_id,)
        if self._add(connection, self._update_allowances, by_account, last=mine) != len(by_account):
            raise AllowanceLost
        for quarter, by_key in by_quarter.items():
            self._add(connection, self._update_keys, by_key, first=(quarter * QUARTER_MS,))
        new_prices = self._write_prices(connection, group)
        for charged in group:
            if charged.made is not None:
                connection.execute(self._insert_owned, charged.made)
        connection.execute("COMMIT")
        self._known_prices.update(new_prices)

    def _insert(self, connection: Any, outcomes: list[Outcome]) -> None:
        """Insert usage records. What all of them have in common is bound once: a text costs SQLite as much to
        bind as to write."""
        rows = [astuple(outcome) for outcome in outcomes]
        common = rows[0][_COMMON]
        if not self._postgresql and all(row[_COMMON] == common for row in rows):
            sql, values = self._insert_alike, _common(rows[0])
            for row in rows:
                values.append(row[0])
                values += _others(row)
        else:
            sql, values = self._insert_usage, [value for row in rows for value in _row(row)]
        connection.execute(sql[len(rows)], values)

    def _heed_promise(self, connection: Any, group: Sequence[Charged]) -> None:
        """Read now and then which records go by themselves, and raise Late where the group has one."""
        at_s = monotonic_s()
        if at_s - self._promise_read_s < rollups.READ_S:
            return
        (self._promised,) = connection.execute(_READ_PROMISE).fetchone()
        self._promise_read_s = at_s
        if any(self.is_late(charged.outcome) for charged in group):
            raise Late

    def _add(
        self,
        connection: Any,
        sql: list[str],
        sums: dict[str, int],
        *,
        first: tuple[int, ...] = (),
        last: tuple[str, ...] = (),
    ) -> int:
        """Apply the sums; the number of rows that there were. `first` and `last` are the statement's other
        values, before and after its rows'."""
        items = list(sums.items())
        rows = 0
        for start in range(0, len(items), GROUP_ROWS_MAX):
            part = items[start : start + GROUP_ROWS_MAX]
            values = [value for item in part for value in item]
            rows += connection.execute(sql[len(part)], [*first, *values, *last]).rowcount
        return rows

    def _write_prices(self, connection: Any, group: Sequence[Charged]) -> set[str]:
        """Write the snapshots that this process has not written yet; returns their ids."""
        snapshots = {charged.snapshot for charged in group if charged.snapshot is not None}
        new = [snapshot for snapshot in snapshots if snapshot.price_id not in self._known_prices]
        for snapshot in new:
            connection.execute(self._insert_price, snapshot)
        return {snapshot.price_id for snapshot in new}


def settle_one(connection: Connection, process_id: str, charged: Charged) -> Outcome:
    """Write one settlement within the caller's transaction; nothing where it is already written. The charge
    is lowered to what this process's allowance and the free balance cover, the rest is shortfall. Returns the
    outcome as written."""
    outcome = charged.outcome
    if is_written(connection, outcome.request_id):
        return outcome
    free = max(0, free_nanos(connection, outcome.account_id))
    own = own_allowance(connection, process_id, outcome.account_id)
    left = 0 if own is None else own.granted_nanos - own.spent_nanos
    outcome = lower_charge(outcome, left + free)
    charge = outcome.charge_nanos
    connection.execute(insert(usage_records).values(usage_row(outcome)))
    rollups.add_late(connection, outcome.request_id)
    _add_one(connection, ledger_accounts.c.balance_nanos, -charge, id=outcome.account_id)
    mine = {"account_id": outcome.account_id, "process_id": process_id}
    _add_one(connection, allowances.c.spent_nanos, min(charge, left), **mine)
    late = case((keys.c.period_since_ms > outcome.started_ms, charge), else_=0)
    columns = {
        "spent_nanos": keys.c.spent_nanos + charge,
        "period_base_nanos": keys.c.period_base_nanos + late,
    }
    connection.execute(update(keys).where(keys.c.id == outcome.key_id).values(columns))
    if charged.snapshot is not None:
        insert_if_absent(
            connection, price_snapshots, dict(zip(("id", "lines"), charged.snapshot, strict=True))
        )
    if charged.claim is not None:
        claims.settle(connection, charged.claim, outcome)
    if charged.made is not None:
        owned.record(connection, charged.made)
    return outcome


def lower_charge(outcome: Outcome, payable_nanos: int) -> Outcome:
    """The outcome with no more charged than can be paid; the rest is added to its shortfall."""
    if outcome.charge_nanos <= payable_nanos:
        return outcome
    missing = outcome.charge_nanos - payable_nanos
    return replace(outcome, charge_nanos=payable_nanos, shortfall_nanos=outcome.shortfall_nanos + missing)


def is_written(connection: Connection, request_id: str) -> bool:
    """Whether the usage record is there."""
    query = select(usage_records.c.request_id).where(usage_records.c.request_id == request_id)
    return connection.execute(query).first() is not None


def _add_one(connection: Connection, column: Any, nanos: int, **which: str) -> None:
    if nanos:
        connection.execute(update(column.table).filter_by(**which).values({column.name: column + nanos}))


def _sums(group: Sequence[Charged]) -> tuple[dict[str, int], dict[int, dict[str, int]]]:
    """What the group charges each account, and each key by the quarter of an hour in which its calls began:
    no day begins within one, so all of its calls lie on the same side of where a period does."""
    by_account: dict[str, int] = {}
    by_quarter: dict[int, dict[str, int]] = {}
    for charged in group:
        outcome = charged.outcome
        charge = outcome.charge_nanos
        if charge:
            by_account[outcome.account_id] = by_account.get(outcome.account_id, 0) + charge
            by_key = by_quarter.setdefault(outcome.started_ms // QUARTER_MS, {})
            by_key[outcome.key_id] = by_key.get(outcome.key_id, 0) + charge
    return by_account, by_quarter


def _by_length(template: str, row: str, mark: str) -> list[str]:
    """The statements for so many rows, up to GROUP_ROWS_MAX: the same text each time, so that it stays
    prepared."""
    template = template.replace("{mark}", mark)
    lengths = range(GROUP_ROWS_MAX + 1)
    return [template.replace("{rows}", ", ".join([row] * length)) for length in lengths]
