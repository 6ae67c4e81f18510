"""`posthouse account …`: members."""

from typing import Annotated, Any

import msgspec
import typer

from posthouse.accounts import queries, service
from posthouse.accounts.rules import Account
from posthouse.catalogue.queries import load_catalogue
from posthouse.cli import output, values
from posthouse.cli.desk import Desk, command, money
from posthouse.kernel.clock import now_ms
from posthouse.ledger.queries import balances, get_balance
from posthouse.people.owners import set_role
from posthouse.people.roles import Role

app = typer.Typer(help="Make, show, freeze and move accounts.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(metavar="EMAIL", help="The account's email or id.")]


@command(app)
def create(
    desk: Desk,
    email: Annotated[str, typer.Argument(metavar="EMAIL")],
    *,
    plan: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its plan: else the operator's default.")
    ] = None,
) -> None:
    """Make an account with an empty balance."""
    if plan is not None:
        values.check_plan(load_catalogue(desk.store), plan)  # on none it could call nothing
    _show(desk, service.create_account(desk.store, email, plan=plan))


@command(app, "list")
def list_(desk: Desk) -> None:
    """Show all accounts."""
    accounts = _all(desk)
    held = balances(desk.store)
    listed = [_with_balance(account, held[account.id]) for account in accounts]
    columns = ("id", "email", "plan", "status", ">balance", "created")
    rows = (
        (
            one["id"],
            one["email"],
            one["plan"],
            one["status"],
            money(one["balance_nanos"]),
            output.when(one["created_ms"]),
        )
        for one in listed
    )
    none = "no accounts; make one: posthouse account create EMAIL"
    desk.answer(listed, lambda: output.print_table(columns, rows, empty=none))


@command(app)
def show(desk: Desk, email: Who) -> None:
    """Show one account."""
    _show(desk, queries.get_account(desk.store, email))


@command(app)
def freeze(desk: Desk, email: Who) -> None:
    """Refuse all calls of the account until it is unfrozen."""
    _show(desk, service.freeze_account(desk.store, email))


@command(app)
def unfreeze(desk: Desk, email: Who) -> None:
    """Serve the account's calls again."""
    _show(desk, service.unfreeze_account(desk.store, email))


@command(app)
def move(
    desk: Desk, email: Who, *, plan: Annotated[str, typer.Option(metavar="NAME", help="The plan to move to.")]
) -> None:
    """Move the account to another plan."""
    values.check_plan(load_catalogue(desk.store), plan)
    _show(desk, service.set_plan(desk.store, email, plan))


@command(app)
def role(desk: Desk, email: Who, role: Annotated[Role, typer.Argument(help="Its role from now on.")]) -> None:
    """Let the account do what the role may, in the console and with access tokens."""
    set_role(desk.store, email, role, actor="cli", now_ms=now_ms())
    account = queries.get_account(desk.store, email)
    made = {"id": account.id, "email": account.email, "role": role}
    desk.answer(made, lambda: output.print_fields(tuple(made.items())))


def _all(desk: Desk) -> list[Account]:
    accounts: list[Account] = []
    while page := queries.list_accounts(desk.store, after=accounts[-1].email if accounts else ""):
        accounts += page
    return accounts


def _with_balance(account: Account, balance_nanos: int) -> dict[str, Any]:
    return {**msgspec.structs.asdict(account), "balance_nanos": balance_nanos}


def _show(desk: Desk, account: Account) -> None:
    """The account, what it has, and how that came about."""
    balance = get_balance(desk.store, account.id)
    parts = {name: getattr(balance, name) for name in ("credited_nanos", "debited_nanos", "charged_nanos")}
    fields = (
        ("id", account.id),
        ("email", account.email),
        ("plan", account.plan),
        ("status", account.status),
        ("balance", f"{money(balance.balance_nanos)} {desk.currency}"),
        *((name.removesuffix("_nanos"), money(nanos)) for name, nanos in parts.items()),
        ("created", output.when(account.created_ms)),
    )
    shown = {**_with_balance(account, balance.balance_nanos), **parts}
    desk.answer(shown, lambda: output.print_fields(fields))
