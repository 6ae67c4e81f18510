"""Reads usage records; changes nothing. A usage record is read back as the Outcome that it was written
from."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, select

from posthouse.kernel.ids import first_request_id, ids_between
from posthouse.kernel.money import format_nanos
from posthouse.kernel.outcome import AttemptRecord, Ending, Outcome
from posthouse.kernel.periods import DAY_MS
from posthouse.kernel.sheets import iso_utc
from posthouse.ledger.queries import find_member
from posthouse.metering.arithmetic import Arithmetic, arithmetic
from posthouse.metering.prices import PriceLine, Tariff
from posthouse.store.engine import Store
from posthouse.store.schema import price_snapshots, usage_records

PAGE_MAX = 1000  # rows in memory at once; a longer list is read page by page
# Records that one page looks at: where few match, it ends short and says where to go on, so that no page of
# a store of many millions takes longer than another.
SCAN_MAX = 20_000

CSV_COLUMNS = (
    "request_id",
    "started_ms",
    "started_utc",  # the same, in ISO 8601: what people and spreadsheets read
    "account_id",
    "key_id",
    "plan",
    "family",
    "model",
    "endpoint",
    "stream",
    "ending",
    "http_status",
    "channel",
    "attempts",  # how many channels and credentials were tried
    "prompt_tokens",
    "completion_tokens",
    "quantities",
    "service_tier",
    "estimated",
    "charge",  # in the operator's currency, exact
    "shortfall",
    "cost",
    "price_id",
    "duration_ms",
    "ttft_ms",
)

# What a member's file leaves out: where calls went, and what they cost the operator.
MEMBER_CSV_COLUMNS = tuple(name for name in CSV_COLUMNS if name not in ("account_id", "channel", "cost"))


class UsageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which records: all that match every field that is set. `account` is an id or email; times are when a
    call started, `since_ms` included and `until_ms` not."""

    account: str = ""
    key_id: str = ""
    model: str = ""
    ending: str = ""
    channel: str = ""
    http_status: int = 0
    charge_min_nanos: int = 0
    since_ms: int = 0
    until_ms: int = 0


class UsagePage(msgspec.Struct, frozen=True):
    """Records, newest first, and what to pass as `before` for those that follow; "" at the end. A page may
    have fewer records than were asked for, even none, before the end."""

    records: tuple[Outcome, ...]
    next: str


class CountedCall(NamedTuple):
    """What the limits need to know of a call that was served before the restart."""

    started_ms: int
    key_id: str
    address_hash: bytes
    account_id: str
    plan: str
    family: str
    model: str
    tokens: int
    charge_nanos: int
    ending: str


class DaySpend(NamedTuple):
    """What one model's calls were charged on one day; `day` counts from 1970-01-01 in the asked time zone."""

    day: int
    model: str
    charge_nanos: int


def list_usage(store: Store, wanted: UsageFilter, *, before: str = "", limit: int = 100) -> UsagePage:
    """A page of records, newest first. Raises UnknownMember."""
    limit = max(1, min(limit, PAGE_MAX))
    with store.read() as connection:
        rows, following = _scan(connection, wanted, before, limit, oldest_first=False)
    return UsagePage(tuple(map(outcome_of, rows)), following)


def get_usage(store: Store, request_id: str) -> Outcome | None:
    """The record of a call; None where there is none."""
    with store.read() as connection:
        query = select(usage_records).where(usage_records.c.request_id == request_id)
        row = connection.execute(query).first()
    return None if row is None else outcome_of(row)


def price_lines(store: Store, price_id: str) -> tuple[PriceLine, ...]:
    """The lines of a price snapshot; none where it is not there: nothing was charged with it."""
    with store.read() as connection:
        query = select(price_snapshots.c.lines).where(price_snapshots.c.id == price_id)
        lines = connection.execute(query).scalar()
    return () if lines is None else msgspec.json.decode(lines, type=tuple[PriceLine, ...])


def explain(store: Store, one: Outcome) -> Arithmetic | None:
    """How the record's charge came about; None where nothing was priced."""
    lines = price_lines(store, one.price_id) if one.quantities else ()
    if not lines:
        return None
    tariff = Tariff(lines)
    return arithmetic(tariff, one.quantities, prompt_tokens=one.prompt_tokens, service_tier=one.service_tier)


def export_usage(
    store: Store, wanted: UsageFilter, columns: Sequence[str] = CSV_COLUMNS
) -> Iterator[list[str]]:
    """Rows for a CSV file, the header first, oldest record first; read page by page. Raises UnknownMember."""
    yield list(columns)
    after = ""
    while True:
        with store.read() as connection:
            rows, after = _scan(connection, wanted, after, PAGE_MAX, oldest_first=True)
        for row in rows:
            yield _csv_row(row, columns)
        if not after:
            return


def calls_since(store: Store, since_ms: int, plans: Iterable[str]) -> Iterator[CountedCall]:
    """Calls of these plans that started at that time or later, oldest first: what rebuilds the limits'
    counters."""
    columns = usage_records.c
    tokens = (columns.prompt_tokens + columns.completion_tokens).label("tokens")
    named = [tokens if name == "tokens" else columns[name] for name in CountedCall._fields]
    wanted = [*_since(since_ms), columns.plan.in_(tuple(plans))]
    query = select(*named).where(*wanted).order_by(columns.request_id)
    with store.read() as connection:
        for row in connection.execution_options(yield_per=PAGE_MAX).execute(query):
            yield CountedCall(*row)._replace(address_hash=bytes(row.address_hash))


def spend_by_day(
    store: Store, account_id: str, *, since_ms: int, until_ms: int, offset_ms: int = 0
) -> list[DaySpend]:
    """What each model was charged on each day of a time zone that is `offset_ms` ahead of UTC."""
    columns = usage_records.c
    day = ((columns.started_ms + offset_ms) // DAY_MS).label("day")
    query = (
        select(day, columns.model, func.sum(columns.charge_nanos))
        .where(columns.account_id == account_id, *_since(since_ms), columns.started_ms < until_ms)
        .group_by(day, columns.model)
        .order_by(day, columns.model)
    )
    with store.read() as connection:
        return [DaySpend(int(row[0]), row[1], int(row[2])) for row in connection.execute(query)]


def outcome_of(row: Row[Any]) -> Outcome:
    """The outcome that a row of usage_records was written from."""
    values = dict(row._mapping)
    values["ending"] = Ending(row.ending)
    values["stream"] = bool(row.stream)
    values["estimated"] = bool(row.estimated)
    values["address_hash"] = bytes(row.address_hash)
    values["attempts"] = msgspec.json.decode(row.attempts, type=tuple[AttemptRecord, ...])
    values["quantities"] = msgspec.json.decode(row.quantities, type=dict[str, int])
    return Outcome(**values)


def usage_fields(outcome: Outcome) -> dict[str, Any]:
    """The record as a JSON object, spelled as in the log: what `usage list --json` and the REST API show."""
    return dict(msgspec.to_builtins(outcome))


def _scan(
    connection: Connection, wanted: UsageFilter, cursor: str, limit: int, *, oldest_first: bool
) -> tuple[Sequence[Row[Any]], str]:
    """Up to `limit` records beyond the cursor, and the cursor of what follows; "" at the end. Looks at no
    more than SCAN_MAX records. Raises UnknownMember."""
    ids = usage_records.c.request_id
    account, others = _account(connection, wanted), _others(wanted)
    above, below = ids_between(wanted.since_ms, wanted.until_ms)
    order: ColumnElement[str] = ids if oldest_first else ids.desc()
    if oldest_first:
        above = max(above, cursor)
    else:
        below = min(below, cursor or below)
    # One bound on each side: of two, SQLite may begin at the wider one.
    within = (ids > above, ids < below)
    edge = None
    if others:
        query = select(ids).where(*account, *within).order_by(order).offset(SCAN_MAX - 1).limit(1)
        edge = connection.execute(query).scalar()
    if edge is not None:
        within = (within[0], ids <= edge) if oldest_first else (ids >= edge, within[1])
    query = select(usage_records).where(*account, *within, *others, *_times(wanted))
    rows = connection.execute(query.order_by(order).limit(limit + 1)).all()
    if len(rows) > limit:
        return rows[:limit], rows[limit - 1].request_id
    return rows, edge or ""


def _account(connection: Connection, wanted: UsageFilter) -> list[ColumnElement[bool]]:
    """The condition that the account's index answers, if there is one. Raises UnknownMember."""
    if not wanted.account:
        return []
    return [usage_records.c.account_id == find_member(connection, wanted.account).id]


def _others(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    """Conditions for which each record is looked at."""
    columns = usage_records.c
    names = ("key_id", "model", "ending", "channel", "http_status")
    others = [columns[name] == getattr(wanted, name) for name in names if getattr(wanted, name)]
    if wanted.charge_min_nanos:
        others.append(columns.charge_nanos >= wanted.charge_min_nanos)
    return others


def _times(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    """The exact times: ids are a little off."""
    started_ms = usage_records.c.started_ms
    times = [started_ms >= wanted.since_ms] if wanted.since_ms else []
    return [*times, started_ms < wanted.until_ms] if wanted.until_ms else times


def _since(since_ms: int) -> list[ColumnElement[bool]]:
    """Started at that time or later. Ids sort by time, so the primary key serves as the index of it."""
    columns = usage_records.c
    return [columns.request_id >= first_request_id(since_ms), columns.started_ms >= since_ms]


def _csv_row(row: Row[Any], columns: Sequence[str]) -> list[str]:
    values = dict(row._mapping)
    values["started_utc"] = iso_utc(row.started_ms)
    values["attempts"] = len(msgspec.json.decode(row.attempts))
    for column in ("charge", "shortfall", "cost"):
        values[column] = format_nanos(values[f"{column}_nanos"])
    return [str(values[column]) for column in columns]
