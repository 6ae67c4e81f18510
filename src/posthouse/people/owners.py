"""Roles of accounts, and how the first owner comes in."""

import hmac

from sqlalchemy import Connection, func, select, update

from posthouse.accounts.errors import UnknownAccount
from posthouse.accounts.queries import find_account
from posthouse.accounts.service import add_account
from posthouse.kernel.secrets import SecretBox
from posthouse.people import passwords
from posthouse.people.errors import LastOwner, OwnerExists
from posthouse.people.profiles import change_profile, keep_only_mailbox
from posthouse.people.roles import Role
from posthouse.people.sessions import end_sessions
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts
from posthouse.store.schema_people import profiles, sessions
from posthouse.store.upsert import insert_if_absent


def has_owner(store: Store) -> bool:
    """Whether anybody owns this installation yet."""
    with store.read() as connection:
        return _owners(connection) > 0


def setup_token(box: SecretBox) -> str:
    """What the setup link holds: whoever reads the server's own output may become the first owner. Made of
    the master key, so that all processes know it and nothing is stored; without effect once there is an
    owner."""
    return box.derive("the first owner's setup link").hex()


def is_setup_token(box: SecretBox, token: str) -> bool:
    return hmac.compare_digest(setup_token(box).encode(), token.encode("utf-8", "replace"))


def create_first_owner(store: Store, email: str, password: str, *, actor: str, now_ms: int) -> str:
    """Make the first owner and return the account's id; an account of that email becomes the owner's, with
    that password. Raises OwnerExists, WeakPassword, UnfitValue."""
    hashed = passwords.hash_password(passwords.parse_password(password, email.strip().lower()))
    with store.begin() as connection:
        if _owners(connection):
            raise OwnerExists
        return _put_owner(connection, email, hashed, actor=actor, now_ms=now_ms)


def put_owner(store: Store, email: str, password: str, *, actor: str, now_ms: int) -> str:
    """The same, however many owners there are: for whoever holds the data directory."""
    hashed = passwords.hash_password(passwords.parse_password(password, email.strip().lower()))
    with store.begin() as connection:
        return _put_owner(connection, email, hashed, actor=actor, now_ms=now_ms)


def find_role(store: Store, account_id: str) -> Role:
    """A member's, where nothing else is known of the account."""
    with store.read() as connection:
        return role_of(connection, account_id)


def role_of(connection: Connection, account_id: str) -> Role:
    query = select(profiles.c.role).where(profiles.c.account_id == account_id)
    return Role(connection.execute(query).scalar() or Role.MEMBER)


def set_role(store: Store, who: str, role: Role, *, actor: str, now_ms: int) -> Role:
    """Give the account of that id or email a role; returns the one it had. Raises UnknownAccount,
    LastOwner."""
    with store.begin() as connection:
        account = find_account(connection, who)
        return _set_role(connection, account.id, role, actor=actor, now_ms=now_ms)


def _set_role(connection: Connection, account_id: str, role: Role, *, actor: str, now_ms: int) -> Role:
    insert_if_absent(connection, profiles, {"account_id": account_id, "created_ms": now_ms})
    # Locked in the order of ids, so that two owners who demote each other come in turn.
    owners = select(profiles.c.account_id, accounts.c.status).where(profiles.c.role == Role.OWNER)
    owners = owners.join(accounts, accounts.c.id == profiles.c.account_id).order_by(profiles.c.account_id)
    locked = connection.execute(owners.with_for_update(of=profiles)).all()
    before = role_of(connection, account_id)
    # Whoever is frozen owns nothing meanwhile.
    others = [row for row in locked if row.account_id != account_id and row.status == "active"]
    if before is Role.OWNER and role is not Role.OWNER and not others:
        raise LastOwner
    connection.execute(update(profiles).where(profiles.c.account_id == account_id).values(role=role))
    if role is not Role.MEMBER:  # whoever looks at the pages of a member sees none of staff's
        looking = update(sessions).where(sessions.c.viewing_id == account_id)
        connection.execute(looking.values(viewing_id=None))
    note(
        connection,
        actor=actor,
        action="account.role",
        subject=f"account:{account_id}",
        before=before,
        after=role,
        at_ms=now_ms,
    )
    return before


def _put_owner(connection: Connection, email: str, hashed: str, *, actor: str, now_ms: int) -> str:
    try:
        account = find_account(connection, email)
    except UnknownAccount:
        account = add_account(connection, email, actor=actor)
    _set_role(connection, account.id, Role.OWNER, actor=actor, now_ms=now_ms)
    end_sessions(connection, account.id, actor=actor, now_ms=now_ms)
    keep_only_mailbox(connection, account.id, now_ms=now_ms)  # the address may be somebody else's choice
    change_profile(connection, account.id, password_hash=hashed)
    return account.id


def _owners(connection: Connection) -> int:
    query = select(func.count()).select_from(profiles).where(profiles.c.role == Role.OWNER)
    return connection.execute(query).scalar_one()
