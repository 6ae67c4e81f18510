"""Who is signed in. A session is a row; the browser holds 256 random bits of which the row has the SHA-256.
It ends after SESSION_IDLE_MS without use and SESSION_MS after it began, by signing out, by being ended from
another session, and with every change of the password."""

import hashlib
import secrets
from base64 import urlsafe_b64encode

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from posthouse.kernel.ids import new_id
from posthouse.kernel.periods import DAY_MS
from posthouse.people.roles import Role
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts
from posthouse.store.schema_people import profiles, sessions

SESSION_IDLE_MS = 7 * DAY_MS  # a device that was lent or lost
SESSION_MS = 30 * DAY_MS  # a cookie that was stolen and is kept warm
SEEN_STEP_MS = 60_000  # so that reading pages writes a row a minute, not a row a request
SESSIONS_MAX = 50  # of one account, so that lists stay readable; the oldest ends for a new one
USER_AGENT_CHARS_MAX = 300


class Device(Struct, frozen=True):
    """From where somebody signs in. `address_hash` is keyed; of the address itself only a hint is stored."""

    address: str
    address_hash: bytes
    user_agent: str


class SignedIn(Struct, frozen=True):
    """A session that counts. `account_id` is whose it is; `viewing_id` the member whose pages are looked at,
    or ""."""

    session_id: str
    account_id: str
    email: str
    role: Role
    language: str
    viewing_id: str


class Session(Struct, frozen=True):
    """A session as its owner sees it in the list."""

    id: str
    created_ms: int
    seen_ms: int
    expires_ms: int
    user_agent: str
    address_hint: str


def open_session(connection: Connection, account_id: str, device: Device, *, now_ms: int) -> str:
    """Sign an account in within the caller's transaction. Returns what the cookie has to hold, the only time
    that it is seen: always a new one, whatever the browser brought."""
    secret = secrets.token_urlsafe(32)
    _make_room(connection, account_id, now_ms)
    connection.execute(
        insert(sessions).values(
            hash=_hash(secret),
            id=new_id("ses"),
            account_id=account_id,
            created_ms=now_ms,
            seen_ms=now_ms,
            expires_ms=now_ms + SESSION_MS,
            user_agent=device.user_agent[:USER_AGENT_CHARS_MAX],
            address_hash=device.address_hash,
            address_hint=address_hint(device.address),
        )
    )
    return secret


def find_session(store: Store, secret: str, *, now_ms: int) -> SignedIn | None:
    """Who is signed in with that cookie, if anybody. Notes that the session was used, once a minute."""
    query = (
        select(sessions, accounts.c.email, accounts.c.status, profiles.c.role, profiles.c.language)
        .join(accounts, accounts.c.id == sessions.c.account_id)
        .join(profiles, profiles.c.account_id == sessions.c.account_id, isouter=True)
        .where(sessions.c.hash == _hash(secret))
    )
    with store.read() as connection:
        row = connection.execute(query).first()
    if row is None or row.expires_ms <= now_ms or row.seen_ms + SESSION_IDLE_MS <= now_ms:
        return None
    if now_ms - row.seen_ms >= SEEN_STEP_MS:
        with store.begin() as connection:
            connection.execute(update(sessions).where(sessions.c.id == row.id).values(seen_ms=now_ms))
    return SignedIn(
        session_id=row.id,
        account_id=row.account_id,
        email=row.email,
        # A frozen member still sees why and can ask; frozen staff is staff no longer.
        role=Role(row.role or Role.MEMBER) if row.status == "active" else Role.MEMBER,
        language=row.language or "",
        viewing_id=row.viewing_id or "",
    )


def list_sessions(store: Store, account_id: str, *, now_ms: int) -> list[Session]:
    """The account's sessions that count, the last used first."""
    query = (
        select(*(sessions.c[name] for name in Session.__struct_fields__))
        .where(
            sessions.c.account_id == account_id,
            sessions.c.expires_ms > now_ms,
            sessions.c.seen_ms > now_ms - SESSION_IDLE_MS,
        )
        .order_by(sessions.c.seen_ms.desc(), sessions.c.id)
    )
    with store.read() as connection:
        return [Session(**row._mapping) for row in connection.execute(query)]


def end_session(store: Store, account_id: str, session_id: str, *, actor: str, now_ms: int) -> bool:
    """End one session of the account. False when it has none of that id."""
    with store.begin() as connection:
        mine = (sessions.c.id == session_id) & (sessions.c.account_id == account_id)
        ended = connection.execute(delete(sessions).where(mine)).rowcount > 0
        if ended:
            _note_end(connection, session_id, actor, now_ms)
    return ended


def forget_session(store: Store, secret: str) -> None:
    """End the session of that cookie because the browser gets another."""
    with store.begin() as connection:
        connection.execute(delete(sessions).where(sessions.c.hash == _hash(secret)))


def end_sessions(
    connection: Connection, account_id: str, *, actor: str, now_ms: int, but_session_id: str = ""
) -> int:
    """End the account's sessions, all but one if that is named, within the caller's transaction; how many."""
    others = (sessions.c.account_id == account_id) & (sessions.c.id != but_session_id)
    ended = connection.execute(delete(sessions).where(others).returning(sessions.c.id)).scalars().all()
    for session_id in ended:
        _note_end(connection, session_id, actor, now_ms)
    return len(ended)


def set_viewing(
    store: Store, session_id: str, *, account_id: str, viewing_id: str, actor: str, now_ms: int
) -> None:
    """Let the session of the account look at a member's pages instead of its own, or ("") no longer."""
    with store.begin() as connection:
        mine = (sessions.c.id == session_id) & (sessions.c.account_id == account_id)
        before = connection.execute(select(sessions.c.viewing_id).where(mine)).scalar()
        connection.execute(update(sessions).where(mine).values(viewing_id=viewing_id or None))
        note(
            connection,
            actor=actor,
            action="account.view" if viewing_id else "account.view_end",
            subject=f"account:{viewing_id or before}",
            at_ms=now_ms,
        )


def csrf_token(secret: str) -> str:
    """What a page of ours has to send along with each change: no other site's page can read it."""
    return urlsafe_b64encode(hashlib.sha256(b"csrf:" + secret.encode()).digest()).rstrip(b"=").decode()


def address_hint(address: str) -> str:
    """Enough of an address to know one's own network by: "203.0.113.…", "2001:db8:1:…"."""
    if "." in address:
        return ".".join(address.split(".")[:3]) + ".…"
    return ":".join(address.split(":")[:3]) + ":…" if ":" in address else ""


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _make_room(connection: Connection, account_id: str, now_ms: int) -> None:
    connection.execute(delete(sessions).where(sessions.c.expires_ms <= now_ms))
    newest = (
        select(sessions.c.id)
        .where(sessions.c.account_id == account_id)
        .order_by(sessions.c.seen_ms.desc(), sessions.c.id)
        .limit(SESSIONS_MAX - 1)
    )
    kept = connection.execute(newest).scalars().all()
    if len(kept) == SESSIONS_MAX - 1:
        others = (sessions.c.account_id == account_id) & sessions.c.id.not_in(kept)
        connection.execute(delete(sessions).where(others))


def _note_end(connection: Connection, session_id: str, actor: str, now_ms: int) -> None:
    note(connection, actor=actor, action="session.end", subject=f"session:{session_id}", at_ms=now_ms)
