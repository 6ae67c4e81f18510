"""Changes the configuration: by file, or one definition at a time. Running servers hear of it."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from posthouse.catalogue.checks import check
from posthouse.catalogue.diff import Change, FieldChange, diff
from posthouse.catalogue.document import Document, define
from posthouse.catalogue.errors import ConfigurationError, Problem
from posthouse.catalogue.queries import read_definitions
from posthouse.catalogue.rules import TABLES, ChannelDef, Configuration, Definition, Kind, did_you_mean
from posthouse.catalogue.sealed import Credentials, Name, renewed, stored_names, write_credentials
from posthouse.catalogue.states import State, forget_gone, note_back, note_by_hand
from posthouse.kernel.secrets import SecretBox, SecretText
from posthouse.metering.official import official_models
from posthouse.routing.channels import DEFAULT_CREDENTIAL, is_header_text
from posthouse.store.changes import announce
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, configuration

Definitions = dict[tuple[Kind, str], Definition]


def apply(
    store: Store, document: Document, box: SecretBox, *, now_ms: int, dry_run: bool = False
) -> list[Change]:
    """Make plans, models, prices, channels and limits what the file says, all or nothing; the changes.

    Tables that the file does not have stay as they are: a file without [channels] leaves those that were
    added by hand. `dry_run` changes nothing. Raises ConfigurationError, StoreDown."""
    with store.read() if dry_run else store.begin() as connection:
        before = read_definitions(connection, unreadable=[])  # what can't be read is made new
        after = {key: one for key, one in before.items() if key[0] not in document.kinds}
        after |= document.definitions
        problems = _problems(connection, before, after)
        if problems:
            raise document.error(problems)
        return _write(connection, before, after, document.credentials, box, now_ms=now_ms, dry_run=dry_run)


def put(
    store: Store,
    box: SecretBox,
    kind: Kind,
    name: str,
    fields: Mapping[str, Any],
    *,
    now_ms: int,
    credential: SecretText | None = None,
    dry_run: bool = False,
) -> list[Change]:
    """Add or replace one definition, for a channel with its credential (None: as it was). Raises
    ConfigurationError, StoreDown."""
    definition = define(kind, name, fields, (TABLES[kind], name))
    if credential is not None and not is_header_text(credential.reveal()):
        path = (TABLES[kind], name, "credential")
        raise ConfigurationError([Problem(path, "must be printable ASCII text")])
    with store.read() if dry_run else store.begin() as connection:
        before = read_definitions(connection)
        after = {**before, (kind, name): definition}
        _refuse(_problems(connection, before, after))
        credentials = {} if credential is None else {(name, DEFAULT_CREDENTIAL): credential}
        return _write(connection, before, after, credentials, box, now_ms=now_ms, dry_run=dry_run)


def remove(
    store: Store, box: SecretBox, kind: Kind, name: str, *, now_ms: int, dry_run: bool = False
) -> list[Change]:
    """Take one definition out, a channel with its credential. Raises ConfigurationError when there is none
    or something needs it, StoreDown."""
    with store.read() if dry_run else store.begin() as connection:
        before = read_definitions(connection)
        if (kind, name) not in before:
            raise ConfigurationError([Problem((TABLES[kind],), f"there is no {kind} {name!r}")])
        after = {key: one for key, one in before.items() if key != (kind, name)}
        _refuse(_problems(connection, before, after))
        return _write(connection, before, after, {}, box, now_ms=now_ms, dry_run=dry_run)


def set_by_hand(
    store: Store, channel: str, credential: str, state: State, *, reason: str = "", now_ms: int
) -> State:
    """Enable, drain or disable a channel, or (with its name) one of its credentials; what it was before.
    Raises ConfigurationError when there is none, StoreDown."""
    with store.begin() as connection:
        channels = Configuration.of(read_definitions(connection)).channels
        if channel not in channels:
            hint = did_you_mean(channel, channels)
            _refuse([Problem(("channels",), f"there is no channel {channel!r}{hint}")])
        names = _credential_names(channels[channel])
        if credential and credential not in names:
            path = ("channels", channel, "credentials")
            _refuse([Problem(path, f"there is none named {credential!r}: {', '.join(names)}")])
        return note_by_hand(connection, channel, credential, state, reason=reason, now_ms=now_ms)


def _credential_names(definition: ChannelDef) -> list[str]:
    return [one.name for one in definition.credentials] or [DEFAULT_CREDENTIAL]


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise ConfigurationError(problems)


def _problems(connection: Connection, before: Definitions, after: Definitions) -> list[Problem]:
    """What the definitions have wrong together, and plans that are gone but have members."""
    problems = check(Configuration.of(after), official_models())
    gone = [name for kind, name in before.keys() - after.keys() if kind == "plan"]
    members = (
        select(accounts.c.plan, func.count().label("members"))
        .where(accounts.c.plan.in_(gone))
        .group_by(accounts.c.plan)
    )
    for plan, count in connection.execute(members) if gone else ():
        problems.append(Problem(("plans", plan), f"can't go: {count} accounts are on it; move them first"))
    return problems


def _write(
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
    named = _credential_names(definition) if isinstance(definition, ChannelDef) else ()
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
            kept = ("", *_credential_names(definition)) if isinstance(definition, ChannelDef) else ()
            forget_gone(connection, change.name, kept)
