"""What a person asked of accounts and keys that can't be done.

AccountsError
├── UnknownAccount   no account of that id or email
├── UnknownKey       no key of that id
├── EmailTaken       another account has that email
├── KeyHeld          only the operator unfreezes that key
├── TooManyKeys      the account has as many keys as it may
└── InvalidField     a value that no account or key can have
"""

from posthouse.kernel.errors import PosthouseError


class AccountsError(PosthouseError):
    """Base of these."""


class UnknownAccount(AccountsError):
    """No account of that id or email."""


class UnknownKey(AccountsError):
    """No key of that id."""


class EmailTaken(AccountsError):
    """Another account has that email."""


class InvalidField(AccountsError):
    """A value that no account or key can have."""


class KeyHeld(AccountsError):
    """Only the operator unfreezes that key."""


class TooManyKeys(AccountsError):
    """The account has as many keys as it may."""

    def __init__(self, keys_max: int) -> None:
        super().__init__(f"an account has at most {keys_max} keys; a deleted one counts for a day")
        self.keys_max = keys_max
