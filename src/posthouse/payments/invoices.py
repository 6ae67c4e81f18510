"""Invoice requests: a member asks for an invoice of what they have paid, an operator issues it elsewhere and
says under which number. Each change is one transaction; no money moves."""

from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from posthouse.kernel.clock import now_ms
from posthouse.kernel.ids import new_id
from posthouse.ledger.allowances import lock_balance
from posthouse.ledger.queries import find_member
from posthouse.payments import rules
from posthouse.payments.errors import InvoiceClosed, NotInvoiceable, UnknownInvoice
from posthouse.payments.pages import Page, Place, read_page
from posthouse.payments.rules import Invoice, InvoiceStatus
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import transfers
from posthouse.store.schema_payments import invoices


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an invoice is to say. `email`: where it is sent to."""

    title: str
    email: str
    tax_number: str = ""
    details: str = ""


def ask_invoice(
    store: Store,
    who: str,
    amount_nanos: int,
    wanted: Wanted,
    *,
    from_total_nanos: int | None,
    actor: str = "cli",
) -> Invoice:
    """Ask for an invoice of an amount that was paid and not invoiced yet. `from_total_nanos`: the least that
    must have come together; None: the operator issues none. Raises UnknownMember, UnfitValue,
    NotInvoiceable."""
    rules.check_amount(amount_nanos)
    texts = {
        "title": rules.parse_text(wanted.title, "title", needed=True),
        "email": rules.parse_text(wanted.email, "email", needed=True),
        "tax_number": rules.parse_text(wanted.tax_number, "tax_number"),
        "details": rules.parse_text(wanted.details, "details", chars_max=rules.DETAILS_CHARS_MAX),
    }
    with store.begin() as connection:
        account_id, made_ms = find_member(connection, who).id, now_ms()
        lock_balance(connection, account_id)  # so that two at once don't ask for the same money
        _check_invoiceable(connection, account_id, amount_nanos, from_total_nanos)
        invoice = Invoice(
            id=new_id("inv"),
            account_id=account_id,
            amount_nanos=amount_nanos,
            status="open",
            number="",
            reason="",
            created_ms=made_ms,
            closed_ms=None,
            closed_by="",
            **texts,
        )
        connection.execute(insert(invoices).values(msgspec.structs.asdict(invoice)))
        _note(connection, "invoice.ask", actor, after=invoice)
    return invoice


def issue_invoice(store: Store, invoice_id: str, *, number: str, actor: str = "cli") -> Invoice:
    """Say that it was issued, under that number. Raises UnknownInvoice, InvoiceClosed, UnfitValue."""
    number = rules.parse_text(number, "number", needed=True)
    return _close(store, invoice_id, status="issued", number=number, reason="", actor=actor)


def decline_invoice(store: Store, invoice_id: str, *, reason: str, actor: str = "cli") -> Invoice:
    """Say why there is none; its amount can be asked for again. Raises UnknownInvoice, InvoiceClosed,
    UnfitValue."""
    reason = rules.parse_text(reason, "reason", needed=True)
    return _close(store, invoice_id, status="declined", number="", reason=reason, actor=actor)


def get_invoiceable(store: Store, who: str) -> int:
    """Nanos that were paid and not invoiced yet. Raises UnknownMember."""
    with store.read() as connection:
        return _invoiceable(connection, find_member(connection, who).id)


def list_invoices(
    store: Store,
    *,
    who: str = "",
    status: InvoiceStatus | None = None,
    after: Place | None = None,
    limit: int = 50,
) -> Page[Invoice]:
    """Invoices, newest first, of all accounts or one. Raises UnknownMember."""
    query = select(invoices)
    if status is not None:
        query = query.where(invoices.c.status == status)
    with store.read() as connection:
        if who:
            query = query.where(invoices.c.account_id == find_member(connection, who).id)
        rows, following = read_page(connection, query, invoices, after=after, limit=limit)
    return Page([Invoice(**row._mapping) for row in rows], following)


def _check_invoiceable(
    connection: Connection, account_id: str, amount_nanos: int, from_total_nanos: int | None
) -> None:
    left_nanos = _invoiceable(connection, account_id)
    if from_total_nanos is None:
        raise NotInvoiceable("none")
    if left_nanos < from_total_nanos:
        raise NotInvoiceable("too_little")
    if amount_nanos > left_nanos:
        raise NotInvoiceable("too_much")
    waiting = select(func.count()).select_from(invoices).where(invoices.c.account_id == account_id)
    if connection.execute(waiting.where(invoices.c.status == "open")).scalar_one() >= rules.OPEN_INVOICES_MAX:
        raise NotInvoiceable("waiting", count=rules.OPEN_INVOICES_MAX)


def _invoiceable(connection: Connection, account_id: str) -> int:
    """Top-ups less what was paid back, less what is invoiced or asked for."""
    amount, kind = transfers.c.amount_nanos, transfers.c.kind
    paid = _sum(connection, amount, transfers.c.credit == account_id, kind == "topup")
    back = _sum(connection, amount, transfers.c.debit == account_id, kind == "refund")
    own = (invoices.c.account_id == account_id, invoices.c.status != "declined")
    return rules.invoiceable(paid - back, _sum(connection, invoices.c.amount_nanos, *own))


def _sum(connection: Connection, column: Any, *conditions: Any) -> int:
    return int(connection.execute(select(func.sum(column)).where(*conditions)).scalar() or 0)


def _close(store: Store, invoice_id: str, *, actor: str, **values: str) -> Invoice:
    with store.begin() as connection:
        this = invoices.c.id == invoice_id
        row = connection.execute(select(invoices).where(this).with_for_update()).first()
        if row is None:
            raise UnknownInvoice(f"there is no invoice {invoice_id!r}")
        before = Invoice(**row._mapping)
        if before.status != "open":
            raise InvoiceClosed
        changes: dict[str, Any] = {**values, "closed_ms": now_ms(), "closed_by": actor}
        connection.execute(update(invoices).where(this).values(changes))
        after = msgspec.structs.replace(before, **changes)
        _note(connection, f"invoice.{after.status}", actor, before=before, after=after)
    return after


def _note(
    connection: Connection, action: str, actor: str, *, after: Invoice, before: Invoice | None = None
) -> None:
    """The log says who changed what, not what stands on the invoice: that may be a person's address."""
    subject = f"invoice:{after.id}"
    shown = {"amount_nanos": after.amount_nanos, "status": after.status, "number": after.number}
    was = None if before is None else {"status": before.status}
    note(connection, actor=actor, action=action, subject=subject, before=was, after=shown, at_ms=now_ms())
