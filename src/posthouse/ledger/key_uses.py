"""When keys were last used. Changes nothing."""

from sqlalchemy import func, select, union_all

from posthouse.kernel.periods import QUARTER_MS
from posthouse.store.engine import Store
from posthouse.store.schema import usage_records
from posthouse.store.schema_rollups import usage_sums, usage_watermark


def last_uses(store: Store, account_id: str, *, since_ms: int) -> dict[str, int]:
    """When the last call of each of the account's keys began, by key, of those used since that time; of older
    calls to a quarter of an hour."""
    sums, records = usage_sums.c, usage_records.c
    rolled = select(func.coalesce(func.max(usage_watermark.c.rolled), "")).scalar_subquery()
    summed = select(sums.key_id, (func.max(sums.slot) * QUARTER_MS).label("at_ms")).where(
        sums.account_id == account_id, sums.slot >= since_ms // QUARTER_MS
    )
    newer = select(records.key_id, func.max(records.started_ms)).where(
        records.account_id == account_id, records.request_id >= rolled, records.started_ms >= since_ms
    )
    both = union_all(summed.group_by(sums.key_id), newer.group_by(records.key_id)).subquery()
    query = select(both.c.key_id, func.max(both.c.at_ms)).group_by(both.c.key_id)
    with store.read() as connection:
        return {key_id: int(at_ms) for key_id, at_ms in connection.execute(query)}
