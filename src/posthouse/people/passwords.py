"""Passwords: argon2id, in the caller's thread and never on the event loop."""

from functools import cache
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from posthouse.people.errors import WeakPassword

if TYPE_CHECKING:
    from argon2 import PasswordHasher

CHARS_MIN = 10
CHARS_MAX = 200  # whoever sends more makes us hash it
# OWASP's choice for argon2id: 19 MiB, two passes, one lane; about 30 ms. The relay shares the memory.
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
AT_ONCE = BoundedSemaphore(2)  # each holds MEMORY_KIB and a core, which the relay needs


def parse_password(password: str, email: str = "") -> str:
    """A new password that will do. Raises WeakPassword."""
    if not CHARS_MIN <= len(password) <= CHARS_MAX:
        raise WeakPassword
    if len(set(password)) < 4 or (email and password.strip().lower() in (email, email.partition("@")[0])):
        raise WeakPassword
    return password


def hash_password(password: str) -> str:
    """What is stored of it."""
    with AT_ONCE:
        return _hasher().hash(password)


def is_password(stored: str | None, password: str) -> bool:
    """Whether it is the one. Where there is none to compare with, the same work is done in vain, so that the
    time does not tell who has an account."""
    from argon2.exceptions import InvalidHashError, VerificationError

    decoy = _decoy()
    with AT_ONCE:
        try:
            return _hasher().verify(stored or decoy, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def renewed(stored: str, password: str) -> str:
    """The same hash, or the right password's new one where the stored one is weaker than today's."""
    return hash_password(password) if _hasher().check_needs_rehash(stored) else stored


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # commands that ask for no password start faster without it

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


@cache
def _decoy() -> str:
    return hash_password("nobody's password")
