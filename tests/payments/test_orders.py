"""Top-up orders, on each database."""

from functools import partial

import pytest
from sqlalchemy import select
from tests.payments.desk import UNIT, at_once, balance, member, order, prove

from posthouse.kernel.problems import UnfitValue
from posthouse.payments.errors import OrderClosed, TooManyOrders, UnknownOrder
from posthouse.payments.orders import cancel_order, create_order, list_orders, pay_order
from posthouse.payments.queries import list_movements
from posthouse.payments.rules import OPEN_ORDERS_MAX, ORDER_MS, Order
from posthouse.store.engine import Store
from posthouse.store.schema_desk import audit_log


def test_an_order_moves_money_when_it_is_paid(store: Store) -> None:
    who = member(store)
    made = order(store, who)
    assert (made.status, balance(store, who)) == ("open", 0)
    paid = pay_order(store, made.id, reference="bank, 21 November", actor="acc_operator")
    assert (paid.status, paid.closed_by, paid.reference) == ("paid", "acc_operator", "bank, 21 November")
    (transfer,) = list_movements(store, who=who).items
    assert (transfer.id, transfer.kind, transfer.amount_nanos) == (paid.transfer_id, "topup", 10 * UNIT)
    assert pay_order(store, made.id, reference="bank, 21 November") == paid
    with pytest.raises(OrderClosed):  # another payment, which somebody has to look at
        pay_order(store, made.id, reference="once more")
    assert balance(store, who) == 10 * UNIT
    prove(store)


def test_the_log_says_who_did_what(store: Store) -> None:
    who = member(store)
    made = order(store, who)
    pay_order(store, made.id, reference="bank", actor="acc_operator")
    with store.read() as connection:
        subjects = audit_log.c.subject.in_((f"order:{made.id}", f"account:{who}"))
        rows = connection.execute(select(audit_log).where(subjects).order_by(audit_log.c.id)).all()
    rows = [row for row in rows if row.action.startswith(("order.", "transfer."))]
    assert [(row.action, row.actor) for row in rows] == [
        ("order.create", "cli"),
        ("transfer.topup", "acc_operator"),
        ("order.pay", "acc_operator"),
    ]
    assert '"status":"open"' in rows[2].before
    assert '"status":"paid"' in rows[2].after


def test_many_who_mark_one_order_paid_credit_it_once(store: Store) -> None:
    who = member(store)
    made = order(store, who)
    ends = at_once([partial(pay_order, store, made.id, reference=f"clerk {n}") for n in range(8)])
    assert sum(isinstance(one, OrderClosed) for one in ends) == 7, ends
    assert balance(store, who) == 10 * UNIT
    prove(store)


def test_an_order_is_paid_or_cancelled_never_both(store: Store) -> None:
    who = member(store)
    made = [order(store, who, 1) for _ in range(OPEN_ORDERS_MAX)]
    calls = [partial(pay_order, store, one.id, reference="paid") for one in made]
    calls += [partial(cancel_order, store, one.id) for one in made]
    ends = at_once(calls)
    paid = [one for one in ends if isinstance(one, Order) and one.status == "paid"]
    cancelled = [one for one in ends if isinstance(one, Order) and one.status == "cancelled"]
    refused = [one for one in ends if isinstance(one, OrderClosed)]
    assert len(paid) + len(cancelled) == len(refused) == len(made), ends
    assert balance(store, who) == len(paid) * UNIT
    prove(store)


def test_a_member_has_a_bounded_number_of_open_orders(store: Store) -> None:
    who = member(store)
    ends = at_once([partial(order, store, who) for _ in range(OPEN_ORDERS_MAX + 3)])
    assert sum(isinstance(one, TooManyOrders) for one in ends) == 3, ends
    cancel_order(store, list_orders(store, who=who).items[0].id)
    assert order(store, who).status == "open"


def test_money_that_comes_late_still_counts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    who = member(store)
    made = order(store, who)
    monkeypatch.setattr("posthouse.payments.orders.now_ms", lambda: made.expires_ms)
    assert made.expires_ms == made.created_ms + ORDER_MS
    assert [one.id for one in list_orders(store, who=who, status="expired").items] == [made.id]
    assert list_orders(store, who=who, status="open").items == []
    assert pay_order(store, made.id, reference="late").status == "paid"
    assert list_orders(store, who=who, status="expired").items == []
    prove(store)


def test_what_was_cancelled_is_not_paid(store: Store) -> None:
    made = order(store, member(store))
    cancelled = cancel_order(store, made.id, reason="a mistake")
    assert cancelled.reference == "a mistake"
    assert cancel_order(store, made.id) == cancelled
    with pytest.raises(OrderClosed, match="cancelled"):
        pay_order(store, made.id, reference="x")


def test_an_order_of_somebody_else_is_unknown(store: Store) -> None:
    made, other = order(store, member(store)), member(store)
    with pytest.raises(UnknownOrder):
        cancel_order(store, made.id, owner=other)
    with pytest.raises(UnknownOrder):
        pay_order(store, "ord_none", reference="x")


@pytest.mark.parametrize("nanos", [0, -UNIT, UNIT - 10_000_000, UNIT + 1, 11 * UNIT])
def test_amounts_that_no_order_has(store: Store, nanos: int) -> None:
    with pytest.raises(UnfitValue):
        create_order(store, member(store), nanos, min_nanos=UNIT, max_nanos=10 * UNIT)


def test_pages_have_each_order_once(store: Store) -> None:
    who = member(store)
    made = [order(store, who) for _ in range(5)]
    seen: list[str] = []
    after = None
    for _ in range(3):
        page = list_orders(store, who=who, after=after, limit=2)
        seen += [one.id for one in page.items]
        after = page.next
    assert after is None
    assert seen == [one.id for one in sorted(made, key=lambda one: (one.created_ms, one.id), reverse=True)]
