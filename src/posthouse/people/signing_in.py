"""Signing in with a password."""

from sqlalchemy import select, update

from posthouse.accounts.rules import parse_email
from posthouse.kernel.periods import DAY_MS, HOUR_MS, MINUTE_MS
from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.secrets import SecretBox
from posthouse.people import passwords, second_factor
from posthouse.people.errors import WrongPassword
from posthouse.people.sessions import Device, open_session
from posthouse.people.throttles import Throttle, forgive, is_known, remember, try_all
from posthouse.store.engine import Store
from posthouse.store.schema import accounts
from posthouse.store.schema_people import profiles

# Somebody who has forgotten which password it was; one guess in two minutes after that.
HERE = Throttle("sign_in_here", 10, 20 * MINUTE_MS)
# A household or an office behind one address, however many accounts it tries.
ADDRESS = Throttle("sign_in_address", 60, HOUR_MS)
# From everywhere together: 2,400 guesses a day find no password that parse_password takes.
ACCOUNT = Throttle("sign_in_account", 100, HOUR_MS)
# From where the account was signed in to, ACCOUNT does not count, so that nobody who guesses from many
# addresses locks its owner out at home. HERE and ADDRESS do: who shares the address guesses no faster.
KNOWN, KNOWN_MS = "sign_in_known", 90 * DAY_MS


def sign_in(
    store: Store,
    box: SecretBox,
    *,
    email: str,
    password: str,
    code: str,
    device: Device,
    now_ms: int,
) -> str:
    """Open a session and return what its cookie has to hold. Raises WrongPassword, after the same work
    whether there is such an account or not, SecondFactorNeeded, WrongCode, TooManyTries."""
    try:
        email = parse_email(email)
    except UnfitValue:
        email = ""
    both = f"{email} {device.address_hash.hex()}"
    tries: list[tuple[Throttle, str | bytes]] = [(HERE, both), (ADDRESS, device.address_hash)]
    with store.read() as connection:
        if not is_known(connection, KNOWN, both, now_ms=now_ms):
            tries.append((ACCOUNT, email))
    try_all(store, tries, now_ms=now_ms)
    query = (
        select(accounts.c.id, profiles.c.password_hash)
        .join(profiles, profiles.c.account_id == accounts.c.id)
        .where(accounts.c.email == email, profiles.c.deleted_ms.is_(None))
    )
    with store.read() as connection:
        row = connection.execute(query).first()
    stored = None if row is None else row.password_hash
    if not passwords.is_password(stored, password) or row is None or stored is None:
        raise WrongPassword
    renewed = passwords.renewed(stored, password)
    with store.begin() as connection:
        mine = (profiles.c.account_id == row.id) & (profiles.c.password_hash == stored)
        if connection.execute(update(profiles).where(mine).values(password_hash=renewed)).rowcount == 0:
            raise WrongPassword
        second_factor.check(connection, box, row.id, code, now_ms=now_ms)
        forgive(connection, HERE, both)
        remember(connection, KNOWN, both, until_ms=now_ms + KNOWN_MS)
        return open_session(connection, row.id, device, now_ms=now_ms)
