"""What is going on: the last calls by minute, of all processes. Reads only; at most RECENT_MAX records."""

import msgspec
from sqlalchemy import func, select

from posthouse.kernel.ids import first_request_id
from posthouse.kernel.periods import MINUTE_MS
from posthouse.ledger import measures
from posthouse.ledger.figures import quantile_ms
from posthouse.store.engine import Store
from posthouse.store.schema import usage_records
from posthouse.store.schema_rollups import TTFT_BOUNDS_MS, TTFT_COLUMNS

RECENT_MAX = 50_000  # some 30 ms; a service with more calls in that time sees fewer minutes
_SUMS = ("requests", "errors", "faults", "prompt_tokens", "completion_tokens", "charge_nanos", "cost_nanos")


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """The calls that started in one minute and have ended; quantiles of the time to a stream's first event,
    0: unknown."""

    start_ms: int
    requests: int = 0
    errors: int = 0
    faults: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    charge_nanos: int = 0
    cost_nanos: int = 0
    ttft_p50_ms: int = 0
    ttft_p95_ms: int = 0


def recent_minutes(store: Store, *, now_ms: int, minutes: int) -> list[Minute]:
    """The last minutes, the one under way too, oldest first; those without calls as zeros. Fewer, but
    two, where there were more than RECENT_MAX calls."""
    records = usage_records.c
    ids = records.request_id
    first = now_ms // MINUTE_MS - minutes + 1
    minute = (records.started_ms // MINUTE_MS).label("minute")
    named = {name: measures.OF_SERVICE[name] for name in (*_SUMS, *TTFT_COLUMNS)}
    with store.read() as connection:
        query = select(ids).order_by(ids.desc()).offset(RECENT_MAX).limit(1)
        edge = connection.execute(query.where(ids >= first_request_id(first * MINUTE_MS))).scalar()
        if edge is not None:  # the minute that it lies in is not whole
            whole = int(connection.execute(select(minute).where(ids == edge)).scalar_one()) + 1
            first = min(whole, now_ms // MINUTE_MS - 1)
        sums = [func.sum(expression).label(name) for name, expression in named.items()]
        wanted = (ids >= first_request_id(first * MINUTE_MS), records.started_ms >= first * MINUTE_MS)
        rows = connection.execute(select(minute, *sums).where(*wanted).group_by(minute)).all()
    found = {int(row.minute): row for row in rows}
    return [_minute(number, found.get(number)) for number in range(first, now_ms // MINUTE_MS + 1)]


def _minute(number: int, row: object) -> Minute:
    start_ms = number * MINUTE_MS
    if row is None:
        return Minute(start_ms=start_ms)
    counts = [int(getattr(row, column)) for column in TTFT_COLUMNS]
    p50, p95 = (quantile_ms(counts, TTFT_BOUNDS_MS, share) for share in (0.5, 0.95))
    sums = {name: int(getattr(row, name)) for name in _SUMS}
    return Minute(start_ms=start_ms, ttft_p50_ms=p50, ttft_p95_ms=p95, **sums)
