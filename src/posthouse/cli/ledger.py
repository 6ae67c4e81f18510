"""`posthouse ledger …`: the books."""

import typer

from posthouse.cli import output
from posthouse.cli.desk import Desk, command
from posthouse.kernel.money import format_nanos
from posthouse.payments.proof import verify_all

app = typer.Typer(help="Prove the books.", no_args_is_help=True)


@command(app)
def verify(desk: Desk) -> None:
    """Recompute every balance from its rows, and orders and codes from their transfers; the exit status
    is 0 only when nothing differs."""
    differences = verify_all(desk.store)
    columns = ("what", "of", ">expected", ">stored")
    rows = (
        (one.what, one.subject, format_nanos(one.expected), format_nanos(one.actual)) for one in differences
    )
    answer = {"differences": differences, "ok": not differences}
    desk.answer(answer, lambda: output.print_table(columns, rows, empty="✓ nothing differs"))
    if differences:
        if not desk.as_json:
            output.print_error(
                f"differences: {len(differences)}", "restore a backup, or report how it came about"
            )
        raise typer.Exit(1)
