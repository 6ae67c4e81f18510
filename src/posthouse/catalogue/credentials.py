"""Changes one of a channel's credentials; the others, and the rest of the channel, stay as they are."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from posthouse.catalogue.channels import resolved
from posthouse.catalogue.diff import Change
from posthouse.catalogue.document import define
from posthouse.catalogue.edits import Definitions
from posthouse.catalogue.errors import ConfigurationError, Path, Problem
from posthouse.catalogue.queries import read_definitions
from posthouse.catalogue.rules import TABLES, ChannelDef, Configuration, nearest
from posthouse.catalogue.sealed import load_credentials, stored_names
from posthouse.catalogue.writing import changing, write
from posthouse.kernel.secrets import SecretBox, SecretText
from posthouse.routing.channels import DEFAULT_CREDENTIAL, ChannelSpec, CredentialDef, is_header_text
from posthouse.store.engine import Store


def put_credential(
    store: Store,
    box: SecretBox,
    channel: str,
    name: str,
    fields: Mapping[str, Any],
    *,
    now_ms: int,
    actor: str = "cli",
    credential: SecretText | None = None,
    dry_run: bool = False,
) -> list[Change]:
    """Add or replace one: `fields` of CredentialDef but the name, and the secret itself (None: as it was).
    Raises ConfigurationError, StoreDown."""
    if credential is not None:
        check_secret((*_path(channel), name), credential)
    with changing(store, dry_run=dry_run) as connection:
        before = read_definitions(connection)
        definition = find_channel(before, channel)
        if credential is None and name not in stored_names(connection, channel):
            raise ConfigurationError([Problem((*_path(channel), name), "secret_missing")])
        listed = _listed(connection, definition) | {name: {**fields, "name": name}}
        after = _with_listed(before, definition, listed)
        given = {} if credential is None else {(channel, name): credential}
        return write(connection, before, after, given, box, now_ms=now_ms, actor=actor, dry_run=dry_run)


def remove_credential(
    store: Store,
    box: SecretBox,
    channel: str,
    name: str,
    *,
    now_ms: int,
    actor: str = "cli",
    dry_run: bool = False,
) -> list[Change]:
    """Take one out, with its secret. Raises ConfigurationError when there is none, StoreDown."""
    with changing(store, dry_run=dry_run) as connection:
        before = read_definitions(connection)
        definition = find_channel(before, channel)
        listed = _listed(connection, definition)
        check_named(channel, name, listed)
        after = _with_listed(before, definition, {other: listed[other] for other in listed if other != name})
        gone = [(channel, name)]
        return write(
            connection, before, after, {}, box, now_ms=now_ms, actor=actor, gone=gone, dry_run=dry_run
        )


def ready(
    store: Store, box: SecretBox, channel: str, credential: str = ""
) -> tuple[ChannelSpec, SecretText | None]:
    """A channel as its definition makes it, also one that is set apart, with the secret of that credential,
    else of the first that is there (None: there is none). Raises ConfigurationError where there is no such
    channel or credential, StoreDown, UnreadableSecret."""
    with store.read() as connection:
        spec = resolved(find_channel(read_definitions(connection), channel))
    secrets = load_credentials(store, box)
    there = [one.name for one in spec.credentials if (channel, one.name) in secrets]
    if credential:
        check_named(channel, credential, there)
    name = credential or next(iter(there), "")
    return spec, secrets.get((channel, name))


def find_channel(definitions: Definitions, channel: str) -> ChannelDef:
    """Raises ConfigurationError when there is no such channel."""
    channels = Configuration.of(definitions).channels
    if channel not in channels:
        context = {"name": channel, "near": nearest(channel, channels)}
        raise ConfigurationError([Problem((TABLES["channel"],), "unknown_channel", context)])
    return channels[channel]


def check_named(channel: str, credential: str, names: Collection[str]) -> None:
    """Raises ConfigurationError for a credential that is none of these."""
    if credential not in names:
        kind = "unknown_credential" if names else "no_credential"
        context = {"name": credential, "names": ", ".join(names)}
        raise ConfigurationError([Problem(_path(channel), kind, context)])


def check_secret(path: Path, secret: SecretText) -> None:
    """Raises ConfigurationError for a text that could split a request."""
    if not is_header_text(secret.reveal()):
        raise ConfigurationError([Problem(path, "ascii")])


def _path(channel: str) -> Path:
    return (TABLES["channel"], channel, "credentials")


def _listed(connection: Connection, definition: ChannelDef) -> dict[str, dict[str, Any]]:
    """Fields of the channel's credentials by name: of those that it lists, else of a stored default one."""
    listed: Sequence[CredentialDef] = definition.credentials
    if not listed and DEFAULT_CREDENTIAL in stored_names(connection, definition.name):
        listed = [CredentialDef(name=DEFAULT_CREDENTIAL)]
    return {one.name: msgspec.to_builtins(one) for one in listed}


def _with_listed(
    definitions: Definitions, definition: ChannelDef, listed: dict[str, dict[str, Any]]
) -> Definitions:
    """The definitions with these credentials of the channel. A single default one without ceilings is what a
    channel has that lists none."""
    if [*listed.values()] == [{"name": DEFAULT_CREDENTIAL}]:
        listed = {}
    fields = msgspec.to_builtins(definition) | {"credentials": [*listed.values()]}
    made = define("channel", definition.name, fields, (TABLES["channel"], definition.name))
    return {**definitions, ("channel", definition.name): made}
