"""What may be done once: a link in a mail, a step of a sign-in elsewhere, a passkey's challenge. Whoever
holds the 256 random bits may take it; taking deletes it, so of two that take at once one gets it."""

import hashlib
import secrets
from typing import Literal

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from posthouse.store.engine import Store
from posthouse.store.schema_people import one_time
from posthouse.store.upsert import insert_if_absent

PRUNED_AT_ONCE = 100  # so that whoever comes first after a quiet time does not wait for all

Kind = Literal[
    "register", "reset", "email", "oauth", "second_factor", "totp", "passkey", "passkey_new", "proof"
]


class Taken(msgspec.Struct, frozen=True):
    """What was left with it."""

    subject: str
    data: dict[str, str]


def issue(
    connection: Connection,
    kind: Kind,
    *,
    subject: str = "",
    data: dict[str, str] | None = None,
    address_hash: bytes = b"",
    now_ms: int,
    lives_ms: int,
) -> str:
    """Make one that can be taken until then; the token is seen this one time."""
    token = secrets.token_urlsafe(32)
    _prune(connection, now_ms)
    connection.execute(
        insert(one_time).values(
            hash=_hash(kind, token),
            kind=kind,
            subject=subject,
            data=msgspec.json.encode(data or {}).decode(),
            address_hash=address_hash,
            created_ms=now_ms,
            expires_ms=now_ms + lives_ms,
        )
    )
    return token


def take(connection: Connection, kind: Kind, token: str, *, now_ms: int) -> Taken | None:
    """Use it up. None: there is none such, or no longer."""
    mine = (one_time.c.hash == _hash(kind, token)) & (one_time.c.expires_ms > now_ms)
    row = connection.execute(
        delete(one_time).where(mine).returning(one_time.c.subject, one_time.c.data)
    ).first()
    return None if row is None else _taken(row.subject, row.data)


def look(store: Store, kind: Kind, token: str, *, now_ms: int) -> Taken | None:
    """What `take` would give, and leave it there."""
    mine = (one_time.c.hash == _hash(kind, token)) & (one_time.c.expires_ms > now_ms)
    with store.read() as connection:
        row = connection.execute(select(one_time.c.subject, one_time.c.data).where(mine)).first()
    return None if row is None else _taken(row.subject, row.data)


def spend(connection: Connection, kind: Kind, name: str, *, now_ms: int, expires_ms: int) -> bool:
    """Note that something made elsewhere was used. False: it was before."""
    _prune(connection, now_ms)
    values = {
        "hash": _hash(kind, name),
        "kind": kind,
        "subject": "",
        "data": "{}",
        "address_hash": b"",
        "created_ms": now_ms,
        "expires_ms": expires_ms,
    }
    return insert_if_absent(connection, one_time, values)


def count(connection: Connection, kind: Kind, subject: str, *, since_ms: int) -> int:
    """How many were made for the subject since then and not taken."""
    mine = (one_time.c.subject == subject) & (one_time.c.kind == kind) & (one_time.c.created_ms >= since_ms)
    return connection.execute(select(func.count()).select_from(one_time).where(mine)).scalar_one()


def revoke(connection: Connection, subject: str, *kinds: Kind) -> None:
    """Take all of the subject's back."""
    mine = (one_time.c.subject == subject) & one_time.c.kind.in_(kinds)
    connection.execute(delete(one_time).where(mine))


def _prune(connection: Connection, now_ms: int) -> None:
    """Delete what has expired, but for rows that another transaction deletes: two that waited for each
    other's would wait for ever."""
    old = select(one_time.c.hash).where(one_time.c.expires_ms <= now_ms).limit(PRUNED_AT_ONCE)
    mine = old.with_for_update(skip_locked=True).scalar_subquery()
    connection.execute(delete(one_time).where(one_time.c.hash.in_(mine)))


def _hash(kind: Kind, token: str) -> bytes:
    return hashlib.sha256(f"{kind}:{token}".encode("utf-8", "surrogateescape")).digest()


def _taken(subject: str, data: str) -> Taken:
    return Taken(subject, msgspec.json.decode(data, type=dict[str, str]))
