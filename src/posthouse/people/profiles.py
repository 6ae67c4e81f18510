"""The person behind an account: name, language, and the account's end."""

from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Row, delete, select, update

from posthouse.accounts.errors import UnknownAccount
from posthouse.accounts.rules import parse_name
from posthouse.kernel.errors import Language
from posthouse.people import one_time
from posthouse.people.errors import LastOwner
from posthouse.people.roles import Role
from posthouse.people.sessions import end_sessions
from posthouse.store.audit import forget, note
from posthouse.store.changes import announce
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, keys, owned_objects
from posthouse.store.schema_desk import ticket_messages, tickets
from posthouse.store.schema_payments import invoices, orders
from posthouse.store.schema_people import access_tokens, identities, passkeys, profiles, recovery_codes
from posthouse.store.upsert import insert_if_absent

NAME_CHARS_MAX = 60
# Changes whose lines in the log hold names and addresses.
_PERSONAL = ("account.note", "email.change", "passkey.add", "passkey.remove", "profile.update")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What its owner sees of it."""

    account_id: str
    email: str
    plan: str
    status: str
    name: str
    role: Role
    language: Language
    has_password: bool
    has_totp: bool
    is_email_verified: bool
    referral_code: str
    created_ms: int


def get_profile(store: Store, account_id: str) -> Profile:
    """Raises UnknownAccount."""
    query = (
        select(
            accounts,
            *(profiles.c[name] for name in ("name", "role", "language", "password_hash")),
            profiles.c.totp_sealed,
            profiles.c.email_verified_ms,
            profiles.c.referral_code,
        )
        .join(profiles, profiles.c.account_id == accounts.c.id, isouter=True)
        .where(accounts.c.id == account_id)
    )
    with store.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise UnknownAccount(f"there is no account {account_id!r}")
    return Profile(
        account_id=row.id,
        email=row.email,
        plan=row.plan,
        status=row.status,
        name=row.name or "",
        role=Role(row.role or Role.MEMBER),
        language=language_of(row.language),
        has_password=row.password_hash is not None,
        has_totp=row.totp_sealed is not None,
        is_email_verified=row.email_verified_ms is not None,
        referral_code=row.referral_code or "",
        created_ms=row.created_ms,
    )


def language_of(text: str | None) -> Language:
    return cast(Language, text) if text in ("en", "zh") else "en"


def find_person(connection: Connection, account_id: str) -> Row[Any]:
    """The profile's row with the account's email and status; its row is made where it has none. Raises
    UnknownAccount."""
    query = (
        select(profiles, accounts.c.email, accounts.c.status)
        .join(accounts, accounts.c.id == profiles.c.account_id)
        .where(profiles.c.account_id == account_id)
    )
    row = connection.execute(query).first()
    if row is None:
        made = connection.execute(select(accounts.c.created_ms).where(accounts.c.id == account_id)).scalar()
        if made is None:
            raise UnknownAccount(f"there is no account {account_id!r}")
        insert_if_absent(connection, profiles, {"account_id": account_id, "created_ms": made})
        row = connection.execute(query).one()
    return row


def change_profile(connection: Connection, account_id: str, **values: Any) -> None:
    """Set columns of a profile that is there."""
    connection.execute(update(profiles).where(profiles.c.account_id == account_id).values(values))


def keep_only_mailbox(connection: Connection, account_id: str, *, now_ms: int) -> None:
    """The mailbox's owner takes the account over. Where nobody had shown before that the mailbox is theirs,
    all that somebody else may have left to come back by (passkeys, identities, a second factor, tokens, a
    sign-in under way) goes."""
    if find_person(connection, account_id).email_verified_ms is not None:
        return
    _remove_ways_in(connection, account_id)
    change_profile(connection, account_id, totp_sealed=None, email_verified_ms=now_ms)


def update_profile(
    store: Store,
    account_id: str,
    *,
    name: str | None = None,
    language: Language | None = None,
    actor: str,
    now_ms: int,
) -> None:
    """Change what is given. Raises UnfitValue, UnknownAccount."""
    changed: dict[str, str] = {}
    if name is not None:
        changed["name"] = parse_name(name, NAME_CHARS_MAX)
    if language is not None:
        changed["language"] = language
    with store.begin() as connection:
        person = find_person(connection, account_id)
        if changed:
            change_profile(connection, account_id, **changed)
            before = {field: getattr(person, field) for field in changed}
            _note(connection, account_id, "profile.update", actor, now_ms, before, changed)


def delete_account(store: Store, account_id: str, *, actor: str, now_ms: int) -> None:
    """End an account for good: no key of it works, nobody can sign in to it, and nothing is left that tells
    who it was, tickets neither. Its books stay: amounts, references, and invoices that are issued or still to
    be, with whom they are made out to. Raises UnknownAccount, LastOwner for an owner, who gives that up
    first."""
    with store.begin() as connection:
        person = find_person(connection, account_id)
        if person.role == Role.OWNER:
            raise LastOwner("deleted")
        end_sessions(connection, account_id, actor=actor, now_ms=now_ms)
        _forget(connection, account_id, person.email, now_ms)
        _note(connection, account_id, "account.delete", actor, now_ms)


def _forget(connection: Connection, account_id: str, email: str, now_ms: int) -> None:
    mine = keys.c.account_id == account_id
    revoked = update(keys).where(mine).values(status="revoked").returning(keys.c.id)
    for key_id in connection.execute(revoked).scalars().all():
        announce(connection, "key", key_id, now_ms)
    _remove_ways_in(connection, account_id)
    _remove_words(connection, account_id)
    one_time.revoke(connection, email, "register", "reset", "email")
    change_profile(
        connection,
        account_id,
        name="",
        password_hash=None,
        totp_sealed=None,
        email_verified_ms=None,
        low_balance_nanos=None,
        referral_code=None,
        note="",
        deleted_ms=now_ms,
    )
    connection.execute(
        update(accounts)
        .where(accounts.c.id == account_id)
        .values(email=f"{account_id}@deleted.invalid", status="frozen")  # RFC 2606: nobody's
    )
    announce(connection, "account", account_id, now_ms)
    forget(connection, f"account:{account_id}", *_PERSONAL)


def _remove_words(connection: Connection, account_id: str) -> None:
    """What the person wrote, and the answers to it."""
    mine = select(tickets.c.id).where(tickets.c.account_id == account_id)
    connection.execute(delete(ticket_messages).where(ticket_messages.c.ticket_id.in_(mine)))
    connection.execute(delete(tickets).where(tickets.c.account_id == account_id))
    connection.execute(update(orders).where(orders.c.account_id == account_id).values(note=""))
    declined = (invoices.c.account_id == account_id) & (invoices.c.status == "declined")
    blank = {"title": "", "tax_number": "", "email": "", "details": "", "reason": ""}
    connection.execute(update(invoices).where(declined).values(blank))


def _remove_ways_in(connection: Connection, account_id: str) -> None:
    for table in (identities, passkeys, recovery_codes, access_tokens, owned_objects):
        connection.execute(delete(table).where(table.c.account_id == account_id))
    one_time.revoke(connection, account_id, "totp", "passkey_new", "second_factor")


def _note(
    connection: Connection,
    account_id: str,
    action: str,
    actor: str,
    now_ms: int,
    before: object = None,
    after: object = None,
) -> None:
    note(
        connection,
        actor=actor,
        action=action,
        subject=f"account:{account_id}",
        before=before,
        after=after,
        at_ms=now_ms,
    )
