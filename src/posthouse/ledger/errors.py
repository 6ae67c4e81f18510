"""What the ledger refuses to do.

LedgerError
├── UnknownMember        no account of that id or email
├── InvalidTransfer      an amount, kind or reason that no transfer can have
├── InvalidPeriod        a time that ends before it began, or has too many steps
├── TooManyCalls         more calls than are added up one by one
├── InsufficientFunds    the balance does not cover the debit
├── TransferConflict     the idempotency key was used for another transfer
├── ClaimRunning         the first call with this Idempotency-Key has not ended
└── ClaimOfOtherBody     this Idempotency-Key was used with another body
"""

from posthouse.kernel.errors import PosthouseError


class LedgerError(PosthouseError):
    """Base of these."""


class UnknownMember(LedgerError):
    """No account of that id or email."""


class InvalidTransfer(LedgerError):
    """An amount, kind or reason that no transfer can have."""


class InvalidPeriod(LedgerError):
    """A time that ends before it began, or that has too many steps for one chart."""


class TooManyCalls(LedgerError):
    """More calls than are added up one by one."""


class InsufficientFunds(LedgerError):
    """The balance, less what running calls hold, does not cover the debit."""


class TransferConflict(LedgerError):
    """The idempotency key was used for another transfer."""


class ClaimRunning(LedgerError):
    """The first call with this Idempotency-Key has not ended."""


class ClaimOfOtherBody(LedgerError):
    """This Idempotency-Key was used with another body in the last 24 hours."""
