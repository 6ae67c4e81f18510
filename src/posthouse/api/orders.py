"""Top-up orders and requests for invoices, as the operator answers them."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from posthouse.accounts.queries import emails_of
from posthouse.api.context import Context, Here, Who
from posthouse.api.frame import Router
from posthouse.api.money import (
    Account,
    InvoiceFields,
    OrderFields,
    listed,
    place_of,
    rewards_of,
    shown,
)
from posthouse.api.permissions import Permission
from posthouse.api.values import After, Body, Limit, Listing
from posthouse.payments import invoices, orders, rules
from posthouse.payments.rules import Invoice, InvoiceStatus, Order, OrderStatus

router = Router("orders")

OrderId = Annotated[str, Path(max_length=40, description="The order's id.")]
InvoiceId = Annotated[str, Path(max_length=40, description="The request's id.")]


class OrderAnswer(OrderFields):
    """A member's top-up order."""

    account_id: str = Field(description="Whose it is.")
    email: str = Field(description="That account's email.")
    closed_by: str = Field(description="Who marked it paid or cancelled it; empty: nobody yet.")


class PaidBody(Body):
    """How an order was paid."""

    reference: str = Field(
        min_length=1, max_length=rules.TEXT_CHARS_MAX, description="Such as the bank's number of the payment."
    )


class ReasonBody(Body):
    """Why something is not done; the member reads it."""

    reason: str = Field(min_length=1, max_length=rules.TEXT_CHARS_MAX, description="The member sees it.")


class NumberBody(Body):
    """An issued invoice."""

    number: str = Field(
        min_length=1, max_length=rules.TEXT_CHARS_MAX, description="The invoice's own number."
    )


class InvoiceAnswer(InvoiceFields):
    """A member's request for an invoice."""

    account_id: str = Field(description="Whose it is.")
    account_email: str = Field(description="That account's email.")
    closed_by: str = Field(description="Who answered it; empty: nobody yet.")


@router.get("/orders", Permission.MONEY_READ)
def list_orders(
    here: Here,
    account: Account = "",
    status: Annotated[OrderStatus | None, Query(description="Only those that stand so.")] = None,
    after: After = "",
    limit: Limit = 50,
) -> Listing[OrderAnswer]:
    """List members' top-up orders, the latest first."""
    page = orders.list_orders(here.store, who=account, status=status, after=place_of(after), limit=limit)
    return listed(page, _order)


@router.post("/orders/{order_id}/pay", Permission.MONEY_WRITE)
def pay_order(here: Here, who: Who, order_id: OrderId, body: PaidBody) -> OrderAnswer:
    """Say that an order was paid, and credit it.

    An order is credited once, however often this is said."""
    order = orders.pay_order(
        here.store, order_id, reference=body.reference, rewards=rewards_of(here), actor=who.actor
    )
    return _order(order)


@router.post("/orders/{order_id}/cancel", Permission.MONEY_WRITE)
def cancel_order(here: Here, who: Who, order_id: OrderId, body: ReasonBody) -> OrderAnswer:
    """Cancel an order that nobody will pay."""
    return _order(orders.cancel_order(here.store, order_id, reason=body.reason, actor=who.actor))


@router.get("/invoices", Permission.MONEY_READ)
def list_invoices(
    here: Here,
    account: Account = "",
    status: Annotated[InvoiceStatus | None, Query(description="Only those that stand so.")] = None,
    after: After = "",
    limit: Limit = 50,
) -> Listing[InvoiceAnswer]:
    """List members' requests for invoices, the latest first."""
    page = invoices.list_invoices(here.store, who=account, status=status, after=place_of(after), limit=limit)
    emails = emails_of(here.store, {one.account_id for one in page.items})
    return listed(page, lambda one: _invoice(one, emails))


@router.post("/invoices/{invoice_id}/issue", Permission.MONEY_WRITE)
def issue_invoice(here: Here, who: Who, invoice_id: InvoiceId, body: NumberBody) -> InvoiceAnswer:
    """Say that an invoice was issued.

    It is written and sent elsewhere; here the member sees its number."""
    made = invoices.issue_invoice(here.store, invoice_id, number=body.number, actor=who.actor)
    return _with_email(here, made)


@router.post("/invoices/{invoice_id}/decline", Permission.MONEY_WRITE)
def decline_invoice(here: Here, who: Who, invoice_id: InvoiceId, body: ReasonBody) -> InvoiceAnswer:
    """Decline to issue an invoice; its amount can be asked for again."""
    declined = invoices.decline_invoice(here.store, invoice_id, reason=body.reason, actor=who.actor)
    return _with_email(here, declined)


def _order(one: Order) -> OrderAnswer:
    return shown(OrderAnswer, one)


def _with_email(here: Context, one: Invoice) -> InvoiceAnswer:
    return _invoice(one, emails_of(here.store, [one.account_id]))


def _invoice(one: Invoice, emails: dict[str, str]) -> InvoiceAnswer:
    return shown(InvoiceAnswer, one, account_email=emails.get(one.account_id, ""))
