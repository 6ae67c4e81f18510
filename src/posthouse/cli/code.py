"""`posthouse code …`: redemption codes."""

from typing import Annotated

import typer

from posthouse.cli import output, values
from posthouse.cli.desk import Desk, command, money
from posthouse.kernel.clock import now_ms
from posthouse.payments import codes
from posthouse.payments.pages import PAGE_MAX
from posthouse.payments.rules import Batch, CodeKind

app = typer.Typer(help="Make, show and withdraw redemption codes.", no_args_is_help=True)


@command(app)
def create(
    desk: Desk,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="What each is worth, such as 10.")],
    *,
    name: Annotated[str, typer.Option(metavar="TEXT", help="What to call them.")],
    count: Annotated[int, typer.Option(help="How many.")] = 1,
    kind: Annotated[CodeKind, typer.Option(help="Sold, as a topup, or given as a promotion.")] = "topup",
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="30d, 2027-01-31, or never.", show_default=False)
    ] = None,
    per_account: Annotated[
        int | None,
        typer.Option(metavar="COUNT", help="How many one account may redeem: else all.", show_default=False),
    ] = None,
) -> None:
    """Make codes and show them, one a line, this one time: only their hashes are stored."""
    made = codes.create_batch(
        desk.store,
        name=name,
        amount_nanos=values.amount(amount),
        count=count,
        kind=kind,
        per_account_max=per_account,
        expires_ms=values.moment_ms(expires),
    )

    def show() -> None:
        for code in made.codes:
            output.print_line(code)
        output.print_note(f"{made.batch.id}: keep the codes now, they are never shown again.")

    desk.answer(made, show)


@command(app, "list")
def list_(desk: Desk) -> None:
    """Show the newest batches."""
    batches = codes.list_batches(desk.store, limit=PAGE_MAX).items
    columns = ("id", "name", "kind", ">amount", ">codes", ">redeemed", "created", "expires", "state")
    rows = (
        (
            one.id,
            one.name,
            one.kind,
            money(one.amount_nanos),
            one.count,
            one.redeemed,
            output.when(one.created_ms),
            output.when(one.expires_ms),
            _state(one),
        )
        for one in batches
    )
    none = "no codes; make some: posthouse code create AMOUNT --name TEXT --count COUNT"
    desk.answer(batches, lambda: output.print_table(columns, rows, empty=none))


@command(app)
def withdraw(desk: Desk, batch: Annotated[str, typer.Argument(metavar="BATCH_ID")]) -> None:
    """Let nobody redeem what is left of a batch; what was redeemed stays."""
    done = codes.withdraw_batch(desk.store, batch)
    left = done.count - done.redeemed
    desk.answer(done, lambda: output.print_line(f"withdrew {done.id}: {left} codes were left"))


def _state(batch: Batch) -> str:
    if batch.withdrawn_ms is not None:
        return "withdrawn"
    if batch.is_over(now_ms()):
        return "expired"
    return "all redeemed" if batch.redeemed == batch.count else "open"
