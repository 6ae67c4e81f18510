"""Monthly statements, exact to the nano, on each database."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import update
from tests.payments.desk import UNIT, prove

from posthouse.ledger.queries import get_balance
from posthouse.ledger.rollups import promise, roll_slice
from posthouse.ledger.service import Ledger
from posthouse.ledger.transfers import credit, debit
from posthouse.payments.queries import get_statement, list_movements
from posthouse.store.engine import Store
from posthouse.store.schema import transfers
from posthouse.testing.check_store import PRICE, Member, new_member, outcome_of

MONTHS = ("2026-09", "2026-10", "2026-11")


def ms(month: str, day: int, hour: int = 0) -> int:
    year, number = map(int, month.split("-"))
    return int(datetime(year, number, day, hour, tzinfo=UTC).timestamp()) * 1000


def call(store: Store, who: Member, at_ms: int, charge_nanos: int, model: str) -> None:
    """A call that started at that time, settled by a real ledger."""

    async def settle() -> None:
        ledger = Ledger(store)
        await ledger.start()
        wallet = await ledger.load_wallet(who.account_id)
        hold = wallet.hold(charge_nanos)
        assert hold is not None
        request_id = f"req_{at_ms:012x}{who.account_id[-10:]}{charge_nanos:06x}"
        outcome = outcome_of(who, charge_nanos, request_id=request_id, started_ms=at_ms, model=model)
        await ledger.settle(hold, outcome, snapshot=PRICE)
        await ledger.stop()

    asyncio.run(settle())


def moved(store: Store, transfer_id: str, at_ms: int) -> None:
    with store.begin() as connection:
        row = update(transfers).where(transfers.c.id == transfer_id)
        connection.execute(row.values(created_ms=at_ms))


@pytest.fixture(scope="module")
def who(store: Store) -> Member:
    """Topped up, charged and paid back in September, October and November."""
    member = new_member(store)
    for number, month in enumerate(MONTHS, 1):
        made = credit(store, member.account_id, number * UNIT, reason=f"cash in {month}")
        moved(store, made.id, ms(month, 1))  # the first moment of the month
    moved(store, debit(store, member.account_id, 7, reason="paid back").id, ms("2026-10", 31, 23))
    for model, charge in (("small", 11), ("large", 400), ("small", 13)):
        call(store, member, ms("2026-10", 10, charge % 24), charge, model)
    call(store, member, ms("2026-11", 1) - 1, 17, "small")  # the last moment of October
    call(store, member, ms("2026-11", 1), 19, "small")
    return member


def test_each_month_closes_where_the_next_opens(store: Store, who: Member) -> None:
    september, october, november = (get_statement(store, who.account_id, month) for month in MONTHS)
    assert (september.opening_nanos, september.closing_nanos) == (0, UNIT)
    assert (october.opening_nanos, october.credited_nanos, october.debited_nanos) == (UNIT, 2 * UNIT, 7)
    assert october.charged_nanos == 11 + 400 + 13 + 17
    assert october.closing_nanos == 3 * UNIT - 7 - 441 == november.opening_nanos
    assert november.closing_nanos == 6 * UNIT - 7 - 441 - 19
    assert november.closing_nanos == get_balance(store, who.account_id).balance_nanos
    assert (october.is_final, october.zone) == (True, "UTC")
    prove(store)


def test_a_statement_lists_models_and_transfers(store: Store, who: Member) -> None:
    october = get_statement(store, who.account_id, "2026-10")
    assert [(one.model, one.requests, one.charge_nanos) for one in october.models] == [
        ("large", 1, 400),
        ("small", 3, 41),
    ]
    assert [(one.kind, one.amount_nanos) for one in october.movements] == [
        ("topup", 2 * UNIT),
        ("refund", -7),
    ]
    assert [one.amount_nanos for one in list_movements(store, who=who.account_id).items] == [
        3 * UNIT,
        -7,
        2 * UNIT,
        UNIT,
    ]


def test_a_month_without_anything(store: Store) -> None:
    empty = get_statement(store, new_member(store).account_id, "2026-10")
    assert (empty.opening_nanos, empty.closing_nanos, empty.models, empty.movements) == (0, 0, [], [])


def test_sums_that_are_rolled_up_are_the_same(store: Store, who: Member) -> None:
    before = [get_statement(store, who.account_id, month) for month in MONTHS]
    roll_everything(store)
    assert [get_statement(store, who.account_id, month) for month in MONTHS] == before
    prove(store)


def roll_everything(store: Store) -> None:
    with store.begin() as connection:
        promise(connection, "req_ffffffffffff")
    more = True
    while more:
        with store.begin() as connection:
            more = roll_slice(connection, "req_ffffffffffff")
