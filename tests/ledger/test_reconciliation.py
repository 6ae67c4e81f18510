"""The months' books come to what the balances are, whatever moved when."""

from datetime import UTC, datetime

from tests.ledger.test_rollups import settle

from posthouse.ledger.reconciliation import reconcile
from posthouse.ledger.transfers import credit, debit
from posthouse.store.engine import Store
from posthouse.store.schema import transfers
from posthouse.testing.check_store import new_member, outcome_of
from posthouse.testing.rolled import roll_all


def at_ms(month: int, day: int) -> int:
    return int(datetime(2026, month, day, tzinfo=UTC).timestamp() * 1000)


def test_months_close_with_what_members_have(store: Store) -> None:
    member = new_member(store)
    assert reconcile(store, zone=UTC, now_ms=at_ms(5, 1)).months == ()
    moves = [
        (at_ms(1, 31), credit(store, member.account_id, 1_000, reason="cash")),
        (at_ms(2, 1), credit(store, member.account_id, 50, reason="gift", kind="promotion")),
        (at_ms(2, 28), debit(store, member.account_id, 200, reason="back")),
        (at_ms(4, 1), debit(store, member.account_id, 5, reason="slip", kind="correction")),
        (at_ms(4, 1), credit(store, member.account_id, 3, reason="slip", kind="correction")),
    ]
    with store.begin() as connection:
        for moved_ms, transfer in moves:
            row = transfers.update().where(transfers.c.id == transfer.id).values(created_ms=moved_ms)
            connection.execute(row)
    settle(
        store, outcome_of(member, 10, started_ms=at_ms(2, 2)), outcome_of(member, 7, started_ms=at_ms(4, 2))
    )
    for _ in range(2):  # while the calls are records, and when they are rolled up
        books = reconcile(store, zone=UTC, now_ms=at_ms(4, 3))
        assert books.expected_nanos == books.balances_nanos == 831
        assert [one.start_ms for one in books.months] == [at_ms(month, 1) for month in (1, 2, 3, 4)]
        assert [one.closing_nanos for one in books.months] == [1_000, 840, 840, 831]
        assert [one.charge_nanos for one in books.months] == [0, 10, 0, 7]
        assert [one.refund_nanos for one in books.months] == [0, 200, 0, 0]
        assert [one.correction_nanos for one in books.months] == [0, 0, 0, -2]
        assert [one.promotion_nanos for one in books.months] == [0, 50, 0, 0]
        roll_all(store)
