from bisect import bisect_right
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.kernel.periods import QUARTER_MS
from posthouse.kernel.problems import UnfitValue
from posthouse.ledger.figures import STEPS_MAX, Step, quantile_ms, slots, steps, stretches

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
ZONES = ("UTC", "Asia/Shanghai", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "America/St_Johns")


def local(zone: str, *at: int) -> int:
    return int(datetime.fromisoformat(_iso(*at)).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def _iso(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> str:
    return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}"


@pytest.mark.parametrize(
    ("step", "zone", "since", "until", "expected"),
    [
        ("hour", "Asia/Kolkata", (2026, 1, 1, 5, 40), (2026, 1, 1, 7), [(2026, 1, 1, 5), (2026, 1, 1, 6)]),
        ("day", "Asia/Shanghai", (2026, 2, 28, 3), (2026, 3, 1, 1), [(2026, 2, 28), (2026, 3, 1)]),
        ("day", "Europe/Berlin", (2026, 3, 29), (2026, 3, 30), [(2026, 3, 29)]),
        ("month", "UTC", (2026, 12, 31), (2027, 2, 1), [(2026, 12, 1), (2027, 1, 1)]),
    ],
)
def test_steps_begin_where_the_zone_says(
    step: Step, zone: str, since: tuple[int, ...], until: tuple[int, ...], expected: list[tuple[int, ...]]
) -> None:
    found = steps(step, local(zone, *since), local(zone, *until), ZoneInfo(zone))
    assert list(found) == [local(zone, *at) for at in expected]


def test_what_is_no_time_for_a_chart() -> None:
    for since_ms, until_ms in ((5, 5), (6, 5), (-1, 5), (0, (STEPS_MAX + 1) * HOUR_MS)):
        with pytest.raises(UnfitValue):
            steps("hour", since_ms, until_ms, UTC)
    assert len(steps("hour", 0, STEPS_MAX * HOUR_MS, UTC)) == STEPS_MAX


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(["hour", "day", "month"]),
    st.integers(local("UTC", 2026, 1, 1), local("UTC", 2027, 12, 31)),
    st.integers(1, 40 * DAY_MS),
)
def test_each_slot_belongs_to_the_step_that_its_clock_says(
    zone: str, step: Step, since_ms: int, length_ms: int
) -> None:
    """By the numbers that SQL groups by, and by the zone's own clock."""
    until_ms = since_ms + length_ms
    starts = steps(step, since_ms, until_ms, ZoneInfo(zone))
    seen: list[int] = []
    for stretch in stretches(step, starts, since_ms, until_ms):
        for slot in range(stretch.since, stretch.until):
            begin_ms = stretch.starts_ms((slot - stretch.shift) // stretch.width)
            assert max(1, bisect_right(starts, begin_ms)) == bisect_right(starts, slot * QUARTER_MS)
            seen.append(slot)
    assert seen == list(range(*slots(since_ms, until_ms)))


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ([0, 0, 0], 0.5, 0),
        ([4, 0, 0], 0.5, 50),
        ([0, 4, 0], 0.5, 200),
        ([1, 1, 2], 0.5, 300),
        ([1, 0, 3], 0.95, 300),
    ],
)
def test_quantiles_of_a_histogram(counts: list[int], share: float, expected: int) -> None:
    assert quantile_ms(counts, (100, 300), share) == expected
