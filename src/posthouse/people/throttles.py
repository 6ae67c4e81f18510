"""Slows down who tries again and again: passwords, codes, mails. A throttle allows `tries` at once, and one
more each `window_ms / tries` after that. Each (throttle, who) is one number: when all of its tries will be
free again, so that one statement decides and counts, whichever process asks."""

import hashlib
from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Connection, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from posthouse.people.errors import TooManyTries
from posthouse.store.engine import Store
from posthouse.store.schema_people import throttles

PRUNED_MAX = 100  # by one try: more than it can add


class Throttle(Struct, frozen=True):
    """At most `tries` at once, and as many again in each `window_ms`."""

    name: str
    tries: int
    window_ms: int


def try_all(store: Store, tries: Iterable[tuple[Throttle, str | bytes]], *, now_ms: int) -> None:
    """Count one try of each, in a transaction of its own, so that a try counts whatever becomes of it. Raises
    TooManyTries, and then counts none."""
    with store.begin() as connection:
        for throttle, who in tries:
            take(connection, throttle, who, now_ms=now_ms)


def take(connection: Connection, throttle: Throttle, who: str | bytes, *, now_ms: int) -> None:
    """Count one try within the caller's transaction. `who` is stored as a hash. Raises TooManyTries."""
    _prune(connection, now_ms)
    cost_ms = throttle.window_ms // throttle.tries
    subject = _subject(throttle.name, who)
    full_ms = case((throttles.c.full_ms > now_ms, throttles.c.full_ms), else_=now_ms) + cost_ms
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = (
        dialect.insert(throttles)
        .values(subject=subject, full_ms=now_ms + cost_ms)
        .on_conflict_do_update(
            index_elements=[throttles.c.subject],
            set_={"full_ms": full_ms},
            where=full_ms - now_ms <= throttle.window_ms,
        )
        .returning(throttles.c.full_ms)
    )
    if connection.execute(statement).first() is None:
        query = select(throttles.c.full_ms).where(throttles.c.subject == subject)
        until_ms = connection.execute(query).scalar_one() + cost_ms - throttle.window_ms
        raise TooManyTries(max(1.0, (until_ms - now_ms) / 1000))


def _prune(connection: Connection, now_ms: int) -> None:
    """Forget who may try as often as anybody. On PostgreSQL rows that somebody else is at are left to the
    next: two who wait for each other's would be a deadlock."""
    idle = select(throttles.c.subject).where(throttles.c.full_ms <= now_ms).limit(PRUNED_MAX)
    gone = throttles.c.subject.in_(idle.with_for_update(skip_locked=True))
    connection.execute(delete(throttles).where(gone))


def forgive(connection: Connection, throttle: Throttle, who: str | bytes) -> None:
    """Forget the tries of somebody who has got it right."""
    connection.execute(delete(throttles).where(throttles.c.subject == _subject(throttle.name, who)))


def remember(connection: Connection, name: str, who: str | bytes, *, until_ms: int) -> None:
    """Note until when somebody is known, as a row like those of tries. One who is on the way elsewhere with
    the same note waits for this transaction."""
    subject = _subject(name, who)
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(
        dialect.insert(throttles)
        .values(subject=subject, full_ms=until_ms)
        .on_conflict_do_update(index_elements=[throttles.c.subject], set_={"full_ms": until_ms})
    )


def is_known(connection: Connection, name: str, who: str | bytes, *, now_ms: int) -> bool:
    """Whether somebody was remembered, and still is."""
    query = select(throttles.c.full_ms).where(throttles.c.subject == _subject(name, who))
    return (connection.execute(query).scalar() or 0) > now_ms


def _subject(name: str, who: str | bytes) -> str:
    data = who.encode() if isinstance(who, str) else who
    return f"{name}:{hashlib.sha256(data).hexdigest()[:32]}"
