"""`posthouse order …`: members' top-up orders."""

from typing import Annotated

import typer

from posthouse.cli import output
from posthouse.cli.desk import Desk, command, money
from posthouse.payments import orders
from posthouse.payments.pages import PAGE_MAX
from posthouse.payments.rules import Order, OrderStatus

app = typer.Typer(help="Show top-up orders, mark them paid, cancel them.", no_args_is_help=True)

OrderId = Annotated[str, typer.Argument(metavar="ORDER_ID", help="As `posthouse order list` shows it.")]


@command(app, "list")
def list_(
    desk: Desk,
    *,
    account: Annotated[str, typer.Option(metavar="EMAIL", help="Only this account's.")] = "",
    status: Annotated[
        OrderStatus | None, typer.Option(help="Only those that stand so.", show_default=False)
    ] = None,
) -> None:
    """Show the newest orders."""
    found = orders.list_orders(desk.store, who=account, status=status, limit=PAGE_MAX).items
    columns = ("id", "email", ">amount", "status", "created", "note", "reference")
    rows = (
        (
            one.id,
            one.email,
            money(one.amount_nanos),
            one.status,
            output.when(one.created_ms),
            one.note,
            one.reference,
        )
        for one in found
    )
    desk.answer(found, lambda: output.print_table(columns, rows, empty="no orders"))


@command(app)
def pay(
    desk: Desk,
    order: OrderId,
    *,
    reference: Annotated[str, typer.Option(metavar="TEXT", help="How it was paid; the member sees it.")],
) -> None:
    """Say that an order was paid, and credit it; once, however often this is said."""
    _show(desk, orders.pay_order(desk.store, order, reference=reference, rewards=desk.rewards))


@command(app)
def cancel(
    desk: Desk,
    order: OrderId,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the member sees it.")] = "",
) -> None:
    """Cancel an order that nobody will pay."""
    _show(desk, orders.cancel_order(desk.store, order, reason=reason))


def _show(desk: Desk, order: Order) -> None:
    line = f"{order.id} of {order.email} over {money(order.amount_nanos)} {desk.currency}: {order.status}"
    desk.answer(order, lambda: output.print_line(line))
