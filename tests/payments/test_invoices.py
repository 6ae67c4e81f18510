"""Invoice requests, on each database."""

from functools import partial

import pytest
from sqlalchemy import select
from tests.payments.desk import UNIT, at_once, member, prove

from posthouse.kernel.problems import UnfitValue
from posthouse.ledger.transfers import debit
from posthouse.payments.credits import credit
from posthouse.payments.errors import InvoiceClosed, NotInvoiceable, UnknownInvoice
from posthouse.payments.invoices import (
    Wanted,
    ask_invoice,
    decline_invoice,
    get_invoiceable,
    issue_invoice,
    list_invoices,
)
from posthouse.payments.rules import Invoice
from posthouse.store.engine import Store
from posthouse.store.schema_desk import audit_log

WANTED = Wanted(title="Example Ltd", email="books@example.org", tax_number="DE123", details="1 Example Road")


def ask(store: Store, who: str, units: int) -> Invoice:
    return ask_invoice(store, who, units * UNIT, WANTED, from_total_nanos=10 * UNIT)


def payer(store: Store, units: int) -> str:
    who = member(store)
    credit(store, who, units * UNIT, reason="cash")
    return who


def test_what_was_paid_is_invoiced_once(store: Store) -> None:
    who = payer(store, 30)
    credit(store, who, 50 * UNIT, reason="a gift", kind="promotion")  # nothing to invoice
    made = ask(store, who, 20)
    assert (made.status, get_invoiceable(store, who)) == ("open", 10 * UNIT)
    with pytest.raises(NotInvoiceable, match="more than"):
        ask(store, who, 11)
    issued = issue_invoice(store, made.id, number="2026-7", actor="acc_clerk")
    assert (issued.status, issued.number, issued.closed_by) == ("issued", "2026-7", "acc_clerk")
    with pytest.raises(InvoiceClosed, match="issued"):
        decline_invoice(store, made.id, reason="no")
    assert list_invoices(store, who=who, status="issued").items == [issued]
    prove(store)


def test_many_requests_at_once_ask_for_no_money_twice(store: Store) -> None:
    who = payer(store, 30)
    ends = at_once([partial(ask, store, who, 10) for _ in range(5)])
    assert sum(isinstance(one, Invoice) for one in ends) == 3, ends
    assert sum(isinstance(one, NotInvoiceable) for one in ends) == 2, ends
    assert get_invoiceable(store, who) == 0


def test_what_was_declined_can_be_asked_for_again(store: Store) -> None:
    who = payer(store, 10)
    declined = decline_invoice(store, ask(store, who, 10).id, reason="the tax number is wrong")
    assert declined.reason == "the tax number is wrong"
    assert ask(store, who, 10).status == "open"


def test_a_refund_is_not_invoiced(store: Store) -> None:
    who = payer(store, 30)
    debit(store, who, 15 * UNIT, reason="paid back")
    assert get_invoiceable(store, who) == 15 * UNIT
    ask(store, who, 15)
    debit(store, who, 5 * UNIT, reason="paid back")
    assert get_invoiceable(store, who) == 0


def test_the_operator_says_from_which_total(store: Store) -> None:
    who = payer(store, 9)
    with pytest.raises(NotInvoiceable, match="less than"):
        ask(store, who, 9)
    with pytest.raises(NotInvoiceable, match="No invoices"):
        ask_invoice(store, who, UNIT, WANTED, from_total_nanos=None)


def test_a_bounded_number_of_requests_waits(store: Store) -> None:
    who = payer(store, 100)
    for _ in range(5):
        ask(store, who, 1)
    with pytest.raises(NotInvoiceable, match="wait"):
        ask(store, who, 1)


def test_invoices_that_there_can_not_be(store: Store) -> None:
    who = payer(store, 20)
    with pytest.raises(UnfitValue):
        ask(store, who, 0)
    with pytest.raises(UnfitValue, match="title: "):
        ask_invoice(store, who, UNIT, Wanted(title="", email="x@example.org"), from_total_nanos=1)
    with pytest.raises(UnknownInvoice):
        issue_invoice(store, "inv_none", number="1")


def test_the_log_has_no_personal_data_of_invoices(store: Store) -> None:
    who = payer(store, 20)
    made = ask(store, who, 20)
    with store.read() as connection:
        rows = connection.execute(select(audit_log).where(audit_log.c.subject == f"invoice:{made.id}")).all()
    assert [row.action for row in rows] == ["invoice.ask"]
    assert "Example" not in rows[0].after
    assert "books@" not in rows[0].after
