"""Reads sums of usage, exact to the record: what is rolled up (ledger/rollups.py) and the records since, in
one snapshot. Changes nothing.

Times are ms since 1970; `since_ms` is taken down and `until_ms`, which is not included, up to a whole quarter
of an hour. Every time zone's hours and days begin at one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, literal, select, union_all

from posthouse.kernel.ids import ids_between
from posthouse.kernel.periods import DAY_MS, QUARTER_MS
from posthouse.ledger import measures
from posthouse.ledger.errors import TooManyCalls
from posthouse.ledger.figures import Step, quantile_ms, slots, steps, stretches
from posthouse.ledger.rollups import COARSE, TARGETS, Target, watermark
from posthouse.store.engine import Store
from posthouse.store.schema import usage_records
from posthouse.store.schema_rollups import TTFT_BOUNDS_MS, TTFT_COLUMNS

Side = Literal["model", "key", "account"]
GROUPS_MAX = 5  # more lines in one chart nobody tells apart; the rest is one line, ""
ADDRESSES_MAX = 100_000  # rows of one answer: far more than a signal needs
_COLUMNS = {"model": "model", "key": "key_id", "account": "account_id"}
SUMMED_MAX = 50_000  # calls that one answer adds up one by one: some 0.2 s
_STATUS = ("requests", "faults", *TTFT_COLUMNS)
_USAGE, MODELS, _CHANNELS, _ADDRESSES, *_ = TARGETS


class Sums(msgspec.Struct, frozen=True):
    """What some calls add up to. `errors` are calls that failed, broke off, or got a status of 400 and up."""

    requests: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0  # of the prompt's
    reasoning_tokens: int = 0  # of the completion's
    charge_nanos: int = 0
    cost_nanos: int = 0
    duration_ms: int = 0


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Whose calls: all that match every field that is set."""

    account_id: str = ""
    key_id: str = ""
    model: str = ""
    # What no table of sums knows: with one of these the records themselves are added up, SUMMED_MAX at most.
    channel: str = ""
    ending: str = ""
    http_status: int = 0

    @property
    def wanted(self) -> dict[str, Any]:
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value}

    @property
    def is_narrow(self) -> bool:
        return bool(self.channel or self.ending or self.http_status)


EVERYTHING = Scope()
_SUMS = Sums.__struct_fields__


class Group(msgspec.Struct, frozen=True):
    """One line of a chart: a model, key or account, "" for all the others; `points` are as many as steps."""

    name: str
    total: Sums
    points: tuple[Sums, ...]


class Series(msgspec.Struct, frozen=True):
    """When each step starts, and the lines, dearest first. No group where there was no call."""

    starts_ms: tuple[int, ...]
    total: Sums
    groups: tuple[Group, ...]


class ModelStatus(msgspec.Struct, frozen=True):
    """How a model did in each step: calls, and those of them that no upstream answered or that ended with the
    upstream's fault (broken off, status 429, 500 and up). Quantiles are of the time to a stream's first
    event, from a histogram; 0: unknown."""

    model: str
    requests: tuple[int, ...]
    faults: tuple[int, ...]
    ttft_p50_ms: int
    ttft_p95_ms: int


class Statuses(msgspec.Struct, frozen=True):
    """When each step starts, and how each called model did, by name."""

    starts_ms: tuple[int, ...]
    models: tuple[ModelStatus, ...]


class ChannelSums(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls that a channel answered add up to; channel "": that none answered."""

    channel: str
    requests: int
    errors: int
    faults: int
    charge_nanos: int
    cost_nanos: int
    duration_ms: int
    ttft_p50_ms: int
    ttft_p95_ms: int


class ChannelCourse(msgspec.Struct, frozen=True, kw_only=True):
    """How the calls that a channel answered went in each step; fields as in ModelStatus."""

    channel: str
    requests: tuple[int, ...]
    faults: tuple[int, ...]
    ttft_p50_ms: tuple[int, ...]
    ttft_p95_ms: tuple[int, ...]


class AddressUse(msgspec.Struct, frozen=True):
    """Calls from one address (its keyed hash) with one key."""

    address_hash: bytes
    account_id: str
    key_id: str
    requests: int


def totals(store: Store, scope: Scope, *, since_ms: int, until_ms: int) -> Sums:
    """What the calls of that time add up to. Raises TooManyCalls for a narrow scope."""
    with store.read() as connection:
        (row,) = added(connection, _source(scope), (), slots(since_ms, until_ms), scope, figures=_SUMS)
    return _sums(row) if row.requests else Sums()


def series(
    store: Store,
    scope: Scope,
    *,
    since_ms: int,
    until_ms: int,
    step: Step,
    zone: tzinfo,
    by: Side | None = None,
) -> Series:
    """Sums by step of the time zone, filled with zeros, for at most GROUPS_MAX groups and the rest as "".
    Raises UnfitValue for more than STEPS_MAX steps, or none; TooManyCalls for a narrow scope."""
    starts = steps(step, since_ms, until_ms, zone)
    names = [] if by is None else [_COLUMNS[by]]
    lines: dict[str, list[Sums]] = {}
    with store.read() as connection:
        for stretch in stretches(step, starts, since_ms, until_ms):
            span = (stretch.since, stretch.until)
            source, unit = _source(scope, by), (stretch.shift, stretch.width)
            for row in added(connection, source, names, span, scope, unit=unit, figures=_SUMS):
                points = lines.setdefault(row[1] if by else "", [Sums()] * len(starts))
                at = max(0, bisect_right(starts, stretch.starts_ms(int(row.number))) - 1)
                points[at] = _sum((points[at], _sums(row)))
    groups = sorted(
        (Group(name, _sum(points), tuple(points)) for name, points in lines.items()),
        key=lambda group: (-group.total.charge_nanos, -group.total.requests, group.name),
    )
    return Series(starts, _sum(group.total for group in groups), _folded(groups))


def ranking(
    store: Store, scope: Scope, *, since_ms: int, until_ms: int, by: Side, limit: int = 20
) -> list[tuple[str, Sums]]:
    """The models, keys or accounts with the largest charge: id or name, and what they add up to."""
    with store.read() as connection:
        span = slots(since_ms, until_ms)
        rows = added(connection, _source(scope, by), [_COLUMNS[by]], span, scope, figures=_SUMS)
    found = [(str(row[0]), _sums(row)) for row in rows]
    found.sort(key=lambda one: (-one[1].charge_nanos, -one[1].requests, one[0]))
    return found[:limit]


def model_statuses(
    store: Store, *, since_ms: int, until_ms: int, step: Literal["hour", "day"], zone: tzinfo
) -> Statuses:
    """How the models did. Over 90 days it takes a while: whoever shows it to everybody keeps it for a minute.
    Raises UnfitValue."""
    starts = steps(step, since_ms, until_ms, zone)
    requests: dict[str, list[int]] = {}
    faults: dict[str, list[int]] = {}
    ttft: dict[str, list[int]] = {}
    with store.read() as connection:
        for stretch in stretches(step, starts, since_ms, until_ms):
            span, unit = (stretch.since, stretch.until), (stretch.shift, stretch.width)
            for row in added(connection, MODELS, ["model"], span, unit=unit, figures=_STATUS):
                at = max(0, bisect_right(starts, stretch.starts_ms(int(row.number))) - 1)
                requests.setdefault(row.model, [0] * len(starts))[at] += int(row.requests)
                faults.setdefault(row.model, [0] * len(starts))[at] += int(row.faults)
                known = ttft.get(row.model, [0] * len(TTFT_COLUMNS))
                ttft[row.model] = [one + more for one, more in zip(known, _histogram(row), strict=True)]
    return Statuses(
        starts,
        tuple(
            ModelStatus(model, tuple(requests[model]), tuple(faults[model]), *_quantiles(ttft[model]))
            for model in sorted(requests)
        ),
    )


def channel_totals(store: Store, *, since_ms: int, until_ms: int) -> list[ChannelSums]:
    """What each channel's calls add up to, dearest first."""
    with store.read() as connection:
        rows = added(connection, _CHANNELS, ["channel"], slots(since_ms, until_ms))
    figures = ("requests", "errors", "faults", "charge_nanos", "cost_nanos", "duration_ms")
    found = []
    for row in rows:
        p50, p95 = _quantiles(_histogram(row))
        sums = {name: int(getattr(row, name)) for name in figures}
        found.append(ChannelSums(channel=row.channel, ttft_p50_ms=p50, ttft_p95_ms=p95, **sums))
    return sorted(found, key=lambda one: (-one.charge_nanos, -one.requests, one.channel))


def channel_courses(
    store: Store, *, since_ms: int, until_ms: int, quarters: int
) -> tuple[tuple[int, ...], list[ChannelCourse]]:
    """When each step of so many quarters of an hour starts, and how each channel did in it, by name."""
    since, until = slots(since_ms, until_ms)
    first, last = since // quarters, (until - 1) // quarters
    starts = tuple(number * quarters * QUARTER_MS for number in range(first, last + 1))
    found: dict[str, list[Any]] = {}
    with store.read() as connection:
        span = (first * quarters, (last + 1) * quarters)
        for row in added(connection, _CHANNELS, ["channel"], span, unit=(0, quarters)):
            found.setdefault(row.channel, [None] * len(starts))[int(row.number) - first] = row
    return starts, [_course(channel, found[channel]) for channel in sorted(found)]


def _course(channel: str, rows: Sequence[Any]) -> ChannelCourse:
    quantiles = [_quantiles(_histogram(row)) if row else (0, 0) for row in rows]
    return ChannelCourse(
        channel=channel,
        requests=tuple(int(row.requests) if row else 0 for row in rows),
        faults=tuple(int(row.faults) if row else 0 for row in rows),
        ttft_p50_ms=tuple(p50 for p50, _ in quantiles),
        ttft_p95_ms=tuple(p95 for _, p95 in quantiles),
    )


def address_uses(store: Store, *, since_ms: int, addresses: Sequence[bytes] = ()) -> list[AddressUse]:
    """Calls by address and key from that (UTC) day on; only from those addresses where some are given."""
    names = [name for name in _ADDRESSES.keys if name != "day"]
    with store.read() as connection:
        rolled = watermark(connection).rolled
        table, records = _ADDRESSES.table.c, usage_records.c
        day = since_ms // DAY_MS
        old = select(*[table[name] for name in (*names, "requests")]).where(table.day >= day)
        new = select(
            *[_ADDRESSES.keys[name] for name in names], measures.OF_ADDRESS["requests"].label("requests")
        )
        new = new.where(records.request_id >= rolled, records.started_ms >= day * DAY_MS)
        if addresses:
            old, new = (
                old.where(table.address_hash.in_(addresses)),
                new.where(records.address_hash.in_(addresses)),
            )
        both = union_all(old, new).subquery()
        query = select(*[both.c[name] for name in names], func.sum(both.c.requests))
        query = query.group_by(*[both.c[name] for name in names]).limit(ADDRESSES_MAX)
        rows = connection.execute(query).all()
    return [AddressUse(bytes(row[0]), row[1], row[2], int(row[3])) for row in rows]


def added(
    connection: Connection,
    target: Target,
    names: Sequence[str],
    span: tuple[int, int],
    scope: Scope = EVERYTHING,
    *,
    unit: tuple[int, int] | None = None,
    figures: Sequence[str] = (),
) -> Sequence[Any]:
    """Rows of names and sums (`figures`, else all that the table has), over what is rolled up and the records
    since, of the slots from the span's first to before its last. With a unit (shift and width) also by its
    `number`, which comes first. Raises TooManyCalls for a narrow scope."""
    if scope.is_narrow:
        _check_number(connection, scope, span)
    figures = figures or tuple(target.sums)
    arms = [_recorded(connection, target, names, span, scope, figures)]
    if not scope.is_narrow:
        pieces = _pieces(target, {*names, *scope.wanted}, span, unit)
        arms += [_rolled_up(*piece, names, scope, figures) for piece in pieces]
    both = union_all(*arms).subquery()
    keys: list[ColumnElement[Any]] = [both.c[name] for name in names]
    if unit is not None:
        keys.insert(0, ((both.c.slot - unit[0]) // unit[1]).label("number"))
    sums = [func.sum(both.c[name]).label(name) for name in figures]
    return connection.execute(select(*keys, *sums).group_by(*keys)).all()


def _recorded(
    connection: Connection,
    target: Target,
    names: Sequence[str],
    span: tuple[int, int],
    scope: Scope,
    figures: Sequence[str],
) -> Select[Any]:
    """The span's records that are not rolled up yet, one by one; of a narrow scope all."""
    records = usage_records.c
    since_ms, until_ms = span[0] * QUARTER_MS, span[1] * QUARTER_MS
    ids = (records.request_id >= watermark(connection).rolled,) if not scope.is_narrow else _ids(span)
    return select(
        target.keys["slot"].label("slot"),
        *[target.keys[name].label(name) for name in names],
        *[target.sums[name].label(name) for name in figures],
    ).where(
        *ids,
        records.started_ms >= since_ms,
        records.started_ms < until_ms,
        *[records[name] == value for name, value in scope.wanted.items()],
    )


def _rolled_up(
    target: Target, span: tuple[int, int], names: Sequence[str], scope: Scope, figures: Sequence[str]
) -> Select[Any]:
    """The span's rows of a table of sums."""
    table = target.table.c
    return select(table.slot, *[table[name] for name in names], *[table[name] for name in figures]).where(
        table.slot >= span[0],
        table.slot < span[1],
        *[table[name] == value for name, value in scope.wanted.items()],
    )


def _pieces(
    target: Target, known: set[str], span: tuple[int, int], unit: tuple[int, int] | None
) -> Iterator[tuple[Target, tuple[int, int]]]:
    """Which table to read which slots of: a coarse one, where it knows what is asked, those whose rows lie
    whole within the span and within one unit."""
    coarse = COARSE.get(target.table.name)
    if coarse is None or not known <= coarse.keys.keys() or any(one % coarse.slots for one in unit or ()):
        yield target, span
        return
    first = min(-(-span[0] // coarse.slots) * coarse.slots, span[1])
    last = max(span[1] // coarse.slots * coarse.slots, first)
    for one, piece in ((target, (span[0], first)), (coarse, (first, last)), (target, (last, span[1]))):
        if piece[0] < piece[1]:
            yield one, piece


def _ids(span: tuple[int, int]) -> tuple[ColumnElement[bool], ...]:
    """The part of an index that a span's records lie in."""
    first, last = ids_between(span[0] * QUARTER_MS, span[1] * QUARTER_MS)
    return (usage_records.c.request_id >= first, usage_records.c.request_id < last)


def _check_number(connection: Connection, scope: Scope, span: tuple[int, int]) -> None:
    """That a narrow scope has no more records to look at than one answer may. Raises TooManyCalls."""
    looked = select(literal(1)).where(*_ids(span))
    if scope.account_id:
        looked = looked.where(usage_records.c.account_id == scope.account_id)
    number = select(func.count()).select_from(looked.limit(SUMMED_MAX + 1).subquery())
    if connection.execute(number).scalar_one() > SUMMED_MAX:
        raise TooManyCalls


def _source(scope: Scope, by: Side | None = None) -> Target:
    """The smallest table that knows what is asked."""
    is_of_calls = scope.account_id or scope.key_id or scope.is_narrow or by in ("key", "account")
    return _USAGE if is_of_calls else MODELS


def _sums(row: Any) -> Sums:
    return Sums(*(int(getattr(row, name)) for name in Sums.__struct_fields__))


def _sum(many: Iterable[Sums]) -> Sums:
    columns = list(zip(*map(msgspec.structs.astuple, many), strict=True))
    return Sums(*map(sum, columns))


def _folded(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The first groups, and the others as one."""
    rest = groups[GROUPS_MAX:]
    if not rest:
        return tuple(groups)
    points = tuple(map(_sum, zip(*(group.points for group in rest), strict=True)))
    return (*groups[:GROUPS_MAX], Group("", _sum(group.total for group in rest), points))


def _histogram(row: Any) -> list[int]:
    return [int(getattr(row, column)) for column in TTFT_COLUMNS]


def _quantiles(counts: Sequence[int]) -> tuple[int, int]:
    """The median, and what 95 % lie below, in ms."""
    return quantile_ms(counts, TTFT_BOUNDS_MS, 0.5), quantile_ms(counts, TTFT_BOUNDS_MS, 0.95)
