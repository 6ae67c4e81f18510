"""Changes the configuration: by file, or one definition at a time. Running servers hear of it."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from posthouse.catalogue.checks import check
from posthouse.catalogue.diff import Change, FieldChange, diff
from posthouse.catalogue.document import Document, define
from posthouse.catalogue.errors import ConfigurationError, Problem
from posthouse.catalogue.queries import CHANNEL_SECRET, read_definitions
from posthouse.catalogue.rules import TABLES, ChannelDef, Configuration, Definition, Kind, did_you_mean
from posthouse.catalogue.states import State, forget_gone, note_by_hand
from posthouse.kernel.secrets import SecretBox, SecretText, UnreadableSecret
from posthouse.metering.official import official_models
from posthouse.routing.channels import DEFAULT_CREDENTIAL, is_header_text
from posthouse.store.changes import announce
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, configuration, secrets

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
        credentials = {} if credential is None else {name: credential}
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
    credentials: Mapping[str, SecretText],
    box: SecretBox,
    *,
    now_ms: int,
    dry_run: bool,
) -> list[Change]:
    changes = diff(before, after)
    new = {
        name: text
        for name, text in credentials.items()
        if _is_new(connection, CHANNEL_SECRET + name, text, box)
    }
    report = _with_credentials(changes, new)
    if report and not dry_run:
        _write_definitions(connection, changes, after, now_ms)
        _write_secrets(connection, changes, new, box, now_ms)
        announce(connection, "configuration", "", now_ms)
    return report


def _is_new(connection: Connection, name: str, text: SecretText, box: SecretBox) -> bool:
    """Whether the store has another secret of that name, none, or one that no longer opens."""
    sealed = connection.execute(select(secrets.c.sealed).where(secrets.c.name == name)).scalar()
    try:
        return sealed is None or box.open(name, sealed).reveal() != text.reveal()
    except UnreadableSecret:
        return True


def _with_credentials(changes: list[Change], new: Mapping[str, SecretText]) -> list[Change]:
    """The changes, and which channels get a credential: that it is new, never what it is."""
    report = {(change.kind, change.name): change for change in changes}
    for name in new:
        change = report.get(("channel", name), Change("channel", name, "change"))
        fields = (*change.fields, FieldChange("credential", None, "(new)"))
        report["channel", name] = msgspec.structs.replace(change, fields=fields)
    return list(report.values())


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


def _write_secrets(
    connection: Connection, changes: list[Change], new: Mapping[str, SecretText], box: SecretBox, now_ms: int
) -> None:
    removed = {change.name for change in changes if change.kind == "channel" and change.action == "remove"}
    names = [CHANNEL_SECRET + name for name in removed | new.keys()]
    if names:
        connection.execute(delete(secrets).where(secrets.c.name.in_(names)))
    for name, text in new.items():
        secret = CHANNEL_SECRET + name
        row = {"name": secret, "sealed": box.seal(secret, text.reveal()), "updated_ms": now_ms}
        connection.execute(insert(secrets).values(row))
