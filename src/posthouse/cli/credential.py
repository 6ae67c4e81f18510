"""`posthouse channel credential …`: the credentials that a channel's calls are shared among."""

import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from posthouse.catalogue.credentials import put_credential, remove_credential
from posthouse.catalogue.queries import load_catalogue, load_credential_states
from posthouse.catalogue.sealed import load_credentials
from posthouse.cli import output, values
from posthouse.cli.apply import show_changes
from posthouse.cli.desk import CommandError, Desk, command
from posthouse.kernel.clock import now_ms
from posthouse.kernel.secrets import SecretText

app = typer.Typer(help="Add, show and remove a channel's credentials.", no_args_is_help=True)

Channel = Annotated[str, typer.Argument(metavar="CHANNEL")]
Name = Annotated[str, typer.Argument(metavar="NAME")]
CredentialEnv = Annotated[
    str | None, typer.Option(metavar="VARIABLE", help="Environment variable that holds the credential.")
]
CredentialFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="File that holds the credential; - is standard input.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the difference, change nothing.")]


@command(app)
def add(
    desk: Desk,
    channel: Channel,
    name: Name,
    *,
    credential_env: CredentialEnv = None,
    credential_file: CredentialFile = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the secret, change weight and ceilings only.")
    ] = False,
    weight: Annotated[int | None, typer.Option(help="Its share of the channel's calls.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Calls at a time.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(help="Calls in any minute.")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(help="Tokens in any minute.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Add a credential to a channel, or replace the one of that name. A ceiling that is not given is none."""
    fields = {
        "weight": weight,
        "concurrency": concurrency,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
    }
    changes = put_credential(
        desk.store,
        desk.box,
        channel,
        name,
        {field: value for field, value in fields.items() if value is not None},
        now_ms=now_ms(),
        credential=None if keep else credential_from(credential_env, credential_file),
        dry_run=dry_run,
    )
    show_changes(desk, changes, dry_run=dry_run)


@command(app, "list")
def list_(desk: Desk, channel: Annotated[str, typer.Argument(metavar="[CHANNEL]")] = "") -> None:
    """Show credentials, their ceilings and whether they are in use; never the secrets."""
    sealed, states = load_credentials(desk.store, desk.box), load_credential_states(desk.store)
    listed: list[dict[str, Any]] = [
        {
            "channel": spec.name,
            "name": one.name,
            "stored": (spec.name, one.name) in sealed,
            "state": states.get(spec.name, {}).get(one.name, ("in", ""))[0],
            "reason": states.get(spec.name, {}).get(one.name, ("in", ""))[1],
            "weight": one.weight,
            "concurrency": one.concurrency,
            "requests_per_minute": one.requests_per_minute,
            "tokens_per_minute": one.tokens_per_minute,
        }
        for spec in load_catalogue(desk.store).channels
        for one in spec.credentials
        if channel in ("", spec.name)
    ]
    columns = (
        *("channel", "name", "stored", "state", "why", ">weight"),
        *(">calls at a time", ">calls/min", ">tokens/min"),
    )
    rows = ([*one.values()] for one in listed)
    shown = ([*row[:2], "yes" if row[2] else "no", *row[3:]] for row in rows)
    none = "no credentials; add one: posthouse channel credential add CHANNEL NAME"
    desk.answer(listed, lambda: output.print_table(columns, shown, empty=none))


@command(app)
def remove(desk: Desk, channel: Channel, name: Name, *, dry_run: DryRun = False) -> None:
    """Take a credential out of a channel and delete its secret."""
    changes = remove_credential(desk.store, desk.box, channel, name, now_ms=now_ms(), dry_run=dry_run)
    show_changes(desk, changes, dry_run=dry_run)


def credential_from(variable: str | None, file: Path | None) -> SecretText:
    """The credential from where it was said to be, else typed."""
    text = values.secret(variable, file)
    if text is None and not sys.stdin.isatty():
        raise CommandError("no credential", "give --credential-env, --credential-file or --no-credential")
    text = text or getpass("Credential: ")
    if not text.strip():
        raise CommandError(
            "no credential was typed", "type it, or give --credential-env or --credential-file"
        )
    return SecretText(text.strip())
