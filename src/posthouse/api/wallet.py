"""A member's own money: balance, orders, codes, transfers, statements, invoices, mail about a low balance."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from posthouse.accounts.rules import parse_email
from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.money import (
    InvoiceFields,
    OrderFields,
    TransferFields,
    listed,
    place_of,
    rewards_of,
    shown,
)
from posthouse.api.permissions import Permission
from posthouse.api.problems import Problem
from posthouse.api.values import After, Answer, Body, Limit, Listing, Money, MoneyIn, Ms
from posthouse.kernel.periods import DAY_MS
from posthouse.payments import codes, invoices, orders, queries, rules, watch
from posthouse.payments.rules import OrderStatus
from posthouse.people.throttles import Throttle, forgive, try_all

router = Router("wallet")

# Nobody guesses one of 2^128 codes; these keep whoever tries from costing the store anything.
CODES_OF_ACCOUNT = Throttle("code-account", tries=10, window_ms=600_000)
CODES_OF_ADDRESS = Throttle("code-address", tries=30, window_ms=600_000)
# Orders that are cancelled at once would fill the operator's list in spite of the few that may be open.
ORDERS_OF_ACCOUNT = Throttle("orders", tries=20, window_ms=DAY_MS)

OrderId = Annotated[str, Path(max_length=40, description="The order's id.")]
Month = Annotated[str, Path(max_length=10, description="Such as 2026-11.")]


class WalletAnswer(Answer):
    """What the caller has, and what this site allows."""

    balance: Money
    plan: str = Field(description="The account's plan.")
    created_ms: Ms = Field(description="When the account was made: there are no statements before.")
    topup_plan: str = Field(description="The plan that any top-up leads to; empty: it stays.")
    topup_min: Money
    topup_max: Money
    topup_amounts: list[Money] = Field(description="The amounts that the site suggests.")
    invoice_from: Money | None = Field(
        description="From which total not yet invoiced an invoice can be asked for; null: there are none."
    )
    invoiceable: Money = Field(description="What was paid and not invoiced yet.")
    low_balance: Money | None = Field(description="A mail is sent below this balance; null: none.")
    can_be_mailed: bool = Field(description="Whether the account's address is verified: no mail without.")


class LowBalanceBody(Body):
    """Below which balance to send a mail."""

    below: MoneyIn | None = Field(description="Above zero; null: no mail.")


class OrderBody(Body):
    """What to pay."""

    amount: MoneyIn = Field(description="With at most two decimal places, within the site's bounds.")
    note: str = Field("", max_length=rules.TEXT_CHARS_MAX, description="Anything the operator should know.")


class RedeemBody(Body):
    """A redemption code."""

    code: str = Field(max_length=100, description="As it was given; case, blanks and dashes don't matter.")


class RedeemedAnswer(Answer):
    """What a code has brought."""

    transfer: TransferFields = Field(description="What it brought.")
    balance: Money
    plan: str = Field(description="The account's plan from now on.")


class ModelCharges(Answer):
    """What one model's calls cost in a month."""

    model: str = Field(description="The model.")
    requests: int = Field(description="How many calls.")
    prompt_tokens: int = Field(description="Of all their prompts.")
    completion_tokens: int = Field(description="Of all their answers.")
    charge: Money


class StatementAnswer(Answer):
    """A month: closing = opening + credited - debited - charged, exactly."""

    month: str = Field(description="Such as 2026-11.")
    zone: str = Field(description="The time zone that its days are in.")
    since_ms: Ms
    until_ms: Ms
    is_final: bool = Field(description="The month is over.")
    opening: Money
    credited: Money
    debited: Money
    charged: Money
    closing: Money
    models: list[ModelCharges] = Field(description="The dearest first; together they are what was charged.")
    transfers: list[TransferFields] = Field(description="The first 1,000, oldest first.")


class InvoiceBody(Body):
    """What an invoice is to say."""

    amount: MoneyIn = Field(description="At most what was paid and not invoiced yet.")
    title: str = Field(
        min_length=1, max_length=rules.TEXT_CHARS_MAX, description="Who is invoiced: a person or a company."
    )
    email: str = Field(max_length=254, description="Where the invoice is sent to.")
    tax_number: str = Field("", max_length=rules.TEXT_CHARS_MAX, description="Where there is one.")
    details: str = Field(
        "", max_length=rules.DETAILS_CHARS_MAX, description="Postal address, bank, whatever it must say."
    )


@router.get("/wallet", Permission.OWN_READ)
def get_wallet(here: Here, who: Who) -> WalletAnswer:
    """Tell the balance, and what the site allows."""
    wallet = queries.get_wallet(here.store, who.account_id)
    catalogue = here.market.catalogue
    topup = catalogue.site.topup
    return WalletAnswer(
        balance=wallet.balance_nanos,
        plan=wallet.plan,
        created_ms=wallet.created_ms,
        topup_plan=catalogue.operator.topup_plan,
        topup_min=topup.min_nanos,
        topup_max=topup.max_nanos,
        topup_amounts=list(topup.amounts_nanos),
        invoice_from=topup.invoice_from_total_nanos,
        invoiceable=invoices.get_invoiceable(here.store, who.account_id),
        low_balance=wallet.low_balance_nanos,
        can_be_mailed=wallet.is_verified,
    )


@router.put("/wallet/low-balance", Permission.OWN_WRITE)
def set_low_balance(here: Here, who: Who, body: LowBalanceBody) -> None:
    """Choose below which balance to be mailed.

    One mail each time that the balance falls below it."""
    watch.set_threshold(here.store, who.account_id, body.below, actor=who.actor)


@router.get("/wallet/orders", Permission.OWN_READ)
def list_own_orders(
    here: Here,
    who: Who,
    status: Annotated[OrderStatus | None, Query(description="Only those that stand so.")] = None,
    after: After = "",
    limit: Limit = 50,
) -> Listing[OrderFields]:
    """List the caller's top-up orders, the latest first."""
    page = orders.list_orders(
        here.store, who=who.account_id, status=status, after=place_of(after), limit=limit
    )
    return listed(page, lambda one: shown(OrderFields, one))


@router.post("/wallet/orders", Permission.OWN_WRITE, status=201)
def create_order(here: Here, who: Who, body: OrderBody) -> OrderFields:
    """Order a top-up.

    Nothing is credited until the operator has seen the payment."""
    topup = here.market.catalogue.site.topup
    rules.check_order_amount(body.amount, min_nanos=topup.min_nanos, max_nanos=topup.max_nanos)
    try_all(here.store, [(ORDERS_OF_ACCOUNT, who.account_id)], now_ms=here.now_ms())
    order = orders.create_order(
        here.store,
        who.account_id,
        body.amount,
        min_nanos=topup.min_nanos,
        max_nanos=topup.max_nanos,
        note=body.note,
        actor=who.actor,
    )
    return shown(OrderFields, order)


@router.post("/wallet/orders/{order_id}/cancel", Permission.OWN_WRITE)
def cancel_own_order(here: Here, who: Who, order_id: OrderId) -> OrderFields:
    """Cancel an order that will not be paid."""
    order = orders.cancel_order(here.store, order_id, owner=who.account_id, actor=who.actor)
    return shown(OrderFields, order)


@router.post("/wallet/codes", Permission.OWN_WRITE)
def redeem_code(here: Here, who: Who, body: RedeemBody) -> RedeemedAnswer:
    """Redeem a code.

    A mistyped one costs nothing; who tries many that do not exist has to wait."""
    rules.parse_code(body.code)
    tries: list[tuple[Throttle, str | bytes]] = [
        (CODES_OF_ACCOUNT, who.account_id),
        (CODES_OF_ADDRESS, who.address_hash),
    ]
    try_all(here.store, tries, now_ms=here.now_ms())
    transfer = codes.redeem(here.store, who.account_id, body.code, rewards=rewards_of(here), actor=who.actor)
    with here.store.begin() as connection:
        for throttle, subject in tries:
            forgive(connection, throttle, subject)
    wallet = queries.get_wallet(here.store, who.account_id)
    return RedeemedAnswer(
        transfer=shown(TransferFields, transfer, source=rules.source_of(transfer.idempotency_key)),
        balance=wallet.balance_nanos,
        plan=wallet.plan,
    )


@router.get("/wallet/transfers", Permission.OWN_READ)
def list_own_transfers(here: Here, who: Who, after: After = "", limit: Limit = 50) -> Listing[TransferFields]:
    """List what came in and went out, the latest first. Calls are in the usage records."""
    page = queries.list_movements(here.store, who=who.account_id, after=place_of(after), limit=limit)
    return listed(page, lambda one: shown(TransferFields, one))


@router.get("/wallet/statements/{month}", Permission.OWN_READ)
def get_statement(here: Here, who: Who, month: Month) -> StatementAnswer:
    """Give a month's statement, exact to the billionth; of the present month, so far."""
    found = queries.get_statement(here.store, who.account_id, month)
    if found.since_ms > here.now_ms():
        raise Problem("not_found")
    return shown(
        StatementAnswer,
        found,
        models=[shown(ModelCharges, one) for one in found.models],
        transfers=[shown(TransferFields, one) for one in found.movements],
    )


@router.get("/wallet/invoices", Permission.OWN_READ)
def list_own_invoices(here: Here, who: Who, after: After = "", limit: Limit = 50) -> Listing[InvoiceFields]:
    """List the caller's requests for invoices, the latest first."""
    page = invoices.list_invoices(here.store, who=who.account_id, after=place_of(after), limit=limit)
    return listed(page, lambda one: shown(InvoiceFields, one))


@router.post("/wallet/invoices", Permission.OWN_WRITE, status=201)
def ask_invoice(here: Here, who: Who, body: InvoiceBody) -> InvoiceFields:
    """Ask for an invoice of what was paid."""
    made = invoices.ask_invoice(
        here.store,
        who.account_id,
        body.amount,
        invoices.Wanted(
            title=body.title,
            email=parse_email(body.email),
            tax_number=body.tax_number,
            details=body.details,
        ),
        from_total_nanos=here.market.catalogue.site.topup.invoice_from_total_nanos,
        actor=who.actor,
    )
    return shown(InvoiceFields, made)
