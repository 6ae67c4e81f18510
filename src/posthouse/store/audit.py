"""The log of changes: who changed what and when, written in the transaction of the change itself, so that
there is no change without its line and no line without its change."""

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from posthouse.store.engine import Store
from posthouse.store.schema_desk import audit_log

SKEW_MS = 60_000  # by which processes' clocks may differ, so that times and ids disagree in order


def note(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    before: object = None,
    after: object = None,
    at_ms: int,
) -> None:
    """Add a line. `actor` is an account's id, with a token's behind a slash, or "cli"; `action` names noun
    and verb ("account.freeze"), `subject` what was changed ("account:acc_…"). `before` and `after` are
    whatever JSON can say of the two states; no key, password or credential belongs in them. Raises TypeError
    for what JSON can't say, such as a SecretText."""
    connection.execute(
        insert(audit_log).values(
            at_ms=at_ms,
            actor=actor,
            noun=action.partition(".")[0],
            action=action,
            subject=subject,
            before=msgspec.json.encode(before).decode(),
            after=msgspec.json.encode(after).decode(),
        )
    )


def forget(connection: Connection, subject: str, *actions: str) -> None:
    """Blank what these actions have noted of a subject before and after: it tells of a person who is gone."""
    lines = (audit_log.c.subject == subject) & audit_log.c.action.in_(actions)
    connection.execute(update(audit_log).where(lines).values(before="null", after="null"))


class Change(Struct, frozen=True):
    """A line of the log; `before` and `after` are JSON."""

    id: int
    at_ms: int
    actor: str
    action: str
    subject: str
    before: str
    after: str


class ChangeFilter(Struct, frozen=True):
    """Which lines; what is empty filters nothing. `action` may be a noun: "account" means all its verbs.
    An `actor` without a slash means the account's tokens as well. `from_ms` is the first time, `to_ms` the
    first after it."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    from_ms: int | None = None
    to_ms: int | None = None


def list_changes(
    store: Store, asked: ChangeFilter, *, before_id: int | None = None, limit: int
) -> list[Change]:
    """Lines of the log, the latest first, those before the line `before_id`."""
    conditions = _conditions(asked)
    if before_id is not None:
        conditions.append(audit_log.c.id < before_id)
    columns = (audit_log.c[name] for name in Change.__struct_fields__)
    query = select(*columns).where(*conditions).order_by(audit_log.c.id.desc()).limit(limit)
    with store.read() as connection:
        return [Change(**row._mapping) for row in connection.execute(query)]


def _conditions(asked: ChangeFilter) -> list[ColumnElement[bool]]:
    """Times also become bounds of ids, which the list is ordered by, so that an old page is found without
    reading all newer lines."""
    columns = audit_log.c
    found = list[ColumnElement[bool]]()
    if asked.actor:
        of_tokens = columns.actor.startswith(f"{asked.actor}/", autoescape=True)
        found.append(or_(columns.actor == asked.actor, of_tokens))
    if asked.subject:
        found.append(columns.subject == asked.subject)
    noun, _, verb = asked.action.partition(".")
    if noun and not found:  # beside another filter a noun's many lines would be the longer way
        found.append(columns.noun == noun)
    if verb:
        found.append(columns.action == asked.action)
    elif noun:
        found.append(columns.action.startswith(f"{noun}.", autoescape=True))
    if asked.from_ms is not None:
        first = select(columns.id).where(columns.at_ms >= asked.from_ms - SKEW_MS)
        first = first.order_by(columns.at_ms, columns.id).limit(1)
        found += [columns.at_ms >= asked.from_ms, columns.id >= first.scalar_subquery()]
    if asked.to_ms is not None:
        last = select(columns.id).where(columns.at_ms < asked.to_ms + SKEW_MS)
        last = last.order_by(columns.at_ms.desc(), columns.id.desc()).limit(1)
        found += [columns.at_ms < asked.to_ms, columns.id <= last.scalar_subquery()]
    return found
