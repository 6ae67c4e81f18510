"""Adds settled usage records to sums by quarter of an hour, so that settling a call costs nothing more.

`usage_watermark` keeps the sums exact over any number of processes, whatever their clocks say:

    the sums have exactly the records whose id is below `rolled`  <=  `promised`

Rolling takes the records from `rolled` up to `promised`, a slice at a time. That no record appears in what
has been rolled is the settlements' part. One whose id is below `promised` looks at `rolled`, under the
roller's lock, and where it comes too late adds itself to the sums (`add_late`). Most are far above: they are
written in groups, which read `promised` every READ_S and not each time. So a promise is kept for AGED_S
before it is used; then every group under way knows of it. Both waits go by a clock that never goes back. Ids
come from the wall clock: if it does go back, every record takes the exact way until it has caught up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    Text,
    bindparam,
    delete,
    except_,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.compiler import SQLCompiler

from posthouse.kernel.clock import monotonic_s, now_ms
from posthouse.kernel.ids import first_request_id, time_of
from posthouse.kernel.periods import DAY_MS
from posthouse.ledger import measures
from posthouse.store.errors import StoreDown
from posthouse.store.schema import usage_records
from posthouse.store.schema_rollups import (
    account_days,
    address_days,
    channel_sums,
    model_hours,
    model_sums,
    usage_sums,
    usage_watermark,
)

GRACE_MS = 120_000  # most calls have ended by then; one that has not costs its settlement a few statements
READ_S = 20.0  # how long a settling process relies on the promise that it read
AGED_S = 120.0  # READ_S, and the longest that a group's statements can take (lock_timeout, statement_timeout)
ROLL_S = 30.0  # between two looks at what can be rolled
SLICE = 200  # records in one transaction: some 10 ms, which the settlements that come meanwhile wait for
ADDRESS_DAYS = 31  # signals of abuse look back 30 days (api/abuse.py), which begin in a 31st
WRONG_MAX = 1_000  # of a table, named by a proof
PAUSE_S = 0.02  # between two slices: what has come meanwhile is settled first

Run = Callable[[Callable[[Connection], Any]], Awaitable[Any]]  # Ledger.run


class Watermark(NamedTuple):
    """Ids: what the sums have, and what they may have next."""

    rolled: str
    promised: str


class Target(NamedTuple):
    """A table of sums: what its rows are keyed by and what they add up, as expressions over a record.
    `slots`: of how many quarters of an hour a row is."""

    table: Table
    keys: dict[str, ColumnElement[Any]]
    sums: dict[str, ColumnElement[int]]
    slots: int = 1


_records = usage_records.c
_COARSE = (
    Target(model_hours, {"slot": measures.slot_of(4), "model": _records.model}, measures.OF_SERVICE, 4),
    Target(
        account_days,
        {"slot": measures.slot_of(96), "account_id": _records.account_id},
        measures.OF_USAGE,
        96,
    ),
)
TARGETS = (
    Target(
        usage_sums,
        {
            "account_id": _records.account_id,
            "slot": measures.SLOT,
            "key_id": _records.key_id,
            "model": _records.model,
        },
        measures.OF_USAGE,
    ),
    Target(model_sums, {"slot": measures.SLOT, "model": _records.model}, measures.OF_SERVICE),
    Target(channel_sums, {"slot": measures.SLOT, "channel": _records.channel}, measures.OF_SERVICE),
    Target(
        address_days,
        {
            "day": measures.DAY,
            "address_hash": _records.address_hash,
            "account_id": _records.account_id,
            "key_id": _records.key_id,
        },
        measures.OF_ADDRESS,
    ),
    *_COARSE,
)
# Of which table each of these is a coarse one: it has the same calls, and fewer of the keys.
COARSE = {"model_sums": _COARSE[0], "usage_sums": _COARSE[1]}


def watermark(connection: Connection, *, lock: bool = False) -> Watermark:
    """Where the sums end. With `lock` nobody moves it until the transaction ends (SQLite: a transaction that
    writes is alone anyway)."""
    query = select(usage_watermark.c.rolled, usage_watermark.c.promised)
    return Watermark(*connection.execute(query.with_for_update() if lock else query).one())


def promise(connection: Connection, up_to: str) -> str:
    """Say that records below that id will be rolled; returns what is promised, which is never taken back."""
    is_more = usage_watermark.c.promised < up_to
    connection.execute(update(usage_watermark).where(is_more).values(promised=up_to))
    return watermark(connection).promised


def roll_slice(connection: Connection, promised: str) -> bool:
    """Add up to SLICE records below an aged promise to the sums; whether there are more."""
    rolled = watermark(connection, lock=True).rolled
    if rolled >= promised:
        return False
    ids = _records.request_id
    query = select(ids).where(ids >= rolled, ids < promised).order_by(ids).offset(SLICE).limit(1)
    end = connection.execute(query).scalar()
    _add(connection, rolled, end or promised)
    connection.execute(update(usage_watermark).values(rolled=end or promised))
    return end is not None


def add_late(connection: Connection, request_id: str) -> None:
    """Within the transaction that wrote the record: add it to the sums if they have passed it by."""
    if request_id < watermark(connection).promised and request_id < watermark(connection, lock=True).rolled:
        _add(connection, request_id, request_id + "g")  # above each hexadecimal digit: nothing lies between


def prune(connection: Connection) -> None:
    """Delete the calls by address of one day that no signal looks back to, if there is one."""
    day = address_days.c.day
    too_old = day < _first_day(watermark(connection).rolled)
    oldest = select(func.min(day)).where(too_old).scalar_subquery()
    connection.execute(delete(address_days).where(day == oldest))


class Roller:
    """Rolls up while a server runs; each process has one, and they take turns. `run` is the ledger's: the
    thread that settles also rolls, so that the two never wait for the database's lock."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._aging = ""  # what was promised last, and when by the clock that never goes back
        self._aging_since_s = monotonic_s()
        self._aged = ""  # what may be rolled
        self.on_error: Callable[[Exception], None] = lambda error: None

    async def roll_on(self) -> None:
        """For ever, until cancelled."""
        while True:
            try:
                await self.roll()
            except StoreDown as error:  # the sums wait; whoever reads them adds up more records meanwhile
                self.on_error(error)
            await asyncio.sleep(ROLL_S)

    async def roll(self) -> None:
        """Promise what is old enough, and roll what has been promised for long enough. Raises StoreDown."""
        if monotonic_s() - self._aging_since_s >= AGED_S:
            self._aged, self._aging = self._aging, ""
        if not self._aging:
            up_to = first_request_id(now_ms() - GRACE_MS)
            self._aging = await self._run(partial(promise, up_to=up_to))
            self._aging_since_s = monotonic_s()
        more = True
        while more:
            more = await self._run(partial(roll_slice, promised=self._aged))
            await asyncio.sleep(PAUSE_S)


def _add(connection: Connection, first: str, end: str) -> None:
    """Add the records from an id to before another to each table of sums."""
    for compiled in _additions(connection.dialect.name):
        values = {**compiled.params, "first": first, "end": end}
        order = compiled.positiontup  # of a driver that knows no names
        connection.exec_driver_sql(
            compiled.string, values if order is None else tuple(values[name] for name in order)
        )


@cache
def _additions(dialect_name: str) -> tuple[SQLCompiler, ...]:
    """The statement for each table. Made once: SQLAlchemy takes longer over them than the database, and holds
    the interpreter meanwhile."""
    driver: Any = pysqlite if dialect_name == "sqlite" else psycopg
    room: Any = sqlite if dialect_name == "sqlite" else postgresql
    ids, first, end = _records.request_id, bindparam("first", type_=Text), bindparam("end", type_=Text)
    made = []
    for target in TARGETS:
        query = grouped(target, ids >= first, ids < end)
        insert = room.insert(target.table).from_select([*target.keys, *target.sums], query)
        added = {name: target.table.c[name] + insert.excluded[name] for name in target.sums}
        insert = insert.on_conflict_do_update(index_elements=list(target.keys), set_=added)
        made.append(insert.compile(dialect=driver.dialect()))
    return tuple(made)


def grouped(target: Target, *conditions: ColumnElement[bool]) -> Select[Any]:
    """The sums of the records that meet the conditions, in the order of the table's key."""
    keys = [expression.label(name) for name, expression in target.keys.items()]
    sums = [func.sum(expression).label(name) for name, expression in target.sums.items()]
    return select(*keys, *sums).where(*conditions).group_by(*keys).order_by(*keys)


def wrong_sums(connection: Connection) -> Iterator[tuple[str, int, int]]:
    """Sums that are not what their records add up to: which, what the records say, and what is stored, of the
    first figure that differs. For `ledger verify`."""
    rolled = watermark(connection).rolled
    for target in TARGETS:
        expected = grouped(target, _records.request_id < rolled)
        stored = select(*[target.table.c[name] for name in (*target.keys, *target.sums)])
        if target.table is address_days:
            first = _first_day(rolled)
            expected = expected.where(target.keys["day"] >= first)
            stored = stored.where(address_days.c.day >= first)
        expected = expected.order_by(None)
        sides = [_by_key(connection, target, expected, stored), _by_key(connection, target, stored, expected)]
        for key in sides[0] | sides[1]:
            figures = [side.get(key, (0,) * len(target.sums)) for side in sides]
            one, other = next(pair for pair in zip(*figures, strict=True) if pair[0] != pair[1])
            yield f"{target.table.name} {' '.join(key)}", one, other


def _first_day(rolled: str) -> int:
    """The first day whose calls by address are kept. By what is rolled up, which never goes back, so that a
    proof expects none that a prune has deleted."""
    return time_of(rolled) // DAY_MS - ADDRESS_DAYS


def _by_key(
    connection: Connection, target: Target, query: Select[Any], other: Select[Any]
) -> dict[tuple[str, ...], tuple[int, ...]]:
    """The first rows of a query that the other lacks: their figures by their key."""
    width = len(target.keys)
    rows = connection.execute(except_(query, other).limit(WRONG_MAX))
    return {_text_of(row, width): tuple(int(figure) for figure in row[width:]) for row in rows}


def _text_of(row: Row[Any], width: int) -> tuple[str, ...]:
    return tuple(value.hex() if isinstance(value, bytes) else str(value) for value in row[:width])
