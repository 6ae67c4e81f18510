"""The second factor: a time-based code (RFC 6238) from an app, or one of ten recovery codes, each of which
counts once."""

import hashlib
import hmac

import msgspec
import pyotp
from sqlalchemy import Connection, delete, insert, select, update

from posthouse.kernel.periods import MINUTE_MS
from posthouse.kernel.secrets import SecretBox
from posthouse.mail.outbox import post
from posthouse.people import one_time
from posthouse.people.errors import LinkSpent, SecondFactorNeeded, WrongCode
from posthouse.people.invitations import new_code
from posthouse.people.links import Site
from posthouse.people.profiles import change_profile, find_person, language_of
from posthouse.store.audit import note
from posthouse.store.engine import Store
from posthouse.store.schema_people import profiles, recovery_codes
from posthouse.store.sealing import seal

STEP_S = 30  # RFC 6238's, and what every app assumes
LEEWAY_STEPS = 1  # clocks that are half a minute apart, and a slow hand
SECRET_CHARS = 32  # 160 bits, RFC 4226's recommendation
RECOVERY_CODES = 10
SETTING_UP_MS = 15 * MINUTE_MS  # from the QR code to the first code


class Beginning(msgspec.Struct, frozen=True):
    """What an app needs; shown once. `uri` is what the QR code says."""

    token: str
    secret: str
    uri: str


def begin(store: Store, box: SecretBox, account_id: str, site_name: str, *, now_ms: int) -> Beginning:
    """Make a secret for an app. Nothing changes until `turn_on` has seen a code of it."""
    secret = pyotp.random_base32(SECRET_CHARS)
    with store.begin() as connection:
        person = find_person(connection, account_id)
        one_time.revoke(connection, account_id, "totp")
        sealed = seal(connection, box, _name(account_id), secret)
        token = one_time.issue(
            connection,
            "totp",
            subject=account_id,
            data={"sealed": sealed.hex()},
            now_ms=now_ms,
            lives_ms=SETTING_UP_MS,
        )
    uri = pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=site_name or None)
    return Beginning(token, secret, uri)


def turn_on(
    store: Store,
    box: SecretBox,
    account_id: str,
    token: str,
    code: str,
    site: Site,
    *,
    actor: str,
    now_ms: int,
) -> tuple[str, ...]:
    """Ask for a code at each sign-in from now on. Returns the recovery codes, the only time that they are
    seen. Raises WrongCode, LinkSpent."""
    begun = one_time.look(store, "totp", token, now_ms=now_ms)
    if begun is None or begun.subject != account_id:
        raise LinkSpent
    sealed = bytes.fromhex(begun.data["sealed"])
    step = _step_of(box.open(_name(account_id), sealed).reveal(), code, now_ms, after=0)
    if step is None:
        raise WrongCode
    with store.begin() as connection:
        if one_time.take(connection, "totp", token, now_ms=now_ms) is None:
            raise LinkSpent
        person = find_person(connection, account_id)
        change_profile(connection, account_id, totp_sealed=sealed, totp_step=step)
        codes = _renew_codes(connection, account_id)
        _note(connection, account_id, "totp.on", actor, now_ms)
        warning = site.warning("totp_on", language_of(person.language), person.email)
        post(connection, box, warning, now_ms=now_ms)
    return codes


def turn_off(
    store: Store, box: SecretBox, account_id: str, code: str, site: Site, *, actor: str, now_ms: int
) -> None:
    """Ask for no code any more. Raises WrongCode, SecondFactorNeeded; nothing where there is none."""
    with store.begin() as connection:
        check(connection, box, account_id, code, now_ms=now_ms)
        person = find_person(connection, account_id)
        if person.totp_sealed is None:
            return
        change_profile(connection, account_id, totp_sealed=None)
        connection.execute(delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
        _note(connection, account_id, "totp.off", actor, now_ms)
        warning = site.warning("totp_off", language_of(person.language), person.email)
        post(connection, box, warning, now_ms=now_ms)


def renew_recovery_codes(
    store: Store, box: SecretBox, account_id: str, code: str, *, actor: str, now_ms: int
) -> tuple[str, ...]:
    """New recovery codes in place of the old. Raises WrongCode, SecondFactorNeeded, and LinkSpent where
    there is no second factor."""
    with store.begin() as connection:
        check(connection, box, account_id, code, now_ms=now_ms)
        if find_person(connection, account_id).totp_sealed is None:
            raise LinkSpent
        codes = _renew_codes(connection, account_id)
        _note(connection, account_id, "totp.renew_codes", actor, now_ms)
    return codes


def is_needed(connection: Connection, account_id: str) -> bool:
    """Whether the account wants a code."""
    query = select(profiles.c.totp_sealed).where(profiles.c.account_id == account_id)
    return connection.execute(query).scalar() is not None


def check(connection: Connection, box: SecretBox, account_id: str, code: str, *, now_ms: int) -> None:
    """Take a code, which then counts no more; nothing where the account wants none. Raises
    SecondFactorNeeded without a code, WrongCode."""
    query = select(profiles.c.totp_sealed, profiles.c.totp_step).where(profiles.c.account_id == account_id)
    row = connection.execute(query).first()
    if row is None or row.totp_sealed is None:
        return
    code = "".join(code.split())
    if not code:
        raise SecondFactorNeeded
    secret = box.open(_name(account_id), row.totp_sealed).reveal()
    step = _step_of(secret, code, now_ms, after=row.totp_step)
    if step is None:
        _take_recovery_code(connection, account_id, code)
        return
    taken = update(profiles).where(profiles.c.account_id == account_id, profiles.c.totp_step < step)
    if connection.execute(taken.values(totp_step=step)).rowcount == 0:
        raise WrongCode


def _step_of(secret: str, code: str, now_ms: int, *, after: int) -> int | None:
    """The time step whose code this is; None: of none that counts now and was not used. Looks at all of
    them."""
    totp, now = pyotp.TOTP(secret), now_ms // 1000 // STEP_S
    steps = range(now - LEEWAY_STEPS, now + LEEWAY_STEPS + 1)
    given = code.encode("utf-8", "surrogateescape")
    right = [
        step
        for step in steps
        if hmac.compare_digest(totp.generate_otp(step).encode(), given) and step > after
    ]
    return right[-1] if right else None


def _take_recovery_code(connection: Connection, account_id: str, code: str) -> None:
    mine = (recovery_codes.c.account_id == account_id) & (recovery_codes.c.hash == _code_hash(code))
    if connection.execute(delete(recovery_codes).where(mine)).rowcount == 0:
        raise WrongCode


def _renew_codes(connection: Connection, account_id: str) -> tuple[str, ...]:
    connection.execute(delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
    codes = tuple(new_code() for _ in range(RECOVERY_CODES))
    rows = [{"account_id": account_id, "hash": _code_hash(code)} for code in codes]
    connection.execute(insert(recovery_codes), rows)
    return codes


def _code_hash(code: str) -> bytes:
    """80 random bits need no slow hash."""
    letters = "".join(code.upper().split()).replace("-", "")
    return hashlib.sha256(letters.encode("utf-8", "surrogateescape")).digest()


def _name(account_id: str) -> str:
    return f"totp:{account_id}"


def _note(connection: Connection, account_id: str, action: str, actor: str, now_ms: int) -> None:
    note(connection, actor=actor, action=action, subject=f"account:{account_id}", at_ms=now_ms)
