"""Passwords that are forgotten or changed, and the address that mail goes to."""

from typing import Any

from sqlalchemy import Connection, Row, func, select, true, update
from sqlalchemy.exc import IntegrityError

from posthouse.accounts.errors import UnknownAccount
from posthouse.kernel.errors import Language
from posthouse.kernel.periods import HOUR_MS
from posthouse.kernel.secrets import SecretBox
from posthouse.mail.letters import NOBODY, Letter
from posthouse.mail.outbox import post
from posthouse.people import one_time
from posthouse.people.errors import EmailRefused, LinkSpent, NotThePassword
from posthouse.people.links import LINK_MS, Site
from posthouse.people.passwords import hash_password, is_password, parse_password
from posthouse.people.profiles import change_profile, find_person, keep_only_mailbox, language_of
from posthouse.people.registration import MAILS_PER_HOUR
from posthouse.people.rules import RegistrationRules, parse_mailbox
from posthouse.people.sessions import end_sessions
from posthouse.people.tokens import delete_all
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts, keys
from posthouse.store.schema_people import access_tokens, identities, passkeys, profiles

# What a change of the password does not take away.
KEPT: dict[str, dict[Language, str]] = {
    "tokens": {"en": "access tokens ({number})", "zh": "访问令牌（{number}）"},
    "passkeys": {"en": "passkeys ({number})", "zh": "通行密钥（{number}）"},
    "identities": {"en": "accounts elsewhere ({number})", "zh": "第三方登录（{number}）"},
    "keys": {"en": "API keys ({number})", "zh": "API 密钥（{number}）"},
}


def request_reset(
    store: Store, box: SecretBox, email: str, language: Language, site: Site, *, now_ms: int
) -> None:
    """Mail the link that goes on to `reset_password`, where there is an account. Does, and costs, the same
    where there is none. Raises NotAnEmail."""
    email = parse_mailbox(email)
    with store.begin() as connection:
        query = (
            select(accounts.c.id, profiles.c.language)
            .join(profiles, profiles.c.account_id == accounts.c.id, isouter=True)
            .where(accounts.c.email == email)
        )
        row = connection.execute(query).first()
        mailed = one_time.count(connection, "reset", email, since_ms=now_ms - HOUR_MS)
        token = one_time.issue(
            connection,
            "reset",
            subject=email,
            data={"account_id": "" if row is None else row.id},
            now_ms=now_ms,
            lives_ms=LINK_MS["reset"],
        )
        spoken = language if row is None or row.language is None else language_of(row.language)
        letter = site.letter("reset", spoken, email, page="reset", token=token)
        is_wanted = row is not None and mailed < MAILS_PER_HOUR
        post(connection, box, letter if is_wanted else NOBODY, now_ms=now_ms)


def reset_password(
    store: Store, box: SecretBox, token: str, password: str, site: Site, *, revoke_tokens: bool, now_ms: int
) -> str:
    """Set a password by a mailed link, and end all sessions, and access tokens where that is asked for; the
    account's id. What was put on an account whose mailbox nobody had checked (passkeys, identities, a second
    factor, tokens) may be somebody else's, and goes. Raises LinkSpent, WeakPassword."""
    asked = one_time.look(store, "reset", token, now_ms=now_ms)
    account_id = asked.data["account_id"] if asked else ""
    if asked is None or not account_id:
        raise LinkSpent
    password_hash = hash_password(parse_password(password, asked.subject))
    with store.begin() as connection:
        if one_time.take(connection, "reset", token, now_ms=now_ms) is None:
            raise LinkSpent
        person = find_person(connection, account_id)
        if person.email != asked.subject:  # moved elsewhere since
            raise LinkSpent
        one_time.revoke(connection, asked.subject, "reset")
        keep_only_mailbox(connection, account_id, now_ms=now_ms)
        change_profile(connection, account_id, password_hash=password_hash)
        end_sessions(connection, account_id, actor=account_id, now_ms=now_ms)
        if revoke_tokens:
            delete_all(connection, account_id, actor=account_id, now_ms=now_ms)
        note(
            connection,
            actor=account_id,
            action="password.reset",
            subject=f"account:{account_id}",
            at_ms=now_ms,
        )
        post(connection, box, _password_warning(connection, person, site), now_ms=now_ms)
    return account_id


def check_password(store: Store, account_id: str, password: str) -> None:
    """That whoever is signed in knows the password, where the account has one. Raises NotThePassword,
    UnknownAccount."""
    query = (
        select(accounts.c.id, profiles.c.password_hash)
        .join(profiles, profiles.c.account_id == accounts.c.id, isouter=True)
        .where(accounts.c.id == account_id)
    )
    with store.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise UnknownAccount(f"there is no account {account_id!r}")
    if row.password_hash is not None and not is_password(row.password_hash, password):
        raise NotThePassword


def change_password(
    store: Store,
    box: SecretBox,
    account_id: str,
    *,
    old: str,
    new: str,
    session_id: str,
    revoke_tokens: bool,
    site: Site,
    actor: str,
    now_ms: int,
) -> None:
    """Set a password by who knows the old one, or has none yet; ends all other sessions, and access tokens
    where that is asked for. Raises NotThePassword, WeakPassword."""
    check_password(store, account_id, old)
    with store.begin() as connection:
        person = find_person(connection, account_id)
    password_hash = hash_password(parse_password(new, person.email))
    with store.begin() as connection:
        # Still the one that was checked: of two that change it at once, the second is refused.
        same = (
            profiles.c.password_hash.is_(None)
            if person.password_hash is None
            else profiles.c.password_hash == person.password_hash
        )
        statement = update(profiles).where(profiles.c.account_id == account_id, same)
        if connection.execute(statement.values(password_hash=password_hash)).rowcount == 0:
            raise NotThePassword
        end_sessions(connection, account_id, actor=actor, now_ms=now_ms, but_session_id=session_id)
        if revoke_tokens:
            delete_all(connection, account_id, actor=actor, now_ms=now_ms)
        note(
            connection,
            actor=actor,
            action="password.change",
            subject=f"account:{account_id}",
            at_ms=now_ms,
        )
        post(connection, box, _password_warning(connection, person, site), now_ms=now_ms)


def request_email(
    store: Store,
    box: SecretBox,
    rules: RegistrationRules,
    account_id: str,
    email: str,
    site: Site,
    *,
    now_ms: int,
) -> None:
    """Mail a link to the new address, that goes on to `confirm_email`; none where another account has it,
    and nobody is told. Raises NotAnEmail, EmailRefused."""
    email = parse_mailbox(email)
    if not rules.takes_mail(email):
        raise EmailRefused
    with store.begin() as connection:
        person = find_person(connection, account_id)
        taken = connection.execute(select(accounts.c.id).where(accounts.c.email == email)).scalar()
        mailed = one_time.count(connection, "email", email, since_ms=now_ms - HOUR_MS)
        token = one_time.issue(
            connection,
            "email",
            subject=email,
            data={"account_id": account_id},
            now_ms=now_ms,
            lives_ms=LINK_MS["confirm-email"],
        )
        letter: Letter = site.letter(
            "confirm_email", language_of(person.language), email, page="confirm-email", token=token
        )
        is_wanted = taken in (None, account_id) and mailed < MAILS_PER_HOUR
        post(connection, box, letter if is_wanted else NOBODY, now_ms=now_ms)


def confirm_email(
    store: Store, box: SecretBox, account_id: str, token: str, site: Site, *, actor: str, now_ms: int
) -> str:
    """Move the account to the address that the link was mailed to, which is told at the old one; returns the
    new one. Only who is signed in to that account may. Raises LinkSpent."""
    with store.begin() as connection:
        asked = one_time.take(connection, "email", token, now_ms=now_ms)
        if asked is None or asked.data["account_id"] != account_id:
            raise LinkSpent
        person = find_person(connection, account_id)
        try:
            connection.execute(
                update(accounts).where(accounts.c.id == account_id).values(email=asked.subject)
            )
        except IntegrityError:  # another account has taken it since
            raise LinkSpent from None
        change_profile(connection, account_id, email_verified_ms=now_ms)
        one_time.revoke(connection, person.email, "reset")
        if person.email != asked.subject:
            warning = site.warning("email", language_of(person.language), person.email)
            post(connection, box, warning, now_ms=now_ms)
        note(
            connection,
            actor=actor,
            action="email.change",
            subject=f"account:{account_id}",
            before={"email": person.email},
            after={"email": asked.subject},
            at_ms=now_ms,
        )
    return asked.subject


def give_password(store: Store, account_id: str, password: str, *, actor: str, now_ms: int) -> None:
    """Set a password for whoever holds the data directory, and end all sessions. Raises WeakPassword."""
    password_hash = hash_password(parse_password(password))
    with store.begin() as connection:
        find_person(connection, account_id)
        keep_only_mailbox(connection, account_id, now_ms=now_ms)
        change_profile(connection, account_id, password_hash=password_hash)
        end_sessions(connection, account_id, actor=actor, now_ms=now_ms)
        note(connection, actor=actor, action="password.reset", subject=f"account:{account_id}", at_ms=now_ms)


def _password_warning(connection: Connection, person: Row[Any], site: Site) -> Letter:
    """That the password has changed, and how many there are of what still counts."""
    language = language_of(person.language)
    counted = (
        (access_tokens, true(), "tokens"),
        (passkeys, true(), "passkeys"),
        (identities, true(), "identities"),
        (keys, keys.c.deleted_ms.is_(None) & (keys.c.status != "revoked"), "keys"),
    )
    stays = []
    for table, counts, what in counted:
        query = select(func.count()).select_from(table).where(table.c.account_id == person.account_id, counts)
        if number := connection.execute(query).scalar_one():
            stays.append(KEPT[what][language].format(number=number))
    return site.warning(
        "password", language, person.email, stays=("、" if language == "zh" else ", ").join(stays)
    )
