"""The command line: one file per noun, each a thin shell over the services that the REST API calls too."""

import io
import sys
from typing import Annotated

import typer

from posthouse import __version__
from posthouse.cli import (
    account,
    apply,
    channel,
    channel_probe,
    channel_state,
    channel_status,
    code,
    credential,
    credit,
    doctor,
    export,
    key,
    ledger,
    model,
    order,
    owner,
    secrets,
    serve,
    usage,
)

app = typer.Typer(
    name="posthouse",
    help="A self-hosted relay for AI model APIs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
serve.add_to(app)
apply.add_to(app)
export.add_to(app)
app.add_typer(owner.app, name="owner")
app.add_typer(account.app, name="account")
app.add_typer(key.app, name="key")
credit.add_to(app)
app.add_typer(order.app, name="order")
app.add_typer(code.app, name="code")
channel_probe.add_to(channel.app)
channel_state.add_to(channel.app)
channel_status.add_to(channel.app)
channel.app.add_typer(credential.app, name="credential")
app.add_typer(channel.app, name="channel")
app.add_typer(model.app, name="model")
app.add_typer(usage.app, name="usage")
app.add_typer(ledger.app, name="ledger")
app.add_typer(secrets.app, name="secrets")
doctor.add_to(app)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"posthouse {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A self-hosted relay for AI model APIs."""


def main() -> None:
    """The `posthouse` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ✓ shows ? and not a fault
    app()
