"""What the routes about money share: orders, transfers and invoices as answered, pages, rewards."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Query
from msgspec import Struct
from pydantic import Field

from posthouse.api.context import Context
from posthouse.api.values import Answer, Listing, Money, Ms, cursor, cursor_parts
from posthouse.ledger.rules import TransferKind
from posthouse.payments.pages import Page, Place
from posthouse.payments.rules import InvoiceStatus, OrderStatus, Rewards

Item = TypeVar("Item")
Shown = TypeVar("Shown", bound=Answer)

Account = Annotated[str, Query(max_length=254, description="Only this account's: its id or email.")]


class OrderFields(Answer):
    """A top-up order."""

    id: str = Field(description="To be said with the payment.")
    amount: Money
    status: OrderStatus = Field(
        description="An expired one asks for nothing any more; if it is paid all the same, it counts."
    )
    note: str = Field(description="The member's own words.")
    reference: str = Field(description="How it was paid, or why it was cancelled.")
    created_ms: Ms
    expires_ms: Ms
    closed_ms: Ms | None = Field(description="When it was paid or cancelled.")


class TransferFields(Answer):
    """Money that came or went."""

    id: str = Field(description="The transfer's id.")
    amount: Money = Field(description="Below zero where it went out.")
    kind: TransferKind = Field(description="What it is in the books.")
    source: str = Field(description="What brought it: order, code, referral, or operator.")
    reason: str = Field(description="Why, in the operator's words or the relay's.")
    created_ms: Ms


class InvoiceFields(Answer):
    """A request for an invoice."""

    id: str = Field(description="The request's id.")
    amount: Money
    title: str = Field(description="Who is invoiced.")
    tax_number: str = Field(description="May be empty.")
    email: str = Field(description="Where the invoice is sent to.")
    details: str = Field(description="Postal address, bank, whatever the invoice must say.")
    status: InvoiceStatus = Field(description="What was declined can be asked for again.")
    number: str = Field(description="Of the issued invoice.")
    reason: str = Field(description="Why it was declined.")
    created_ms: Ms
    closed_ms: Ms | None = Field(description="When it was issued or declined.")


def shown(model: type[Shown], one: Struct, **more: Any) -> Shown:
    """The answer that a service's struct makes: amounts without their unit, and only what the answer has."""
    fields = {name.removesuffix("_nanos"): getattr(one, name) for name in one.__struct_fields__}
    known = {name: value for name, value in {**fields, **more}.items() if name in model.model_fields}
    return model(**known)


def listed(page: Page[Item], show: Callable[[Item], Shown]) -> Listing[Shown]:
    """A page as answered."""
    following = "" if page.next is None else cursor(*page.next)
    return Listing(items=[show(one) for one in page.items], next=following)


def place_of(after: str) -> Place | None:
    """Where a list goes on. Raises Problem."""
    return Place(*cursor_parts(after, int, str)) if after else None


def rewards_of(here: Context) -> Rewards:
    """What an invited member's first top-up brings at this site."""
    return here.market.catalogue.site.referral.rewards
