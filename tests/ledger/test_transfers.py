import asyncio
import threading

import pytest
from sqlalchemy import insert

from posthouse.accounts.queries import get_account
from posthouse.kernel.problems import UnfitValue
from posthouse.ledger import transfers
from posthouse.ledger.errors import BalanceFull, InsufficientFunds, UnknownMember
from posthouse.ledger.queries import balances, get_balance, verify
from posthouse.ledger.rules import BALANCE_NANOS_MAX
from posthouse.ledger.service import Ledger
from posthouse.ledger.transfers import credit, debit
from posthouse.store.engine import Store
from posthouse.store.schema import configuration
from posthouse.testing.check_store import new_member


def configure(store: Store, definition: str) -> None:
    with store.begin() as connection:
        row = {"kind": "operator", "name": "operator", "definition": definition, "updated_ms": 1}
        connection.execute(insert(configuration).values(row))


def test_each_kind_has_its_other_side(store: Store) -> None:
    member = new_member(store)
    credit(store, member.account_id, 100, reason="paid")
    credit(store, member.account_id, 30, reason="welcome", kind="promotion")
    debit(store, member.account_id, 20, reason="paid back")
    debit(store, member.account_id, 1, reason="mistake", kind="correction")
    assert balances(store) == {
        member.account_id: 109,
        "cash_in:operator": -80,
        "promotion": -30,
        "correction": 1,
    }
    balance = get_balance(store, member.account_id)
    assert (balance.credited_nanos, balance.debited_nanos) == (130, 21)
    assert verify(store) == []


def test_a_top_up_moves_the_account_to_the_operators_plan(store: Store) -> None:
    configure(store, '{"topup_plan": "paid"}')
    member = new_member(store)
    credit(store, member.account_id, 1, reason="gift", kind="promotion")
    assert get_account(store, member.account_id).plan == "free"
    credit(store, member.account_id, 1, reason="paid")
    credit(store, member.account_id, 1, reason="paid again")
    assert get_account(store, member.account_id).plan == "paid"


def test_what_no_transfer_can_be(store: Store) -> None:
    member = new_member(store)
    with pytest.raises(UnknownMember):
        credit(store, "nobody@example.org", 1, reason="x")
    with pytest.raises(UnfitValue, match="kind: must be one of"):
        credit(store, member.account_id, 1, reason="x", kind="theft")  # type: ignore[arg-type]  # what is tested
    credit(store, member.account_id, BALANCE_NANOS_MAX, reason="all of it")
    with pytest.raises(BalanceFull):
        credit(store, member.account_id, 1, reason="one more")
    with pytest.raises(InsufficientFunds):
        debit(store, new_member(store, 5).account_id, 6, reason="too much")
    assert verify(store) == []


def test_a_debit_is_made_once(store: Store) -> None:
    member = new_member(store, 100)
    first = debit(store, member.account_id, 30, reason="out", idempotency_key="k")
    assert debit(store, member.account_id, 30, reason="out", idempotency_key="k") == first
    assert get_balance(store, member.account_id).balance_nanos == 70


def test_a_debit_leaves_what_running_calls_hold(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "RECALL_S", 0.0)
    member = new_member(store, 100)

    async def story() -> None:
        ledger = Ledger(store)
        await ledger.start()
        await ledger.load_wallet(member.account_id)
        with pytest.raises(InsufficientFunds):
            await asyncio.to_thread(debit, store, member.account_id, 50, reason="out")
        await ledger.stop()

    asyncio.run(story())
    assert get_balance(store, member.account_id).balance_nanos == 100


def test_transfers_at_once_from_many_threads(store: Store) -> None:
    member = new_member(store, 1_000)

    def work() -> None:
        for _ in range(10):
            credit(store, member.account_id, 3, reason="in")
            debit(store, member.account_id, 2, reason="out")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get_balance(store, member.account_id).balance_nanos == 1_040
    assert verify(store) == []
