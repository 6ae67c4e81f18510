"""Signals of abuse, and what is done about them. Each is a reason to look, no proof: schools and offices
share an address, and whoever travels has many."""

from collections.abc import Collection, Iterator

from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import Connection, delete, func, insert, select

from posthouse.accounts.queries import find_account
from posthouse.accounts.rules import AccountStatus
from posthouse.accounts.service import change_account
from posthouse.desk import rules
from posthouse.desk.rules import Finding, Signal, Thresholds, Use
from posthouse.kernel.periods import DAY_MS
from posthouse.ledger.sums import address_uses
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, keys
from posthouse.store.schema_desk import dismissals
from posthouse.store.schema_people import profiles

DISMISSED_MS = 30 * DAY_MS  # what was harmless a month ago may have grown
FINDINGS_MAX = 100  # shown at once: whoever has more begins with the largest
PEOPLE_MAX = 20  # shown of one finding
IDS_MAX = 10_000  # asked for at once: a third of what SQLite takes


class Person(Struct, frozen=True):
    """An account that a finding names."""

    id: str
    email: str
    role: str
    status: AccountStatus
    created_ms: int


class Suspicion(Struct, frozen=True):
    """A finding with the accounts behind it, those that still may call first, at most PEOPLE_MAX of them.
    `freezable`: ids of its members who are not frozen yet, at most FREEZE_MAX. `key_hint`: of the key that it
    is about, with its state; else empty."""

    finding: Finding
    people: tuple[Person, ...]
    freezable: tuple[str, ...]
    key_hint: str
    key_status: str


def suspicions(store: Store, thresholds: Thresholds, *, now_ms: int) -> list[Suspicion]:
    """What looks like abuse over the last days, the largest first; without what was dismissed."""
    since_ms = now_ms - thresholds.days * DAY_MS
    uses = address_uses(store, since_ms=since_ms)
    found = rules.findings_in((Use(*astuple(one)) for one in uses), thresholds)
    with store.read() as connection:
        found += _registrations(connection, thresholds, since_ms)
        quiet = _dismissed(connection, now_ms)
        loud = [one for one in found if (one.signal, one.subject) not in quiet]
        loud.sort(key=lambda one: (-one.size, -one.requests, one.subject))
        return list(_with_people(connection, loud[:FINDINGS_MAX]))


def freeze_members(
    store: Store, account_ids: Collection[str], *, reason: str, now_ms: int, actor: str = "cli"
) -> list[str]:
    """Refuse all calls of these accounts, all or none; the ids of those that were not frozen yet. Whoever is
    of the operator's people is passed over: they share an office. Raises UnfitValue."""
    reason = rules.parse_line("reason", reason, rules.REASON_CHARS_MAX)
    with store.begin() as connection:
        fresh = sorted(one.id for one in _people(connection, account_ids).values() if _is_freezable(one))
        for account_id in fresh:
            account = find_account(connection, account_id)
            change_account(connection, account, status="frozen", actor=actor)
        if fresh:
            after = {"accounts": fresh, "reason": reason}
            note(connection, actor=actor, action="abuse.freeze", subject="abuse", after=after, at_ms=now_ms)
        return fresh


def dismiss(store: Store, signal: Signal, subject: str, *, now_ms: int, actor: str = "cli") -> None:
    """It is harmless: don't show it for a while."""
    row = {"signal": signal, "subject": subject, "until_ms": now_ms + DISMISSED_MS}
    with store.begin() as connection:
        same = (dismissals.c.signal == signal) & (dismissals.c.subject == subject)
        connection.execute(delete(dismissals).where(same | (dismissals.c.until_ms <= now_ms)))
        connection.execute(insert(dismissals).values(row))
        note(connection, actor=actor, action="abuse.dismiss", subject=f"{signal}:{subject}", at_ms=now_ms)


def _registrations(connection: Connection, thresholds: Thresholds, since_ms: int) -> list[Finding]:
    """Addresses that many accounts were registered from."""
    registered = select(profiles.c.address_hash, profiles.c.account_id).where(
        profiles.c.created_ms >= since_ms, profiles.c.address_hash.is_not(None)
    )
    crowded = (
        select(profiles.c.address_hash)
        .where(profiles.c.created_ms >= since_ms, profiles.c.address_hash.is_not(None))
        .group_by(profiles.c.address_hash)
        .having(func.count() >= thresholds.registrations)
    )
    by_address: dict[bytes, list[str]] = {}
    for row in connection.execute(registered.where(profiles.c.address_hash.in_(crowded))):
        by_address.setdefault(bytes(row.address_hash), []).append(row.account_id)
    return [
        Finding(
            signal="registrations",
            subject=address.hex(),
            size=len(ids),
            requests=0,
            account_ids=tuple(sorted(ids)),
            key_ids=(),
        )
        for address, ids in by_address.items()
    ]


def _dismissed(connection: Connection, now_ms: int) -> set[tuple[str, str]]:
    rows = connection.execute(select(dismissals).where(dismissals.c.until_ms > now_ms))
    return {(row.signal, row.subject) for row in rows}


def _with_people(connection: Connection, findings: list[Finding]) -> Iterator[Suspicion]:
    people = _people(connection, {id_ for one in findings for id_ in one.account_ids})
    subjects = [one.subject for one in findings if one.signal == "addresses_of_key"]
    rows = connection.execute(select(keys.c.id, keys.c.hint, keys.c.status).where(keys.c.id.in_(subjects)))
    found = {row.id: row for row in rows}
    for one in findings:
        key = found.get(one.subject)
        known = [people[id_] for id_ in one.account_ids if id_ in people]
        known.sort(key=lambda person: person.status != "active")
        freezable = [person.id for person in known if _is_freezable(person)]
        yield Suspicion(
            finding=one,
            people=tuple(known[:PEOPLE_MAX]),
            freezable=tuple(freezable[: rules.FREEZE_MAX]),
            key_hint=key.hint if key else "",
            key_status=key.status if key else "",
        )


def _is_freezable(person: Person) -> bool:
    return person.role == "member" and person.status == "active"


def _people(connection: Connection, account_ids: Collection[str]) -> dict[str, Person]:
    query = select(
        accounts.c.id,
        accounts.c.email,
        func.coalesce(profiles.c.role, "member"),
        accounts.c.status,
        accounts.c.created_ms,
    ).outerjoin(profiles, profiles.c.account_id == accounts.c.id)
    asked = list(account_ids)
    found: dict[str, Person] = {}
    for start in range(0, len(asked), IDS_MAX):
        of_these = query.where(accounts.c.id.in_(asked[start : start + IDS_MAX]))
        found |= {row.id: Person(*row) for row in connection.execute(of_these)}
    return found
