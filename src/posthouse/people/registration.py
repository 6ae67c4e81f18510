"""Somebody becomes a member. What the operator allows is checked in the transaction that makes the account,
one registration at a time, so that no number of them at once passes a limit.

Where addresses are verified, asking to register tells nobody whether there is an account: whoever owns the
mailbox is told, by a mail that either leads on or says that there is one. There the password is chosen
behind the link, so that nobody can lay an account with a password of theirs under somebody else's
address."""

import msgspec
from sqlalchemy import Connection, insert, select, text

from posthouse.accounts.errors import EmailTaken
from posthouse.accounts.rules import NewKey
from posthouse.accounts.service import KeyChange, add_account, add_key
from posthouse.kernel.errors import Language
from posthouse.kernel.periods import DAY_MS, HOUR_MS
from posthouse.kernel.secrets import SecretBox
from posthouse.mail.letters import NOBODY, Letter
from posthouse.mail.outbox import post
from posthouse.people import invitations, one_time
from posthouse.people.errors import (
    EmailRefused,
    InvitationNeeded,
    LinkSpent,
    RegistrationClosed,
    TooManyRegistrations,
)
from posthouse.people.links import LINK_MS, Site
from posthouse.people.passwords import hash_password, parse_password
from posthouse.people.rules import RegistrationRules, parse_mailbox
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema import accounts
from posthouse.store.schema_people import profiles

MAILS_PER_HOUR = 3  # to one mailbox, whoever asks for them; the rest are not sent, and nobody is told
FREE_KEY_NAME = "default"
REFERRAL_GROUPS = 2  # 40 bits: it gives nothing away
_REGISTRATION_LOCK = 0x72656769  # "regi"


class Applicant(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants in, from where, and with whose code (an invitation's or a member's, or "")."""

    email: str
    language: Language
    code: str
    address_hash: bytes


class Registered(msgspec.Struct, frozen=True):
    """The new member; `key` is shown this once, None where none is made."""

    account_id: str
    key: NewKey | None


def request_registration(
    store: Store, box: SecretBox, rules: RegistrationRules, applicant: Applicant, site: Site, *, now_ms: int
) -> None:
    """Mail the link that goes on to `register_verified`. Does, and costs, the same whether there is an
    account. Raises NotAnEmail, RegistrationClosed, InvitationNeeded, EmailRefused,
    TooManyRegistrations."""
    email = parse_mailbox(applicant.email)
    with store.begin() as connection:
        _check(connection, rules, email, applicant, now_ms)
        is_taken = (
            connection.execute(select(accounts.c.id).where(accounts.c.email == email)).first() is not None
        )
        mailed = one_time.count(connection, "register", email, since_ms=now_ms - HOUR_MS)
        token = one_time.issue(
            connection,
            "register",
            subject=email,
            data={"code": applicant.code, "language": applicant.language},
            address_hash=applicant.address_hash,
            now_ms=now_ms,
            lives_ms=LINK_MS["verify"],
        )
        letter = _letter(site, applicant.language, email, token, is_taken=is_taken)
        post(connection, box, letter if mailed < MAILS_PER_HOUR else NOBODY, now_ms=now_ms)


def _letter(site: Site, language: Language, email: str, token: str, *, is_taken: bool) -> Letter:
    if is_taken:
        return site.letter("registered_already", language, email)
    return site.letter("register", language, email, page="verify", token=token)


def register_verified(
    store: Store, rules: RegistrationRules, token: str, password: str, *, address_hash: bytes, now_ms: int
) -> Registered:
    """Make the account of a mailed link. Raises LinkSpent, WeakPassword, and what registering raises."""
    asked = one_time.look(store, "register", token, now_ms=now_ms)
    if asked is None:
        raise LinkSpent
    password_hash = hash_password(parse_password(password, asked.subject))  # outside: it is slow
    with store.begin() as connection:
        _lock(connection)  # before any row: whoever else registers takes it first as well
        if one_time.take(connection, "register", token, now_ms=now_ms) is None:
            raise LinkSpent
        applicant = Applicant(
            email=asked.subject,
            language="zh" if asked.data["language"] == "zh" else "en",
            code=asked.data["code"],
            address_hash=address_hash,
        )
        try:
            made = admit(
                connection, rules, applicant, password_hash=password_hash, verified_ms=now_ms, now_ms=now_ms
            )
        except EmailTaken:  # since the link was mailed
            raise LinkSpent from None
        one_time.revoke(connection, asked.subject, "register")
        return made


def register(
    store: Store, rules: RegistrationRules, applicant: Applicant, password: str, *, now_ms: int
) -> Registered:
    """Make an account whose mailbox nobody has checked. Raises NotAnEmail, WeakPassword, EmailTaken,
    RegistrationClosed, InvitationNeeded, EmailRefused, TooManyRegistrations."""
    if rules.verify_email:
        raise RegistrationClosed("verified")
    email = parse_mailbox(applicant.email)
    password_hash = hash_password(parse_password(password, email))
    with store.begin() as connection:
        return admit(connection, rules, applicant, password_hash=password_hash, now_ms=now_ms)


def admit(
    connection: Connection,
    rules: RegistrationRules,
    applicant: Applicant,
    *,
    password_hash: str | None = None,
    verified_ms: int | None = None,
    with_key: bool = True,
    now_ms: int,
) -> Registered:
    """Check everything and make account, profile and first key within the caller's transaction. Raises
    NotAnEmail, WeakPassword, EmailTaken, RegistrationClosed, InvitationNeeded, EmailRefused,
    TooManyRegistrations."""
    email = parse_mailbox(applicant.email)
    _check(connection, rules, email, applicant, now_ms)
    invited_by, invitation_id = _use_code(connection, applicant.code, now_ms)
    account = add_account(connection, email)
    connection.execute(
        insert(profiles).values(
            account_id=account.id,
            language=applicant.language,
            password_hash=password_hash,
            email_verified_ms=verified_ms,
            referral_code=invitations.new_code(REFERRAL_GROUPS),
            invited_by=invited_by,
            invitation_id=invitation_id,
            address_hash=applicant.address_hash,
            created_ms=now_ms,
        )
    )
    key = None
    if rules.free_key and with_key:
        key = add_key(connection, account.id, KeyChange(name=FREE_KEY_NAME), actor=account.id)
    note(
        connection,
        actor=account.id,
        action="account.register",
        subject=f"account:{account.id}",
        after={"plan": account.plan, "invited_by": invited_by, "invitation": invitation_id},
        at_ms=now_ms,
    )
    return Registered(account.id, key)


def _check(
    connection: Connection, rules: RegistrationRules, email: str, applicant: Applicant, now_ms: int
) -> None:
    """All that does not depend on whether there is such an account."""
    _lock(connection)
    if rules.open == "closed":
        raise RegistrationClosed
    if not rules.takes_mail(email):
        raise EmailRefused
    if applicant.code or rules.open == "invitation":
        _check_code(connection, rules, applicant.code, now_ms)
    _check_rate(connection, rules.new_accounts_per_day, None, now_ms)
    _check_rate(connection, rules.accounts_per_address_per_day, applicant.address_hash, now_ms)


def _lock(connection: Connection) -> None:
    """One registration at a time until the transaction ends, so that counting counts. SQLite has one writer
    anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _REGISTRATION_LOCK})


def _check_rate(connection: Connection, most: int | None, address_hash: bytes | None, now_ms: int) -> None:
    """Raises TooManyRegistrations where the last day has seen as many as it may: until the oldest of them
    is a day old."""
    if most is None:
        return
    if most == 0:
        raise RegistrationClosed
    query = select(profiles.c.created_ms).where(profiles.c.created_ms > now_ms - DAY_MS)
    if address_hash is not None:
        query = query.where(profiles.c.address_hash == address_hash)
    newest = query.order_by(profiles.c.created_ms.desc()).limit(most)
    made = connection.execute(newest).scalars().all()
    if len(made) == most:
        raise TooManyRegistrations((made[-1] + DAY_MS - now_ms) / 1000)


def _check_code(connection: Connection, rules: RegistrationRules, code: str, now_ms: int) -> None:
    """That an invitation lets somebody in; where anybody may come, a member's referral code will do as
    well."""
    if invitations.is_open(connection, code, now_ms=now_ms):
        return
    if rules.open == "invitation" or _referrer(connection, code) is None:
        raise InvitationNeeded


def _referrer(connection: Connection, code: str) -> str | None:
    query = select(profiles.c.account_id).where(profiles.c.referral_code == invitations.clean_code(code))
    return connection.execute(query).scalar()


def _use_code(connection: Connection, code: str, now_ms: int) -> tuple[str | None, str | None]:
    """Who sent them, or by which invitation they came; both None without a code."""
    if not code:
        return None, None
    invitation_id = invitations.use(connection, code, now_ms=now_ms)
    return (None if invitation_id else _referrer(connection, code)), invitation_id
