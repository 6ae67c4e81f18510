"""Writes what is different between two sets of definitions, with their channels' credentials."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, delete, insert

from posthouse.catalogue.diff import Change, FieldChange, diff
from posthouse.catalogue.rules import ChannelDef, Definition, Kind
from posthouse.catalogue.sealed import (
    SITE,
    Credentials,
    Name,
    renewed,
    site_secret_names,
    stored_names,
    write_credentials,
)
from posthouse.catalogue.site import SiteDef
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
        unused = [name for change in changes for name in _unused(connection, change, after)]
        write_credentials(connection, box, new, {*unused, *gone} - new.keys(), now_ms)
        for channel, credential in (name for name in new if name[0] != SITE):
            note_back(connection, channel, credential, reason="a new one", process_id="", now_ms=now_ms)
        announce(connection, "configuration", "", now_ms)
    return report


def _unused(connection: Connection, change: Change, after: Definitions) -> set[Name]:
    """The stored credentials that a changed definition, of a channel or the site, no longer names."""
    definition = after.get((change.kind, change.name))
    if change.kind == "site":
        site = definition if isinstance(definition, SiteDef) else SiteDef()
        return {(SITE, name) for name in site_secret_names(connection).difference(site.secrets)}
    if change.kind != "channel":
        return set()
    named = credential_names(definition) if isinstance(definition, ChannelDef) else ()
    return {(change.name, one) for one in stored_names(connection, change.name).difference(named)}


def _with_credentials(changes: list[Change], new: Credentials, gone: Collection[Name]) -> list[Change]:
    """The changes, and which channels (or the site) get or lose a credential: that it is so, never what it
    is."""
    report = {(change.kind, change.name): change for change in changes}
    said = [(name, FieldChange(_field(name), None, "(new)")) for name in new]
    said += [(name, FieldChange(_field(name), "(set)", None)) for name in gone]
    for name, field in said:
        key: tuple[Kind, str] = ("site", "site") if name[0] == SITE else ("channel", name[0])
        change = report.get(key, Change(*key, "change"))
        report[key] = msgspec.structs.replace(change, fields=(*change.fields, field))
    return list(report.values())


def _field(name: Name) -> str:
    if name[0] == SITE:
        return f"secrets.{name[1]}"
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
