"""Redemption codes, as the operator makes them."""

from typing import Annotated

from fastapi import Path
from pydantic import Field

from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.money import listed, place_of, shown
from posthouse.api.permissions import Permission
from posthouse.api.values import After, Answer, Body, Limit, Listing, Money, MoneyIn, Ms
from posthouse.payments import codes, rules
from posthouse.payments.rules import CodeKind

router = Router("codes")

BatchId = Annotated[str, Path(max_length=40, description="The batch's id.")]


class BatchAnswer(Answer):
    """A batch of codes."""

    id: str = Field(description="The batch's id.")
    name: str = Field(description="What the operator calls it.")
    kind: CodeKind = Field(
        description="topup: it was paid for, and leads to the plan for that; promotion: a gift."
    )
    amount: Money = Field(description="What each code is worth.")
    count: int = Field(description="How many codes it has.")
    redeemed: int = Field(description="How many of them were redeemed.")
    per_account_max: int | None = Field(description="How many one account may redeem; null: all.")
    expires_ms: Ms | None = Field(description="None is redeemed from then on; null: it does not expire.")
    withdrawn_ms: Ms | None = Field(description="None is redeemed since then.")
    created_ms: Ms
    created_by: str = Field(description="Who made it.")


class BatchBody(Body):
    """What codes to make."""

    name: str = Field(min_length=1, max_length=rules.TEXT_CHARS_MAX, description="What to call them.")
    amount: MoneyIn = Field(description="What each is worth, above zero.")
    count: int = Field(ge=1, le=rules.BATCH_CODES_MAX, description="How many.")
    kind: CodeKind = Field("topup", description="topup: money was paid for it; promotion: it is a gift.")
    per_account_max: int | None = Field(
        None, ge=1, le=rules.BATCH_CODES_MAX, description="How many one account may redeem; null: all."
    )
    expires_ms: Ms | None = Field(None, description="When they expire; null: never.")


class NewBatchAnswer(Answer):
    """A batch with its codes, this one time."""

    batch: BatchAnswer = Field(description="How it was made.")
    codes: list[str] = Field(description="Keep them now: only their hashes are stored.")


class FindBody(Body):
    """A code that somebody asks about."""

    code: str = Field(max_length=100, description="As it was given; case, blanks and dashes don't matter.")


class CodeAnswer(Answer):
    """How a code stands."""

    hint: str = Field(description="Its last characters.")
    batch: BatchAnswer = Field(description="What it was made with.")
    account_id: str | None = Field(description="Who redeemed it; null: nobody.")
    email: str | None = Field(description="That account's email.")
    redeemed_ms: Ms | None = Field(description="When.")


@router.get("/codes", Permission.MONEY_READ)
def list_batches(here: Here, after: After = "", limit: Limit = 50) -> Listing[BatchAnswer]:
    """List batches of codes, the latest first."""
    page = codes.list_batches(here.store, after=place_of(after), limit=limit)
    return listed(page, lambda one: shown(BatchAnswer, one))


@router.post("/codes", Permission.MONEY_WRITE, status=201)
def create_batch(here: Here, who: Who, body: BatchBody) -> NewBatchAnswer:
    """Make a batch of codes.

    They are shown this once."""
    made = codes.create_batch(
        here.store,
        name=body.name,
        amount_nanos=body.amount,
        count=body.count,
        kind=body.kind,
        per_account_max=body.per_account_max,
        expires_ms=body.expires_ms,
        actor=who.actor,
    )
    return NewBatchAnswer(batch=shown(BatchAnswer, made.batch), codes=list(made.codes))


@router.post("/codes/find", Permission.MONEY_WRITE)
def find_code(here: Here, body: FindBody) -> CodeAnswer:
    """Tell how a code stands, and who redeemed it."""
    found = codes.find_code(here.store, body.code)
    return CodeAnswer(
        hint=found.hint,
        batch=shown(BatchAnswer, found.batch),
        account_id=found.account_id,
        email=found.email,
        redeemed_ms=found.redeemed_ms,
    )


@router.post("/codes/{batch_id}/withdraw", Permission.MONEY_WRITE)
def withdraw_batch(here: Here, who: Who, batch_id: BatchId) -> BatchAnswer:
    """Let nobody redeem what is left of a batch.

    What was redeemed stays with who redeemed it."""
    return shown(BatchAnswer, codes.withdraw_batch(here.store, batch_id, actor=who.actor))
