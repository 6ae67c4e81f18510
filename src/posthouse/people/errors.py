"""What people asked of their sign-in or profile that can't be done; a value that no profile, token or
invitation can have is an UnfitValue.

Declined
├── WeakPassword         a password that somebody would guess
├── NotAnEmail           no address that mail can go to
├── TooManyTries         tried too often; says when to try again
│   └── TooManyRegistrations   of this day, from this address or in all
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
├── TooManyPasskeys      the account has as many passkeys as one may have
├── TooManyTokens        the account has as many access tokens as one may have
├── LastWayIn            without it nobody could sign in to the account
├── OwnerExists          the first owner is there already
└── LastOwner            without this owner there would be none
"""

from posthouse.kernel.problems import Declined


class WeakPassword(Declined):
    """A password that somebody would guess."""

    code = "weak_password"


class NotAnEmail(Declined):
    """No address that mail can go to."""

    code = "not_an_email"


class TooManyTries(Declined):
    """Tried too often."""

    code = "too_many_tries"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class TooManyRegistrations(TooManyTries):
    """As many have registered in a day as may, from this address or in all."""

    code = "too_many_registrations"


class WrongPassword(Declined):
    """No account of that email has that password; which of the two is wrong is nobody's business."""

    code = "wrong_password"


class SecondFactorNeeded(Declined):
    """The password is right, and the account wants a code as well."""

    code = "second_factor_needed"


class OwnerExists(Declined):
    """The first owner is there already."""

    code = "owner_exists"


class LastOwner(Declined):
    """Without this owner there would be none."""

    code = "last_owner"


class NotThePassword(Declined):
    """Who is signed in does not know the account's password."""

    code = "not_the_password"


class WrongCode(Declined):
    """The second factor's code is none that counts now."""

    code = "wrong_code"


class LinkSpent(Declined):
    """A link or a step that is unknown, used, or too old; which of these is nobody's business."""

    code = "link_spent"


class ProofMissing(Declined):
    """No proof of work, a wrong one, or one that was handed in before."""

    code = "proof_missing"


class RegistrationClosed(Declined):
    """Nobody can register now."""

    code = "registration_closed"


class InvitationNeeded(Declined):
    """Only who was invited registers, and this code invites nobody."""

    code = "invitation_needed"


class EmailRefused(Declined):
    """Addresses of that domain can't register."""

    code = "email_refused"


class SignInElsewhere(Declined):
    """An identity provider's answer is none to go by. `why` is for the page that shows it."""

    code = "sign_in_elsewhere"

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class IdentityTaken(Declined):
    """The identity, or passkey, belongs to an account already."""

    code = "identity_taken"


class TooManyPasskeys(Declined):
    """The account has as many passkeys as one may have."""

    code = "too_many_passkeys"


class TooManyTokens(Declined):
    """The account has as many access tokens as one may have."""

    code = "too_many_tokens"


class LastWayIn(Declined):
    """Without it nobody could sign in to the account."""

    code = "last_way_in"
