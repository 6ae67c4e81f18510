"""Cash in against balances against revenue, month by month; reads only.

Over all time, and so at the end of each month:

    top-ups − refunds + promotions ± corrections − charges  =  what all members have
"""

from bisect import bisect_right
from datetime import tzinfo
from typing import Any

import msgspec
from sqlalchemy import Connection, case, func, select

from posthouse.kernel.periods import QUARTER_MS
from posthouse.ledger.figures import Stretch, steps, stretches
from posthouse.ledger.sums import MODELS, added
from posthouse.store.engine import Store
from posthouse.store.schema import ledger_accounts, transfers
from posthouse.store.schema_rollups import model_sums


class BookMonth(msgspec.Struct, frozen=True, kw_only=True):
    """What came, what went, and what all members had at the month's end. Corrections may be below zero."""

    start_ms: int
    topup_nanos: int = 0
    refund_nanos: int = 0
    promotion_nanos: int = 0
    correction_nanos: int = 0
    charge_nanos: int = 0
    cost_nanos: int = 0
    closing_nanos: int = 0


class Books(msgspec.Struct, frozen=True):
    """The months since the first transfer or call, oldest first; what all members have by the books' rows,
    and by their balances. The two are equal, or the books are broken."""

    months: tuple[BookMonth, ...]
    expected_nanos: int
    balances_nanos: int


def reconcile(store: Store, *, zone: tzinfo, now_ms: int) -> Books:
    """The books in one snapshot."""
    with store.read() as connection:
        starts = _months(connection, zone, now_ms)
        moved = [dict.fromkeys(BookMonth.__struct_fields__[1:-1], 0) for _ in starts]
        for stretch in stretches("month", starts, starts[0], now_ms + 1) if starts else ():
            _transfers(connection, stretch, starts, moved)
            _charges(connection, stretch, starts, moved)
        members = ledger_accounts.c.kind == "member"
        query = select(func.sum(ledger_accounts.c.balance_nanos)).where(members)
        balances = int(connection.execute(query).scalar() or 0)
    months, closing = [], 0
    for start_ms, sums in zip(starts, moved, strict=True):
        came = sums["topup_nanos"] + sums["promotion_nanos"] + sums["correction_nanos"]
        closing += came - sums["refund_nanos"] - sums["charge_nanos"]
        months.append(BookMonth(start_ms=start_ms, closing_nanos=closing, **sums))
    return Books(tuple(months), closing, balances)


def _months(connection: Connection, zone: tzinfo, now_ms: int) -> tuple[int, ...]:
    """When each month starts, from the first transfer or call on."""
    first_ms = connection.execute(select(func.min(transfers.c.created_ms))).scalar()
    first_slot = connection.execute(select(func.min(model_sums.c.slot))).scalar()
    known = [
        at for at in (first_ms, None if first_slot is None else first_slot * QUARTER_MS) if at is not None
    ]
    return steps("month", min(known), max(now_ms + 1, min(known) + 1), zone) if known else ()


def _transfers(
    connection: Connection, stretch: Stretch, starts: tuple[int, ...], moved: list[dict[str, int]]
) -> None:
    """Add what came to members, and take off what left them; of a refund what left them."""
    slot = transfers.c.created_ms // QUARTER_MS
    number = ((slot - stretch.shift) // stretch.width).label("number")
    is_credit = ledger_accounts.c.kind == "member"
    amount = case((is_credit, transfers.c.amount_nanos), else_=-transfers.c.amount_nanos)
    query = (
        select(number, transfers.c.kind, func.sum(amount).label("nanos"))
        .join(ledger_accounts, ledger_accounts.c.id == transfers.c.credit)
        .where(slot >= stretch.since, slot < stretch.until)
        .group_by(number, transfers.c.kind)
    )
    for row in connection.execute(query):
        sign = -1 if row.kind == "refund" else 1
        _month(row, stretch, starts, moved)[f"{row.kind}_nanos"] += sign * int(row.nanos)


def _charges(
    connection: Connection, stretch: Stretch, starts: tuple[int, ...], moved: list[dict[str, int]]
) -> None:
    unit = (stretch.shift, stretch.width)
    for row in added(connection, MODELS, (), (stretch.since, stretch.until), unit=unit):
        month = _month(row, stretch, starts, moved)
        month["charge_nanos"] += int(row.charge_nanos)
        month["cost_nanos"] += int(row.cost_nanos)


def _month(
    row: Any, stretch: Stretch, starts: tuple[int, ...], moved: list[dict[str, int]]
) -> dict[str, int]:
    return moved[max(0, bisect_right(starts, stretch.starts_ms(int(row.number))) - 1)]
