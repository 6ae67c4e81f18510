"""Changes the configuration: by file, or one definition at a time. Running servers hear of it, and the log of
changes has who did it."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, func, select

from posthouse.catalogue.checks import check
from posthouse.catalogue.compiled import Catalogue
from posthouse.catalogue.credentials import check_named, check_secret, find_channel
from posthouse.catalogue.diff import Change
from posthouse.catalogue.document import Document
from posthouse.catalogue.edits import Definitions, Edit, applying, putting, removing
from posthouse.catalogue.errors import ConfigurationError, Problem
from posthouse.catalogue.price_changes import PriceChange, price_changes
from posthouse.catalogue.queries import read_definitions
from posthouse.catalogue.rules import TABLES, Configuration, Kind
from posthouse.catalogue.sealed import Credentials, Name
from posthouse.catalogue.states import State, note_by_hand
from posthouse.catalogue.toml_text import toml_text
from posthouse.catalogue.writing import changing, credential_names, write
from posthouse.kernel.secrets import SecretBox, SecretText
from posthouse.metering.official import official_models
from posthouse.routing.channels import DEFAULT_CREDENTIAL
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts

NO_SECRETS: Credentials = MappingProxyType({})


def change(
    store: Store,
    box: SecretBox,
    edit: Edit,
    *,
    now_ms: int,
    actor: str = "cli",
    secrets: Credentials = NO_SECRETS,
    gone: Collection[Name] = (),
    blame: Callable[[list[Problem]], ConfigurationError] = ConfigurationError,
    repairs: bool = False,
    dry_run: bool = False,
) -> list[Change]:
    """Make an edit of the definitions, with new secrets and without those that are `gone`; what is changed by
    it. All or nothing; `dry_run` changes nothing. `repairs`: what this version can't read counts as not
    there. Raises ConfigurationError (as `blame` makes it), StoreDown, and what the edit raises."""
    with changing(store, dry_run=dry_run) as connection:
        before = read_definitions(connection, unreadable=[] if repairs else None)
        after = edit(before)
        problems = _problems(connection, before, after)
        if problems:
            raise blame(problems)
        return write(
            connection, before, after, secrets, box, now_ms=now_ms, actor=actor, gone=gone, dry_run=dry_run
        )


def preview_prices(store: Store, edit: Edit) -> list[PriceChange]:
    """What an edit that `change` takes would do to what members pay. Changes nothing. Raises StoreDown, and
    what the edit raises."""
    with store.read() as connection:
        before = read_definitions(connection)
    catalogues = (Catalogue(Configuration.of(one)) for one in (before, edit(before)))
    return [*price_changes(*catalogues)]


def apply(
    store: Store,
    document: Document,
    box: SecretBox,
    *,
    now_ms: int,
    actor: str = "cli",
    dry_run: bool = False,
) -> list[Change]:
    """Make plans, models, prices, channels and limits what the file says, all or nothing; the changes.

    Tables that the file does not have stay as they are: a file without [channels] leaves those that were
    added by hand. `dry_run` changes nothing. Raises ConfigurationError, StoreDown."""
    return change(
        store,
        box,
        applying(document),
        now_ms=now_ms,
        actor=actor,
        secrets=document.credentials,
        blame=document.error,
        repairs=True,
        dry_run=dry_run,
    )


def export(store: Store) -> str:
    """The configuration as the file that `apply` reads back with no difference; without secrets. Raises
    ConfigurationError, StoreDown."""
    with store.read() as connection:
        return toml_text(read_definitions(connection))


def put(
    store: Store,
    box: SecretBox,
    kind: Kind,
    name: str,
    fields: Mapping[str, Any],
    *,
    now_ms: int,
    actor: str = "cli",
    credential: SecretText | None = None,
    dry_run: bool = False,
) -> list[Change]:
    """Add or replace one definition, for a channel with its credential (None: as it was). Raises
    ConfigurationError, StoreDown."""
    edit = putting(kind, name, fields)
    if credential is not None:
        check_secret((TABLES[kind], name, "credential"), credential)
    secrets = {} if credential is None else {(name, DEFAULT_CREDENTIAL): credential}
    return change(store, box, edit, now_ms=now_ms, actor=actor, secrets=secrets, dry_run=dry_run)


def remove(
    store: Store,
    box: SecretBox,
    kind: Kind,
    name: str,
    *,
    now_ms: int,
    actor: str = "cli",
    dry_run: bool = False,
) -> list[Change]:
    """Take one definition out, a channel with its credential. Raises ConfigurationError when there is none
    or something needs it, StoreDown."""
    return change(store, box, removing(kind, name), now_ms=now_ms, actor=actor, dry_run=dry_run)


def set_by_hand(
    store: Store,
    channel: str,
    credential: str,
    state: State,
    *,
    reason: str = "",
    now_ms: int,
    actor: str = "cli",
) -> State:
    """Enable, drain or disable a channel, or (with its name) one of its credentials; what it was before.
    Raises ConfigurationError when there is none, StoreDown."""
    with store.begin() as connection:
        definition = find_channel(read_definitions(connection), channel)
        if credential:
            check_named(channel, credential, credential_names(definition))
        before = note_by_hand(connection, channel, credential, state, reason=reason, now_ms=now_ms)
        note(
            connection,
            actor=actor,
            action="channel.state",
            subject=f"channel:{channel}",
            before={"credential": credential, "state": before},
            after={"credential": credential, "state": state, "reason": reason},
            at_ms=now_ms,
        )
    return before


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
        problems.append(Problem(("plans", plan), "plan_has_members", {"count": count}))
    return problems
