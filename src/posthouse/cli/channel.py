"""`posthouse channel …`: the ways to upstreams."""

from typing import Annotated, Any

import typer

from posthouse.catalogue import queries, service
from posthouse.catalogue.sealed import Credentials, load_credentials
from posthouse.cli import output, values
from posthouse.cli.apply import show_changes
from posthouse.cli.credential import CredentialEnv, CredentialFile, credential_from
from posthouse.cli.desk import CommandError, Desk, command
from posthouse.kernel.clock import now_ms
from posthouse.routing.channels import ChannelSpec

app = typer.Typer(help="Add, show, test and remove channels to upstreams.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the difference, change nothing.")]


@command(app)
def add(
    desk: Desk,
    name: Name,
    *,
    preset: Annotated[
        str | None, typer.Option(metavar="PRESET", help="The kind of upstream, e.g. openai.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Up to and with /v1; else the preset's.")
    ] = None,
    api_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="What an Azure deployment is asked in.")
    ] = None,
    credential_env: CredentialEnv = None,
    credential_file: CredentialFile = None,
    no_credential: Annotated[bool, typer.Option("--no-credential", help="The upstream needs none.")] = False,
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="What it offers, e.g. gpt-4o or gpt-*; else all.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="MODEL=UPSTREAM", help="What the upstream calls a model."),
    ] = None,
    priority: Annotated[int | None, typer.Option(help="Lower is tried first.")] = None,
    weight: Annotated[int | None, typer.Option(help="Its share among channels of one priority.")] = None,
    proxy: Annotated[
        str | None, typer.Option(metavar="URL", help="HTTP or SOCKS5 proxy to the upstream.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a channel of this name.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Add a channel. Its credential is asked for, or read from a variable or file, and kept encrypted."""
    if not replace and name in queries.load_configuration(desk.store).channels:
        raise CommandError(f"there is already a channel {name!r}", "--replace replaces it")
    credential = None if no_credential else credential_from(credential_env, credential_file)
    fields: dict[str, Any] = {
        "preset": preset,
        "base_url": base_url,
        "api_version": api_version,
        "models": values.items(model),
        "model_map": dict(map(_pair, map_ or ())),
        "priority": priority,
        "weight": weight,
        "proxy": proxy,
    }
    given = {field: value for field, value in fields.items() if value not in (None, {})}
    changes = service.put(
        desk.store, desk.box, "channel", name, given, now_ms=now_ms(), credential=credential, dry_run=dry_run
    )
    show_changes(desk, changes, dry_run=dry_run)


@command(app, "list")
def list_(desk: Desk) -> None:
    """Show the channels in the order in which they are tried."""
    channels = queries.load_catalogue(desk.store).channels
    sealed = load_credentials(desk.store, desk.box)
    listed = [_listed(spec, sealed) for spec in sorted(channels, key=lambda one: one.priority)]
    columns = ("name", "base URL", "models", ">priority", ">weight", "state", "credentials")
    rows = (
        (
            one["name"],
            one["base_url"],
            ", ".join(one["models"]),
            one["priority"],
            one["weight"],
            one["state"],
            ", ".join(one["credentials"]) or "none",
        )
        for one in listed
    )
    none = "no channels; add one: posthouse channel add NAME --preset PRESET, or --base-url URL"
    desk.answer(listed, lambda: output.print_table(columns, rows, empty=none))


@command(app)
def remove(desk: Desk, name: Name, *, dry_run: DryRun = False) -> None:
    """Remove a channel and its credential."""
    changes = service.remove(desk.store, desk.box, "channel", name, now_ms=now_ms(), dry_run=dry_run)
    show_changes(desk, changes, dry_run=dry_run)


def _listed(spec: ChannelSpec, sealed: Credentials) -> dict[str, Any]:
    """A channel without what may hold a secret: its proxy's URL and its extra headers. Of its credentials the
    names."""
    fields = ("name", "preset", "base_url", "models", "model_map", "priority", "weight")
    return {field: getattr(spec, field) for field in fields} | {
        "state": "draining" if spec.draining else "enabled" if spec.enabled else "disabled",
        "credentials": [one.name for one in spec.credentials if (spec.name, one.name) in sealed],
    }


def _pair(text: str) -> tuple[str, str]:
    model, equals, upstream = text.partition("=")
    if not (model and equals and upstream):
        raise typer.BadParameter(f"{text!r} is not MODEL=UPSTREAM")
    return model, upstream
