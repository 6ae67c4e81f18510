"""What people asked of their sign-in or profile that can't be done.

PeopleError
├── InvalidPerson        a value that no profile, password or token can have
│   ├── WeakPassword     a password that somebody would guess
│   └── NotAnEmail       no address that mail can go to
├── TooManyTries         tried too often; says when to try again
├── WrongPassword        no account of that email has that password
├── SecondFactorNeeded   the password is right, and a code is needed as well
├── NotThePassword       who is signed in does not know the account's password
├── WrongCode            the second factor's code is none that counts now
├── LinkSpent            a link or a step that is unknown, used, or too old
├── ProofMissing         no proof of work, a wrong one, or one that was handed in before
├── RegistrationClosed   nobody can register now; says why
├── InvitationNeeded     only who was invited registers, and this code invites nobody
├── EmailRefused         addresses of that domain can't register
├── SignInElsewhere      an identity provider's answer is none to go by; says why
├── IdentityTaken        the identity, or passkey, belongs to an account already
├── LastWayIn            without it nobody could sign in to the account
├── OwnerExists          the first owner is there already
└── LastOwner            without this owner there would be none
"""

from posthouse.kernel.errors import PosthouseError


class PeopleError(PosthouseError):
    """Base of these."""


class InvalidPerson(PeopleError):
    """A value that no profile, password or token can have."""


class WeakPassword(InvalidPerson):
    """A password that somebody would guess."""


class NotAnEmail(InvalidPerson):
    """No address that mail can go to."""


class TooManyTries(PeopleError):
    """Tried too often."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many tries; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class WrongPassword(PeopleError):
    """No account of that email has that password; which of the two is wrong is nobody's business."""


class SecondFactorNeeded(PeopleError):
    """The password is right, and the account wants a code as well."""


class OwnerExists(PeopleError):
    """The first owner is there already."""


class LastOwner(PeopleError):
    """Without this owner there would be none."""


class NotThePassword(PeopleError):
    """Who is signed in does not know the account's password."""


class WrongCode(PeopleError):
    """The second factor's code is none that counts now."""


class LinkSpent(PeopleError):
    """A link or a step that is unknown, used, or too old; which of these is nobody's business."""


class ProofMissing(PeopleError):
    """No proof of work, a wrong one, or one that was handed in before."""


class RegistrationClosed(PeopleError):
    """Nobody can register now."""


class InvitationNeeded(PeopleError):
    """Only who was invited registers, and this code invites nobody."""


class EmailRefused(PeopleError):
    """Addresses of that domain can't register."""


class SignInElsewhere(PeopleError):
    """An identity provider's answer is none to go by. `code` says why, for the page that shows it."""

    def __init__(self, code: str) -> None:
        super().__init__(f"sign-in elsewhere failed: {code}")
        self.code = code


class IdentityTaken(PeopleError):
    """The identity, or passkey, belongs to an account already."""


class LastWayIn(PeopleError):
    """Without it nobody could sign in to the account."""
