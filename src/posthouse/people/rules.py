"""What registration is allowed by. Pure."""

import re
from typing import Literal, Protocol
from urllib.parse import urlsplit

from posthouse.accounts.rules import EMAIL_CHARS_MAX
from posthouse.people.errors import NotAnEmail

# Of a mailbox that somebody registers with: RFC 5322's unquoted local part, and a domain with a dot. What the
# operator's commands take is wider.
_MAILBOX = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])"
)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LOCAL_CHARS_MAX = 64  # RFC 5321, 4.5.3.1.1


class RegistrationRules(Protocol):
    """The operator's, as the site's configuration has them: see catalogue/site.py."""

    @property
    def open(self) -> Literal["open", "invitation", "closed"]: ...
    @property
    def new_accounts_per_day(self) -> int | None: ...
    @property
    def accounts_per_address_per_day(self) -> int | None: ...
    @property
    def verify_email(self) -> bool: ...
    @property
    def free_key(self) -> bool: ...
    def takes_mail(self, email: str) -> bool:
        """Whether an address of this domain may register."""
        ...


def is_askable(url: str, issuer: str) -> bool:
    """Whether a provider of sign-in may be asked there: by https alone, but for an issuer on this machine,
    which may name others on it."""
    try:
        parts, is_here = urlsplit(url), urlsplit(issuer).hostname in _LOOPBACK
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_here and parts.hostname in _LOOPBACK)
    )


def parse_mailbox(text: str) -> str:
    """An address that mail can go to, in the form that is stored: trimmed, lower case. Raises
    NotAnEmail."""
    email = text.strip().lower()
    is_one = len(email) <= EMAIL_CHARS_MAX and len(email.partition("@")[0]) <= _LOCAL_CHARS_MAX
    if not is_one or _MAILBOX.fullmatch(email) is None:
        raise NotAnEmail
    return email
