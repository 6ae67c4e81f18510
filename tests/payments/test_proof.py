"""What does not agree is found, on each database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Update, update
from tests.payments.desk import UNIT, balance, batch, member, order, prove

from posthouse.ledger.queries import Difference
from posthouse.payments.codes import redeem
from posthouse.payments.orders import pay_order
from posthouse.payments.proof import verify
from posthouse.store.engine import Store
from posthouse.store.schema_payments import code_batches, orders


@contextmanager
def changed(store: Store, there: Update, back: Update) -> Iterator[None]:
    """With a row as it should not be, which is put right again."""
    with store.begin() as connection:
        connection.execute(there)
    yield
    with store.begin() as connection:
        connection.execute(back)
    prove(store)


def both(table: Any, row_id: str, **values: tuple[Any, Any]) -> tuple[Update, Update]:
    row = update(table).where(table.c.id == row_id)
    return tuple(row.values({name: one[n] for name, one in values.items()}) for n in (0, 1))  # type: ignore[return-value]  # two


def test_an_order_whose_amount_was_not_moved(store: Store) -> None:
    paid = pay_order(store, order(store, member(store)).id, reference="cash")
    with changed(store, *both(orders, paid.id, amount_nanos=(11 * UNIT, 10 * UNIT))):
        assert verify(store) == [Difference("order", paid.id, 11 * UNIT, 10 * UNIT)]


def test_an_order_that_was_credited_and_is_not_paid(store: Store) -> None:
    paid = pay_order(store, order(store, member(store)).id, reference="cash")
    assert paid.transfer_id is not None
    fields = {"status": ("open", "paid"), "transfer_id": (None, paid.transfer_id)}
    with changed(store, *both(orders, paid.id, **fields)):
        assert verify(store) == [Difference("order", paid.transfer_id, 0, 10 * UNIT)]


def test_a_code_that_brought_another_amount(store: Store) -> None:
    made, who = batch(store), member(store)
    redeem(store, who, made.codes[0])
    with changed(store, *both(code_batches, made.batch.id, amount_nanos=(UNIT, 5 * UNIT))):
        (found,) = verify(store)
        assert (found.what, found.expected, found.actual) == ("code", UNIT, 5 * UNIT)
    assert balance(store, who) == 5 * UNIT


@pytest.mark.parametrize("column", ["redeemed", "count"])
def test_a_batch_that_counts_wrongly(store: Store, column: str) -> None:
    made = batch(store, 2)
    redeem(store, member(store), made.codes[0])
    right = {"redeemed": 1, "count": 2}[column]
    with changed(store, *both(code_batches, made.batch.id, **{column: (right + 1, right)})):
        assert verify(store) == [Difference("batch", made.batch.id, right, right + 1)]
