"""Money in and out of members' balances by the operator's hand."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field

from posthouse.api.context import Context, Here, Who
from posthouse.api.frame import Router
from posthouse.api.money import Account, TransferFields, listed, place_of, rewards_of, shown
from posthouse.api.permissions import Permission
from posthouse.api.values import After, Answer, Body, Limit, Listing, Money, MoneyIn
from posthouse.ledger.rules import IDEMPOTENCY_CHARS_MAX, REASON_CHARS_MAX, TransferKind
from posthouse.ledger.transfers import debit
from posthouse.payments import queries, rules
from posthouse.payments.credits import credit

router = Router("transfers")


class TransferAnswer(TransferFields):
    """A member's transfer."""

    account_id: str = Field(description="Whose balance it moved.")
    email: str = Field(description="That account's email.")
    actor: str = Field(description="Who made it.")


class _TransferBody(Body):
    account: str = Field(max_length=254, description="The member's id or email.")
    amount: MoneyIn = Field(description="Above zero.")
    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX, description="The member sees it.")
    idempotency_key: str = Field(
        "",
        max_length=IDEMPOTENCY_CHARS_MAX,
        description="The same again moves nothing again; empty: no such care.",
    )


class CreditBody(_TransferBody):
    """What to add to a member's balance."""

    kind: Literal["topup", "promotion", "correction"] = Field(
        "topup", description="Only a topup is money paid: it leads to the plan for that, and can be invoiced."
    )


class DebitBody(_TransferBody):
    """What to take from a member's balance."""

    kind: Literal["refund", "correction"] = Field("refund", description="A refund was paid back.")


class MovedAnswer(Answer):
    """A transfer, and what the member has since."""

    id: str = Field(description="The transfer's id.")
    account_id: str = Field(description="Whose balance it moved.")
    balance: Money
    plan: str = Field(description="The account's plan since.")


@router.get("/transfers", Permission.MONEY_READ)
def list_transfers(
    here: Here,
    account: Account = "",
    kind: Annotated[TransferKind | None, Query(description="Only those of this kind.")] = None,
    after: After = "",
    limit: Limit = 50,
) -> Listing[TransferAnswer]:
    """List members' transfers, the latest first."""
    page = queries.list_movements(here.store, who=account, kind=kind, after=place_of(after), limit=limit)
    return listed(page, lambda one: shown(TransferAnswer, one))


@router.post("/transfers/credit", Permission.MONEY_WRITE, status=201)
def credit_member(here: Here, who: Who, body: CreditBody) -> MovedAnswer:
    """Add to a member's balance."""
    made = credit(
        here.store,
        body.account,
        body.amount,
        reason=body.reason,
        kind=body.kind,
        idempotency_key=body.idempotency_key,
        rewards=rewards_of(here),
        actor=who.actor,
    )
    return _moved(here, made.id, made.credit)


@router.post("/transfers/debit", Permission.MONEY_WRITE, status=201)
def debit_member(here: Here, who: Who, body: DebitBody) -> MovedAnswer:
    """Take from a member's balance what no running call holds.

    Waits up to 5 seconds for running servers to give back what they hold and do not use."""
    rules.check_own_key(body.idempotency_key)
    made = debit(
        here.store,
        body.account,
        body.amount,
        reason=body.reason,
        kind=body.kind,
        idempotency_key=body.idempotency_key,
        actor=who.actor,
    )
    return _moved(here, made.id, made.debit)


def _moved(here: Context, transfer_id: str, account_id: str) -> MovedAnswer:
    wallet = queries.get_wallet(here.store, account_id)
    return MovedAnswer(id=transfer_id, account_id=account_id, balance=wallet.balance_nanos, plan=wallet.plan)
