"""What the ledger refuses to do; an amount, a reason or a period that none can be is an UnfitValue.

Unknown
└── UnknownMember        no account of that id or email
Declined
├── TooManyCalls         more calls than are added up one by one
├── InsufficientFunds    the balance does not cover the debit
├── BalanceFull          the balance would be more than one can be
└── TransferConflict     the idempotency key was used for another transfer
PosthouseError           what the relay answers in its own way
├── ClaimRunning         the first call with this Idempotency-Key has not ended
└── ClaimOfOtherBody     this Idempotency-Key was used with another body
"""

from posthouse.kernel.errors import PosthouseError
from posthouse.kernel.problems import Declined, Unknown


class UnknownMember(Unknown):
    """No account of that id or email."""


class TooManyCalls(Declined):
    """More calls than are added up one by one."""

    code = "too_many_calls"


class InsufficientFunds(Declined):
    """The balance, less what running calls hold, does not cover the debit."""

    code = "insufficient_funds"


class BalanceFull(Declined):
    """The balance would be more than one can be."""

    code = "balance_full"


class TransferConflict(Declined):
    """The idempotency key was used for another transfer."""

    code = "transfer_conflict"


class ClaimRunning(PosthouseError):
    """The first call with this Idempotency-Key has not ended."""


class ClaimOfOtherBody(PosthouseError):
    """This Idempotency-Key was used with another body in the last 24 hours."""
