"""Budgets of keys in the store. Each function is a step of the caller's transaction.

A day or month counts the calls that began in it. The key's row keeps when the counted period began and what
the calls before it were charged, so

    spent in the period  =  spent_nanos - period_base_nanos

and a settlement adds to `spent_nanos` alone. Only a call that began in an earlier period and ends in this one
adds to both (settlement.py). The first who asks in a new period begins it.
"""

from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, func, select, update

from posthouse.kernel.ids import first_request_id
from posthouse.kernel.periods import QUARTER_MS, BudgetPeriod, span_at
from posthouse.store.configuration import operator_field
from posthouse.store.schema import keys, usage_records
from posthouse.store.schema_rollups import usage_sums, usage_watermark

_NAMES = ("id", "account_id", "budget_nanos", "budget_period", "spent_nanos", "period_since_ms")
_COLUMNS = [keys.c[name] for name in (*_NAMES, "period_base_nanos")]


class BudgetRow(NamedTuple):
    """A key's budget (None: no limit) in the period that runs, and what it has spent in it."""

    key_id: str
    limit_nanos: int | None
    spent_nanos: int
    period: BudgetPeriod
    since_ms: int
    until_ms: int


def key_budgets(connection: Connection, key_ids: list[str], at_ms: int) -> list[BudgetRow]:
    """The budgets of those keys that there are; begins the day or month of the operator's time zone where
    none was begun."""
    query = select(*_COLUMNS).where(keys.c.id.in_(key_ids))
    rows = connection.execute(query).all()
    zone = None
    if any(row.budget_period != "total" for row in rows):
        zone = ZoneInfo(operator_field(connection, "timezone", "UTC"))
    return [_budget(connection, row, zone or ZoneInfo("UTC"), at_ms) for row in rows]


def _budget(connection: Connection, row: Row[Any], zone: ZoneInfo, at_ms: int) -> BudgetRow:
    span = span_at(row.budget_period, at_ms, zone)
    spent_nanos = row.spent_nanos
    if row.budget_period != "total":
        since_ms = row.period_since_ms
        if since_ms is not None and since_ms > at_ms:  # another process's clock is ahead: its day stays
            span = span_at(row.budget_period, since_ms, zone)
        if since_ms == span.since_ms:
            spent_nanos -= row.period_base_nanos
        else:
            spent_nanos = _begin(connection, row.id, row.account_id, span.since_ms)
    return BudgetRow(row.id, row.budget_nanos, spent_nanos, row.budget_period, *span)


def _begin(connection: Connection, key_id: str, account_id: str, since_ms: int) -> int:
    """Count the period that began then; what the key has spent in it by now."""
    which = keys.c.id == key_id
    # Locked first: a settlement that is not seen below finds the new period when it comes to the key.
    spent_nanos = connection.execute(select(keys.c.spent_nanos).where(which).with_for_update()).scalar_one()
    in_period = spent_since(connection, account_id, key_id, since_ms)
    values = {"period_since_ms": since_ms, "period_base_nanos": spent_nanos - in_period}
    connection.execute(update(keys).where(which).values(values))
    return in_period


def spent_since(connection: Connection, account_id: str, key_id: str, since_ms: int) -> int:
    """What the key's calls that began at that time (a whole quarter of an hour) or later were charged. One
    statement, as one moment must be seen: what is in the sums, and the records that are not."""
    sums, records = usage_sums.c, usage_records.c
    rolled = select(func.coalesce(func.max(usage_watermark.c.rolled), "")).scalar_subquery()
    summed = select(func.coalesce(func.sum(sums.charge_nanos), 0)).where(
        sums.account_id == account_id, sums.key_id == key_id, sums.slot >= since_ms // QUARTER_MS
    )
    newer = select(func.coalesce(func.sum(records.charge_nanos), 0)).where(
        records.account_id == account_id,
        records.key_id == key_id,
        records.request_id >= first_request_id(since_ms),
        records.request_id >= rolled,
        records.started_ms >= since_ms,
    )
    return int(connection.execute(select(summed.scalar_subquery() + newer.scalar_subquery())).scalar_one())
