"""`posthouse credit` and `posthouse debit`: money in and out of an account's balance."""

from typing import Annotated

import typer

from posthouse.accounts.queries import get_account
from posthouse.cli import output, values
from posthouse.cli.desk import Desk, command, money
from posthouse.ledger import transfers
from posthouse.ledger.queries import get_balance
from posthouse.ledger.rules import CreditKind, DebitKind, Transfer
from posthouse.payments import credits

Who = Annotated[str, typer.Argument(metavar="EMAIL", help="The account's email or id.")]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="In the operator's currency, such as 12.50.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; it stays with the transfer.")]
Once = Annotated[
    str, typer.Option("--idempotency-key", metavar="TEXT", help="The same again moves nothing again.")
]


def add_to(app: typer.Typer) -> None:
    command(app)(credit)
    command(app)(debit)


def credit(
    desk: Desk,
    email: Who,
    amount: Amount,
    *,
    reason: Reason,
    kind: Annotated[CreditKind, typer.Option(help="Only a topup moves the account to its plan.")] = "topup",
    idempotency_key: Once = "",
) -> None:
    """Add to an account's balance; a top-up also moves it to the plan that the operator names for that."""
    nanos = values.amount(amount)
    done = credits.credit(
        desk.store,
        email,
        nanos,
        reason=reason,
        kind=kind,
        idempotency_key=idempotency_key,
        rewards=desk.rewards,
    )
    _show(desk, done, email, "credited")


def debit(
    desk: Desk,
    email: Who,
    amount: Amount,
    *,
    reason: Reason,
    kind: Annotated[DebitKind, typer.Option(help="What it is.")] = "refund",
    idempotency_key: Once = "",
) -> None:
    """Take from an account's balance what no running call holds."""
    nanos = values.amount(amount)
    done = transfers.debit(
        desk.store, email, nanos, reason=reason, kind=kind, idempotency_key=idempotency_key
    )
    _show(desk, done, email, "debited")


def _show(desk: Desk, transfer: Transfer, email: str, verb: str) -> None:
    def show() -> None:
        balance, plan = get_balance(desk.store, email).balance_nanos, get_account(desk.store, email).plan
        output.print_line(
            f"{verb} {money(transfer.amount_nanos)} {desk.currency}: "
            f"{email} has {money(balance)} {desk.currency} on plan {plan}"
        )

    desk.answer(transfer, show)
