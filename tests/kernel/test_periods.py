from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from posthouse.kernel.periods import ALWAYS_MS, QUARTER_MS, BudgetPeriod, Span, span_at


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "zone", "at", "since", "until"),
    [
        ("day", "UTC", "2026-11-21T23:59:59Z", "2026-11-21T00:00Z", "2026-11-22T00:00Z"),
        ("day", "UTC", "2026-11-22T00:00Z", "2026-11-22T00:00Z", "2026-11-23T00:00Z"),
        ("day", "Asia/Shanghai", "2026-11-21T16:00Z", "2026-11-22T00:00+08:00", "2026-11-23T00:00+08:00"),
        ("day", "Asia/Kathmandu", "2026-11-21T18:14:59Z", "2026-11-21T00:00+05:45", "2026-11-22T00:00+05:45"),
        ("day", "Europe/Berlin", "2026-10-25T12:00Z", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("month", "UTC", "2026-11-21T12:00Z", "2026-11-01T00:00Z", "2026-12-01T00:00Z"),
        ("month", "UTC", "2026-12-31T23:59:59Z", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
        ("month", "Europe/Berlin", "2026-02-28T23:30Z", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
        # Clocks go from 23:59:59 to 01:00.
        ("day", "Africa/Cairo", "2026-04-24T12:00Z", "2026-04-24T01:00+03:00", "2026-04-25T00:00+03:00"),
    ],
)
def test_days_and_months(period: BudgetPeriod, zone: str, at: str, since: str, until: str) -> None:
    span = span_at(period, ms(at), ZoneInfo(zone))
    assert span == Span(ms(since), ms(until))
    assert span.since_ms % QUARTER_MS == 0
    assert span_at(period, span.since_ms, ZoneInfo(zone)) == span
    assert span_at(period, span.until_ms - 1, ZoneInfo(zone)) == span


def test_all_time() -> None:
    assert span_at("total", 5, UTC) == Span(0, ALWAYS_MS)
