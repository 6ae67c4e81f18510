"""Signing in with a password."""

from collections.abc import Callable

from sqlalchemy import Connection, select, update

from posthouse.accounts.rules import parse_email
from posthouse.kernel.problems import UnfitValue
from posthouse.people import passwords
from posthouse.people.errors import WrongPassword
from posthouse.people.sessions import Device, open_session
from posthouse.people.throttles import Throttle, forgive, is_known, remember, try_all
from posthouse.store.engine import Store
from posthouse.store.schema import accounts
from posthouse.store.schema_people import profiles

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
# Somebody who has forgotten which password it was; one guess in two minutes after that.
HERE = Throttle("sign_in_here", 10, 20 * MINUTE_MS)
# A household or an office behind one address, however many accounts it tries.
ADDRESS = Throttle("sign_in_address", 60, HOUR_MS)
# From everywhere together: 2,400 guesses a day find no password that parse_password takes.
ACCOUNT = Throttle("sign_in_account", 100, HOUR_MS)
# From where the account was signed in to, ACCOUNT does not count, so that nobody who guesses from many
# addresses locks its owner out at home. HERE and ADDRESS do: who shares the address guesses no faster.
KNOWN, KNOWN_MS = "sign_in_known", 90 * 24 * HOUR_MS

# Checks a second factor: raises SecondFactorNeeded without a code, WrongPassword for a wrong one; nothing
# where the account has none.
SecondFactor = Callable[[Connection, str, str], None]


def sign_in(
    store: Store,
    *,
    email: str,
    password: str,
    code: str,
    check_second_factor: SecondFactor,
    device: Device,
    now_ms: int,
) -> str:
    """Open a session and return what its cookie has to hold. Raises WrongPassword, after the same work
    whether there is such an account or not, SecondFactorNeeded, TooManyTries."""
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
        check_second_factor(connection, row.id, code)
        forgive(connection, HERE, both)
        remember(connection, KNOWN, both, until_ms=now_ms + KNOWN_MS)
        return open_session(connection, row.id, device, now_ms=now_ms)
