"""Writes what is different between two sets of definitions, with their channels' credentials."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, delete, insert

from posthouse.catalogue.diff import Change, FieldChange, diff
from posthouse.catalogue.rules import ChannelDef, Definition, Kind
from posthouse.catalogue.sealed import Credentials, Name, renewed, stored_names, write_credentials
from posthouse.catalogue.states import forget_gone, note_back
from posthouse.kernel.secrets import SecretBox
from posthouse.routing.channels import DEFAULT_CREDENTIAL
from posthouse.store.changes import announce
from posthouse.store.schema import configuration

Definitions = dict[tuple[Kind, str], Definition]


def write(
    connection: Connection,
    before: Definitions,
    after: Definitions,
    credentials: Credentials,
    box: SecretBox,
    *,
    now_ms: int,
    gone: Collection[Name] = (),
    dry_run: bool,
) -> list[Change]:
    """Write what is different; `gone`: credentials that go though the definitions do not say so."""
    changes = diff(before, after)
    new = renewed(connection, box, credentials)
    report = _with_credentials(changes, new, gone)
    if report and not dry_run:
        _write_definitions(connection, changes, after, now_ms)
        unused = (
            name
            for change in changes
            if change.kind == "channel"
            for name in _unused(connection, change.name, after)
        )
        write_credentials(connection, box, new, {*unused, *gone} - new.keys(), now_ms)
        for channel, credential in new:
            note_back(connection, channel, credential, reason="a new one", process_id="", now_ms=now_ms)
        announce(connection, "configuration", "", now_ms)
    return report


def _unused(connection: Connection, channel: str, after: Definitions) -> set[Name]:
    """The channel's stored credentials that its definition no longer names."""
    definition = after.get(("channel", channel))
    named = credential_names(definition) if isinstance(definition, ChannelDef) else ()
    return {(channel, credential) for credential in stored_names(connection, channel).difference(named)}


def _with_credentials(changes: list[Change], new: Credentials, gone: Collection[Name]) -> list[Change]:
    """The changes, and which channels get or lose a credential: that it is so, never what it is."""
    report = {(change.kind, change.name): change for change in changes}
    said = [(name, FieldChange(_field(name), None, "(new)")) for name in new]
    said += [(name, FieldChange(_field(name), "(set)", None)) for name in gone]
    for (channel, _), field in said:
        change = report.get(("channel", channel), Change("channel", channel, "change"))
        report["channel", channel] = msgspec.structs.replace(change, fields=(*change.fields, field))
    return list(report.values())


def _field(name: Name) -> str:
    return "credential" if name[1] == DEFAULT_CREDENTIAL else f"credentials.{name[1]}"


def _write_definitions(
    connection: Connection, changes: list[Change], after: Definitions, now_ms: int
) -> None:
    for change in changes:
        key = (configuration.c.kind == change.kind) & (configuration.c.name == change.name)
        connection.execute(delete(configuration).where(key))
        if change.action != "remove":
            text = msgspec.json.encode(after[change.kind, change.name]).decode()
            row = {"kind": change.kind, "name": change.name, "definition": text, "updated_ms": now_ms}
            connection.execute(insert(configuration).values(row))
        if change.kind == "channel":
            definition = after.get(("channel", change.name))
            kept: tuple[str, ...] = ()
            if change.action == "change" and isinstance(definition, ChannelDef):
                kept = ("", *credential_names(definition))
            forget_gone(connection, change.name, kept)


def credential_names(definition: ChannelDef) -> list[str]:
    """The channel's credentials, whether their secrets are stored or not."""
    return [one.name for one in definition.credentials] or [DEFAULT_CREDENTIAL]
