"""What a person asked of accounts and keys that can't be done; a value that no account or key can have is an
UnfitValue.

Unknown
├── UnknownAccount   no account of that id or email
└── UnknownKey       no key of that id
Declined
├── EmailTaken       another account has that email
├── KeyHeld          only the operator unfreezes that key
├── KeyRevoked       the key is revoked for good
└── TooManyKeys      the account has as many keys as it may
"""

from posthouse.kernel.problems import Declined, Unknown


class UnknownAccount(Unknown):
    """No account of that id or email."""


class UnknownKey(Unknown):
    """No key of that id."""


class EmailTaken(Declined):
    """Another account has that email."""

    code = "email_taken"


class KeyHeld(Declined):
    """Only the operator unfreezes that key."""

    code = "key_held"


class KeyRevoked(Declined):
    """The key is revoked for good."""

    code = "key_revoked"


class TooManyKeys(Declined):
    """The account has as many keys as it may."""

    code = "too_many_keys"
