"""Whatever is changed behind the ledger's back is named."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from posthouse.ledger.queries import verify
from posthouse.ledger.service import Ledger
from posthouse.store.engine import Store
from posthouse.testing.check_store import PRICE, Member, new_member, outcome_of

TAMPERINGS = {
    "a balance raised": (
        "UPDATE ledger_accounts SET balance_nanos = balance_nanos + 1 WHERE kind = 'member'",
        "balance",
    ),
    "the operator's till": ("UPDATE ledger_accounts SET balance_nanos = 0 WHERE kind = 'cash_in'", "balance"),
    "a larger top-up": ("UPDATE transfers SET amount_nanos = amount_nanos + 1", "balance"),
    "a top-up removed": ("DELETE FROM transfers", "balance"),
    "a smaller charge": ("UPDATE usage_records SET charge_nanos = charge_nanos - 1", "balance"),
    "a call removed": ("DELETE FROM usage_records", "balance"),
    "a call moved to another account": (
        "UPDATE usage_records SET account_id = 'acc_x'",
        "unknown_ledger_account",
    ),
    "a call moved to another key": ("UPDATE usage_records SET key_id = 'key_x'", "unknown_key"),
    "a key's spending forgotten": ("UPDATE keys SET spent_nanos = 0", "key_spent"),
    "a day's spending forgotten": (
        "UPDATE keys SET period_base_nanos = 300, period_since_ms = 1",
        "key_period",
    ),
    "an account removed": ("DELETE FROM accounts", "unknown_account"),
    "a ledger account removed": (
        "DELETE FROM ledger_accounts WHERE kind = 'member'",
        "unknown_ledger_account",
    ),
    "a price removed": ("DELETE FROM price_snapshots", "price_missing"),
    "a price changed": ("UPDATE price_snapshots SET lines = '[]'", "price_changed"),
    "a larger charge": ("UPDATE usage_records SET charge_nanos = charge_nanos + 1", "charge"),
    "a smaller quantity": ("UPDATE usage_records SET quantities = '{}'", "charge"),
    "a price that is none": ("UPDATE price_snapshots SET lines = 'x'", "charge"),
    "a negative balance": (
        "UPDATE ledger_accounts SET balance_nanos = -1 WHERE kind = 'member'",
        "negative_balance",
    ),
    "a negative charge": ("UPDATE usage_records SET charge_nanos = -1", "amount"),
    "a negative transfer": ("UPDATE transfers SET amount_nanos = -1", "amount"),
    "an allowance above the balance": (
        "INSERT INTO allowances SELECT id, 'prc_x', 1000000, 0 FROM ledger_accounts WHERE kind = 'member'",
        "allowance",
    ),
    "an allowance overspent": (
        "INSERT INTO allowances SELECT id, 'prc_x', 1, 2 FROM ledger_accounts WHERE kind = 'member'",
        "allowance",
    ),
}


def settle_one_call(store: Store, member: Member) -> None:
    async def story() -> None:
        ledger = Ledger(store)
        await ledger.start()
        wallet = await ledger.load_wallet(member.account_id)
        await ledger.settle(wallet.hold(300), outcome_of(member, 300), snapshot=PRICE)
        await ledger.stop()

    asyncio.run(story())


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_tampering_is_named(store: Store, tampering: str) -> None:
    settle_one_call(store, new_member(store, 1_000))
    assert verify(store) == []
    sql, what = TAMPERINGS[tampering]
    with closing(sqlite3.connect(str(store.engine.url.database), isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert connection.execute(sql).rowcount == 1
    assert what in {difference.what for difference in verify(store)}
