"""Writes what is different between two sets of definitions, with their channels' credentials."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, text

from posthouse.catalogue.diff import Change, FieldChange, diff
from posthouse.catalogue.edits import Definitions
from posthouse.catalogue.masking import masked
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
from posthouse.store.audit import note
from posthouse.store.changes import announce
from posthouse.store.engine import Store
from posthouse.store.schema import configuration

_CONFIGURATION_LOCK = 0x636F6E66  # "conf"


@contextmanager
def changing(store: Store, *, dry_run: bool) -> Iterator[Connection]:
    """A transaction that reads the definitions and then changes them: nobody else's comes between. Raises
    StoreDown."""
    if dry_run:
        with store.read() as connection:
            yield connection
        return
    with store.begin() as connection:
        if not store.is_sqlite:  # which has one writer anyway
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _CONFIGURATION_LOCK})
        yield connection


def write(
    connection: Connection,
    before: Definitions,
    after: Definitions,
    credentials: Credentials,
    box: SecretBox,
    *,
    now_ms: int,
    actor: str,
    gone: Collection[Name] = (),
    dry_run: bool,
) -> list[Change]:
    """Write what is different, and who changed it; `gone`: credentials that go though the definitions do not
    say so."""
    changes = diff(before, after)
    new = renewed(connection, box, credentials)
    report = _with_credentials(changes, new, gone)
    if report and not dry_run:
        _write_definitions(connection, changes, after, now_ms)
        unused = [name for change in changes for name in _unused(connection, change, after)]
        write_credentials(connection, box, new, {*unused, *gone} - new.keys(), now_ms)
        for channel, credential in (name for name in new if name[0] != SITE):
            note_back(connection, channel, credential, reason="a new one", process_id="", now_ms=now_ms)
        for change in report:
            _note(connection, change, before, after, actor, now_ms)
        announce(connection, "configuration", "", now_ms)
    return report


def _note(
    connection: Connection,
    change: Change,
    before: Definitions,
    after: Definitions,
    actor: str,
    now_ms: int,
) -> None:
    """Of what was changed the fields that differ, of what came or went the whole definition; of secrets that
    they came or went."""
    key = change.kind, change.name
    said: list[dict[str, Any] | None] = [
        {one.field: one.before for one in change.fields},
        {one.field: one.after for one in change.fields},
    ]
    if change.action == "add":
        said = [None, _shown(after[key]) | {one.field: one.after for one in change.fields}]
    if change.action == "remove":
        said = [_shown(before[key]), None]
    subject, action = f"{change.kind}:{change.name}", f"{change.kind}.{change.action}"
    note(
        connection,
        actor=actor,
        action=action,
        subject=subject,
        before=said[0],
        after=said[1],
        at_ms=now_ms,
    )


def _shown(definition: Definition) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(masked(definition))
    return fields


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
            definition = msgspec.json.encode(after[change.kind, change.name]).decode()
            row = {"kind": change.kind, "name": change.name, "definition": definition, "updated_ms": now_ms}
            connection.execute(insert(configuration).values(row))
        if change.kind == "channel":
            channel = after.get(("channel", change.name))
            kept: tuple[str, ...] = ()
            if change.action == "change" and isinstance(channel, ChannelDef):
                kept = ("", *credential_names(channel))
            forget_gone(connection, change.name, kept)


def credential_names(definition: ChannelDef) -> list[str]:
    """The channel's credentials, whether their secrets are stored or not."""
    return [one.name for one in definition.credentials] or [DEFAULT_CREDENTIAL]
