"""`posthouse key …`: API keys."""

from typing import Annotated

import msgspec
import typer
from msgspec import UNSET

from posthouse.accounts import queries, service
from posthouse.accounts.rules import Key, NewKey
from posthouse.catalogue.rules import ENDPOINTS, nearest
from posthouse.cli import output, values
from posthouse.cli.desk import CommandError, Desk, command, money
from posthouse.kernel.clock import now_ms
from posthouse.kernel.problems import UnfitValue

app = typer.Typer(help="Make, show, limit, freeze and revoke API keys.", no_args_is_help=True)

Account = Annotated[str, typer.Option("--account", metavar="EMAIL", help="The account's email or id.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="As `posthouse key list` shows it.")]
Expires = Annotated[
    str | None, typer.Option(metavar="TIME", help="30d, 12h, 2027-01-31, or never.", show_default=False)
]
Budget = Annotated[str | None, typer.Option(metavar="AMOUNT", help="What the key may spend, or none.")]
Period = Annotated[
    str | None, typer.Option("--budget-period", metavar="PERIOD", help="The budget's: total, day or month.")
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="Only this model; may be repeated; or any."),
]
Endpoints = Annotated[
    list[str] | None,
    typer.Option("--endpoint", metavar="NAME", help="Only this endpoint, e.g. chat/completions; or any."),
]
Addresses = Annotated[
    list[str] | None,
    typer.Option("--address", metavar="NETWORK", help="Only from here, e.g. 10.0.0.0/8; or any."),
]


@command(app)
def create(
    desk: Desk,
    *,
    account: Account,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    expires: Expires = None,
    budget: Budget = None,
    budget_period: Period = None,
    model: Models = None,
    endpoint: Endpoints = None,
    address: Addresses = None,
) -> None:
    """Make a key and show it, this one time: only its hash is stored."""
    made = service.create_key(
        desk.store,
        account,
        name=name,
        expires_ms=values.moment_ms(expires),
        budget_nanos=values.amount_or_none(budget),
        budget_period=budget_period or "total",
        models=values.items(model),
        endpoints=_endpoints(endpoint),
        addresses=values.items(address),
    )

    _show_once(desk, made)


@command(app, "list")
def list_(desk: Desk, *, account: Account) -> None:
    """Show an account's keys, revoked ones included."""
    keys = queries.list_keys(desk.store, account)
    columns = ("id", "key", "name", "status", "created", "expires", ">spent", ">budget", "only for")
    rows = ((*_cells(key), money(key.spent_nanos), _budget(key), _scope(key)) for key in keys)
    none = f"{account} has no keys; make one: posthouse key create --account {account}"
    desk.answer(keys, lambda: output.print_table(columns, rows, empty=none))


@command(app)
def freeze(desk: Desk, key_id: KeyId) -> None:
    """Refuse the key's calls until it is unfrozen."""
    _show(desk, service.freeze_key(desk.store, key_id))


@command(app)
def unfreeze(desk: Desk, key_id: KeyId) -> None:
    """Serve the key's calls again."""
    _show(desk, service.unfreeze_key(desk.store, key_id))


@command(app)
def revoke(desk: Desk, key_id: KeyId) -> None:
    """End the key for good."""
    _show(desk, service.revoke_key(desk.store, key_id))


@command(app)
def delete(desk: Desk, key_id: KeyId) -> None:
    """End the key for good, and show it in no list any more; its records stay."""
    _show(desk, service.delete_key(desk.store, key_id))


@command(app)
def rotate(
    desk: Desk,
    key_id: KeyId,
    *,
    overlap: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long the old one still works: 24h, 7d.")
    ] = None,
) -> None:
    """Replace the key by a new one of the same budget, limits and records, and show it this one time."""
    until_ms = values.moment_ms(overlap)
    overlap_ms = 0 if until_ms is None else until_ms - now_ms()
    _show_once(desk, service.rotate_key(desk.store, key_id, overlap_ms=overlap_ms))


@command(app)
def update(
    desk: Desk,
    key_id: KeyId,
    *,
    name: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    expires: Expires = None,
    budget: Budget = None,
    budget_period: Period = None,
    model: Models = None,
    endpoint: Endpoints = None,
    address: Addresses = None,
) -> None:
    """Change what is given: name, expiry, budget or what the key may be used for."""
    change = service.KeyChange(
        name=UNSET if name is None else name,
        expires_ms=UNSET if expires is None else values.moment_ms(expires),
        budget_nanos=UNSET if budget is None else values.amount_or_none(budget),
        budget_period=UNSET if budget_period is None else budget_period,
        models=values.items(model) if model else UNSET,
        endpoints=_endpoints(endpoint) if endpoint else UNSET,
        addresses=values.items(address) if address else UNSET,
    )
    _show(desk, service.update_key(desk.store, key_id, change))


def _endpoints(given: list[str] | None) -> tuple[str, ...] | None:
    """A mistyped one would make a key that is refused everywhere. Raises CommandError."""
    endpoints = values.items(given)
    for one in endpoints or ():
        if one not in ENDPOINTS:
            wrong = UnfitValue("", "unknown_endpoint", name=one, near=nearest(one, ENDPOINTS))
            raise CommandError(str(wrong), f"endpoints: {', '.join(ENDPOINTS)}")
    return endpoints


def _show_once(desk: Desk, made: NewKey) -> None:
    def show() -> None:
        output.print_line(made.key)
        output.print_note(f"{made.id}: keep the key now, it is never shown again.")

    desk.answer(made, show)


def _show(desk: Desk, key: Key) -> None:
    fields = {
        **msgspec.structs.asdict(key),
        "created": output.when(key.created_ms),
        "expires": output.when(key.expires_ms) or "never",
        "spent": money(key.spent_nanos),
        "budget": _budget(key) or "none",
        "only for": _scope(key) or "anything",
    }
    shown = ("id", "hint", "name", "status", "created", "expires", "spent", "budget", "only for")
    desk.answer(key, lambda: output.print_fields((field, fields[field]) for field in shown))


def _budget(key: Key) -> str:
    per = "" if key.budget_period == "total" else f" a {key.budget_period}"
    return "" if key.budget_nanos is None else f"{money(key.budget_nanos)}{per}"


def _cells(key: Key) -> tuple[str, ...]:
    return (key.id, key.hint, key.name, key.status, output.when(key.created_ms), output.when(key.expires_ms))


def _scope(key: Key) -> str:
    return ", ".join((*(key.models or ()), *(key.endpoints or ()), *(key.addresses or ())))
