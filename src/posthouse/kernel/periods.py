"""Units of time, and days and months as spans of it. Pure."""

from datetime import datetime, timedelta, tzinfo
from typing import Literal, NamedTuple

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
QUARTER_MS = 15 * MINUTE_MS  # every time zone's days begin at a whole quarter of an hour, UTC
ALWAYS_MS = 2**63 - 1  # later than any time

BudgetPeriod = Literal["total", "day", "month"]


class Span(NamedTuple):
    """Milliseconds since 1970 UTC; `until_ms` is not included."""

    since_ms: int
    until_ms: int


def span_at(period: BudgetPeriod, at_ms: int, zone: tzinfo) -> Span:
    """The day or month of the time zone that a time lies in; for "total" all time."""
    if period == "total":
        return Span(0, ALWAYS_MS)
    first = datetime.fromtimestamp(at_ms // 1000, zone).replace(hour=0, minute=0, second=0, tzinfo=None)
    if period == "month":
        first = first.replace(day=1)
        last = (first + timedelta(days=31)).replace(day=1)
    else:
        last = first + timedelta(days=1)
    return Span(_ms(first, zone), _ms(last, zone))


def _ms(midnight: datetime, zone: tzinfo) -> int:
    """Where clocks skip midnight, the moment at which they do."""
    return int(midnight.replace(tzinfo=zone).timestamp()) * 1000
