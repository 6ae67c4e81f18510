"""`posthouse owner …`: who owns the installation."""

import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer

from posthouse.accounts.queries import get_account
from posthouse.cli import output, values
from posthouse.cli.desk import CommandError, Desk, command
from posthouse.kernel.clock import now_ms
from posthouse.people.owners import put_owner

app = typer.Typer(help="Make an owner, who may do everything in the console.", no_args_is_help=True)


@command(app)
def create(
    desk: Desk,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The owner's; an account of it is kept.")],
    *,
    password_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Environment variable that holds the password.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File that holds the password; - is standard input.")
    ] = None,
) -> None:
    """Make an owner with a new password, or give an owner who has lost it a new one; all their sessions
    end."""
    password = _password(password_env, password_file)
    account_id = put_owner(desk.store, email, password, actor="cli", now_ms=now_ms())
    made = {"id": account_id, "email": get_account(desk.store, account_id).email, "role": "owner"}
    desk.answer(made, lambda: output.print_fields(tuple(made.items())))


def _password(variable: str | None, file: Path | None) -> str:
    """From where it was said to be, else typed twice."""
    password = values.secret(variable, file)
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise CommandError("no password", "give --password-env or --password-file")
    password = getpass("New password: ")
    if getpass("Again: ") != password:
        raise CommandError("these were two different passwords", "type the same one twice")
    return password
