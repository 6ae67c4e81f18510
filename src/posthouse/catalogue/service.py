"""Changes the configuration: by file, or one definition at a time. Running servers hear of it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from posthouse.catalogue.checks import check
from posthouse.catalogue.credentials import check_named, check_secret, find_channel
from posthouse.catalogue.diff import Change
from posthouse.catalogue.document import Document, define
from posthouse.catalogue.errors import ConfigurationError, Problem
from posthouse.catalogue.queries import read_definitions
from posthouse.catalogue.rules import TABLES, Configuration, Kind
from posthouse.catalogue.states import State, note_by_hand
from posthouse.catalogue.writing import Definitions, credential_names, write
from posthouse.kernel.secrets import SecretBox, SecretText
from posthouse.metering.official import official_models
from posthouse.routing.channels import DEFAULT_CREDENTIAL
from posthouse.store.engine import Store
from posthouse.store.schema import accounts


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
        return write(connection, before, after, document.credentials, box, now_ms=now_ms, dry_run=dry_run)


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
    if credential is not None:
        check_secret((TABLES[kind], name, "credential"), credential)
    with store.read() if dry_run else store.begin() as connection:
        before = read_definitions(connection)
        after = {**before, (kind, name): definition}
        _refuse(_problems(connection, before, after))
        credentials = {} if credential is None else {(name, DEFAULT_CREDENTIAL): credential}
        return write(connection, before, after, credentials, box, now_ms=now_ms, dry_run=dry_run)


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
        return write(connection, before, after, {}, box, now_ms=now_ms, dry_run=dry_run)


def set_by_hand(
    store: Store, channel: str, credential: str, state: State, *, reason: str = "", now_ms: int
) -> State:
    """Enable, drain or disable a channel, or (with its name) one of its credentials; what it was before.
    Raises ConfigurationError when there is none, StoreDown."""
    with store.begin() as connection:
        definition = find_channel(read_definitions(connection), channel)
        if credential:
            check_named(channel, credential, credential_names(definition))
        return note_by_hand(connection, channel, credential, state, reason=reason, now_ms=now_ms)


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
