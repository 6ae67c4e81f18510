"""The steps of a chart, and quantiles of a histogram. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import groupby, takewhile
from typing import Literal, NamedTuple

from posthouse.kernel.periods import HOUR_MS, QUARTER_MS
from posthouse.kernel.problems import UnfitValue

Step = Literal["hour", "day", "month"]
STEPS_MAX = 1_000  # a chart has no more pixels for them; 31 days by hour are 744
_WIDTHS = {"hour": 4, "day": 96, "month": 96}  # quarters of an hour that can be added up as one


class Stretch(NamedTuple):
    """Slots from `since` up to `until` whose steps begin alike, so that those of one number belong to one
    step: number = (slot - shift) // width. Where clocks change, another stretch begins."""

    since: int
    until: int
    shift: int
    width: int

    def starts_ms(self, number: int) -> int:
        """When the slots of a number begin."""
        return (number * self.width + self.shift) * QUARTER_MS


def slots(since_ms: int, until_ms: int) -> tuple[int, int]:
    """The quarters of an hour from the one that a time lies in up to another's."""
    return since_ms // QUARTER_MS, -(-until_ms // QUARTER_MS)


def steps(step: Step, since_ms: int, until_ms: int, zone: tzinfo) -> tuple[int, ...]:
    """When each step of a time begins in the zone; the first may begin before `since_ms`. Raises
    UnfitValue for more than STEPS_MAX steps, or none."""
    if not 0 <= since_ms < until_ms:
        raise UnfitValue("until_ms", "before_its_begin")
    if until_ms - since_ms > STEPS_MAX * {"hour": 1, "day": 24, "month": 24 * 28}[step] * HOUR_MS:
        raise UnfitValue("step", "too_many_steps", max_length=STEPS_MAX)
    starts = takewhile(lambda start_ms: start_ms < until_ms, _starts(step, since_ms, zone))
    return tuple(dict.fromkeys(starts))  # a day that clocks skip begins when the next one does


def stretches(step: Step, starts: Sequence[int], since_ms: int, until_ms: int) -> Iterator[Stretch]:
    """The stretches of these steps, clipped to a time; together they have each of its slots once."""
    width = _WIDTHS[step]
    first, last = slots(since_ms, until_ms)
    groups = [(shift, [*part]) for shift, part in groupby(starts, lambda at: at // QUARTER_MS % width)]
    for number, (shift, part) in enumerate(groups):
        until = groups[number + 1][1][0] // QUARTER_MS if number + 1 < len(groups) else last
        yield Stretch(max(first, part[0] // QUARTER_MS), until, shift, width)


def quantile_ms(counts: Sequence[int], bounds_ms: Sequence[int], share: float) -> int:
    """About which time so much of a histogram lies below: within a bucket all times are taken for equally
    likely, above the last bound for the bound. 0: it is empty."""
    wanted = share * sum(counts)
    below, lower = 0, 0
    for count, upper in zip(counts, bounds_ms, strict=False):
        if count and below + count >= wanted:
            return round(lower + (upper - lower) * (wanted - below) / count)
        below, lower = below + count, upper
    return lower if sum(counts) else 0


def _starts(step: Step, since_ms: int, zone: tzinfo) -> Iterator[int]:
    """Begins of steps without end, from the one that a time lies in."""
    local = datetime.fromtimestamp(since_ms // 1000, zone)
    if step == "hour":
        at_ms = since_ms // 1000 * 1000 - (local.minute * 60 + local.second) * 1000
        while True:
            yield at_ms
            at_ms += HOUR_MS
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if step == "month":
        day = day.replace(day=1)
    while True:
        yield int(day.replace(tzinfo=zone).timestamp()) * 1000
        day = day + timedelta(days=1) if step == "day" else (day + timedelta(days=31)).replace(day=1)
