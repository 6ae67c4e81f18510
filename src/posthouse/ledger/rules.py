"""What a transfer may be, and how much a call still owes. Pure."""

from typing import Literal

import msgspec

from posthouse.kernel.money import NANOS_MAX
from posthouse.kernel.problems import UnfitValue

CreditKind = Literal["topup", "promotion", "correction"]
DebitKind = Literal["refund", "correction"]
TransferKind = Literal["topup", "promotion", "correction", "refund"]

REASON_CHARS_MAX = 500
IDEMPOTENCY_CHARS_MAX = 200
BALANCE_NANOS_MAX = NANOS_MAX // 2  # so that no sum of two amounts leaves 64 bits

# The other side of a member's transfer. Their balances go below zero: what came in from outside.
COUNTERPARTS: dict[TransferKind, tuple[str, str]] = {  # kind of transfer -> ledger account: id, kind
    "topup": ("cash_in:operator", "cash_in"),
    "refund": ("cash_in:operator", "cash_in"),
    "promotion": ("promotion", "promotion"),
    "correction": ("correction", "correction"),
}


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of money, `debit` to `credit`; both are ids of ledger accounts."""

    id: str
    debit: str
    credit: str
    amount_nanos: int
    kind: TransferKind
    reason: str
    idempotency_key: str
    actor: str
    created_ms: int

    def same_as(self, other: "Transfer") -> bool:
        """Whether both ask for the same movement."""
        return (self.debit, self.credit, self.amount_nanos, self.kind) == (
            other.debit,
            other.credit,
            other.amount_nanos,
            other.kind,
        )


def check_transfer(transfer: Transfer) -> None:
    """Raises UnfitValue, naming what is wrong."""
    if not 0 < transfer.amount_nanos <= BALANCE_NANOS_MAX:
        raise UnfitValue("amount", "amount_bounds")
    if not transfer.reason.strip() or len(transfer.reason) > REASON_CHARS_MAX:
        raise UnfitValue("reason", "text_length", min_length=1, max_length=REASON_CHARS_MAX)
    if not 0 < len(transfer.idempotency_key) <= IDEMPOTENCY_CHARS_MAX:
        raise UnfitValue("idempotency_key", "text_length", min_length=1, max_length=IDEMPOTENCY_CHARS_MAX)


def due(charge_nanos: int, *, charged_nanos: int, completed: int) -> int:
    """What a repeated call with the same Idempotency-Key still owes: nothing once one was completed, else
    what its answer costs above what its broken-off forerunners were charged."""
    return 0 if completed else max(0, charge_nanos - charged_nanos)


def share_of(free_nanos: int, *, alone: bool, wanted_nanos: int) -> int:
    """How much of a free balance one process takes: all when it is alone, else half, so that the next finds
    some too without asking, or what its call needs."""
    return free_nanos if alone else min(free_nanos, max((free_nanos + 1) // 2, wanted_nanos))
