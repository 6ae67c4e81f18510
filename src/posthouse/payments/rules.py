"""What orders, redemption codes and invoices may be, and what a redemption code looks like. Pure."""

import hashlib
import re
import zlib
from datetime import datetime, tzinfo
from typing import Literal

import msgspec

from posthouse.kernel.money import NANOS, format_nanos
from posthouse.kernel.periods import DAY_MS, Span, span_at
from posthouse.kernel.problems import UnfitValue
from posthouse.ledger.rules import BALANCE_NANOS_MAX, IDEMPOTENCY_CHARS_MAX
from posthouse.payments.errors import MistypedCode

OrderStatus = Literal["open", "expired", "paid", "cancelled"]
CodeKind = Literal["topup", "promotion"]
InvoiceStatus = Literal["open", "issued", "declined"]

CENT_NANOS = NANOS // 100  # nobody can pay less
ORDER_MS = 3 * DAY_MS  # a bank transfer takes so long; an order that is over can still be marked paid
OPEN_ORDERS_MAX = 5  # of one account: the operator looks at each
OPEN_INVOICES_MAX = 5  # the same
TEXT_CHARS_MAX = 200  # names, notes, references: one line
DETAILS_CHARS_MAX = 1_000  # an address and a bank account, several lines
BATCH_CODES_MAX = 10_000  # one answer holds them all: 400 KB
CODE_BITS = 128

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no letter reads as a digit
_READ_AS = str.maketrans("OIL", "011")
_BODY_CHARS, _CHECK_CHARS, _GROUP_CHARS = 26, 4, 5  # 130 bits, 20 bits; 6 groups
_HINT_CHARS = 4
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
# How the idempotency keys begin that no transfer has but the one of an order, a code, a reward.
_SOURCES = {"order:ord_": "order", "code:bat_": "code", "referral:acc_": "referral"}


class Rewards(msgspec.Struct, frozen=True):
    """What an invited member's first top-up brings, to the inviter and to the invited."""

    inviter_nanos: int = 0
    invited_nanos: int = 0


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a member wants to pay. `reference`: how it was paid, or why it was cancelled."""

    id: str
    account_id: str
    email: str
    amount_nanos: int
    status: OrderStatus
    note: str
    reference: str
    created_ms: int
    expires_ms: int
    closed_ms: int | None
    closed_by: str
    transfer_id: str | None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Codes of one kind. Those that are left can be redeemed until it expires or is withdrawn."""

    id: str
    name: str
    kind: CodeKind
    amount_nanos: int
    count: int
    redeemed: int
    per_account_max: int | None
    expires_ms: int | None
    withdrawn_ms: int | None
    created_ms: int
    created_by: str

    def is_over(self, now_ms: int) -> bool:
        """Whether none of it can be redeemed any more."""
        return self.withdrawn_ms is not None or (self.expires_ms is not None and self.expires_ms <= now_ms)


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a member wants invoiced. `number`: of the issued invoice; `reason`: why it was declined."""

    id: str
    account_id: str
    email: str  # where it is sent to
    amount_nanos: int
    title: str
    tax_number: str
    details: str
    status: InvoiceStatus
    number: str
    reason: str
    created_ms: int
    closed_ms: int | None
    closed_by: str


def order_status(status: str, expires_ms: int, now_ms: int) -> OrderStatus:
    """How an order stands: an open one whose time is over has expired."""
    if status == "open" and expires_ms <= now_ms:
        return "expired"
    known: OrderStatus = msgspec.convert(status, OrderStatus)
    return known


def code_of(number: int) -> str:
    """The code of a number below 2^128, "7H3K9-…": 26 characters and 4 of a checksum, in groups of 5."""
    body = _base32(number, _BODY_CHARS)
    code = body + _check_of(body)
    return "-".join(code[at : at + _GROUP_CHARS] for at in range(0, len(code), _GROUP_CHARS))


def parse_code(text: str) -> str:
    """A code as somebody typed it, without its dashes: case, blanks and letters that read as digits don't
    matter. Raises MistypedCode; that costs no look-up."""
    code = re.sub(r"[\s‐‑–—-]", "", text.upper()).translate(_READ_AS)
    body, check = code[:_BODY_CHARS], code[_BODY_CHARS:]
    if not (set(code) <= set(_ALPHABET) and len(body) == _BODY_CHARS and check == _check_of(body)):
        raise MistypedCode
    return code


def code_hash(code: str) -> bytes:
    """What is stored of a parsed code: SHA-256 of it (128 random bits need no slow hash)."""
    return hashlib.sha256(code.encode()).digest()


def code_hint(code: str) -> str:
    """Enough of a code to recognise it by, far too little to guess it: "…9XQ2"."""
    return f"…{code[-_HINT_CHARS:]}"


def check_order_amount(amount_nanos: int, *, min_nanos: int, max_nanos: int) -> None:
    """Raises UnfitValue for an amount that nobody can pay, or that the operator takes no order of."""
    check_amount(amount_nanos)
    if amount_nanos % CENT_NANOS:
        raise UnfitValue("amount", "cents")
    if not min_nanos <= amount_nanos <= max_nanos:
        raise UnfitValue("amount", "between", min=format_nanos(min_nanos), max=format_nanos(max_nanos))


def check_amount(amount_nanos: int, field: str = "amount") -> None:
    """Raises UnfitValue."""
    if not 0 < amount_nanos <= BALANCE_NANOS_MAX:
        raise UnfitValue(field, "amount_bounds")


def check_batch(*, count: int, per_account_max: int | None, expires_ms: int | None, now_ms: int) -> None:
    """Raises UnfitValue."""
    if not 0 < count <= BATCH_CODES_MAX:
        raise UnfitValue("count", "between", min=1, max=BATCH_CODES_MAX)
    if per_account_max is not None and per_account_max < 1:
        raise UnfitValue("per_account_max", "greater_than_equal", ge=1)
    if expires_ms is not None and expires_ms <= now_ms:
        raise UnfitValue("expires_ms", "past")


def parse_text(text: str, field: str, *, needed: bool = False, chars_max: int = TEXT_CHARS_MAX) -> str:
    """A text without blanks around it. Raises UnfitValue."""
    text = text.strip()
    if len(text) > chars_max or (needed and not text):
        raise UnfitValue(field, "text_length", min_length=int(needed), max_length=chars_max)
    return text


def check_own_key(idempotency_key: str) -> None:
    """An operator's own idempotency key is none that orders, codes or rewards use for themselves. Raises
    UnfitValue."""
    if source_of(idempotency_key) != "operator" or len(idempotency_key) > IDEMPOTENCY_CHARS_MAX:
        raise UnfitValue("idempotency_key", "own_key")


def source_of(idempotency_key: str) -> str:
    """What a transfer came from: "order", "code", "referral", or the "operator"."""
    for prefix, source in _SOURCES.items():
        if idempotency_key.startswith(prefix):
            return source
    return "operator"


def invoiceable(paid_nanos: int, invoiced_nanos: int) -> int:
    """What may still be invoiced: what was paid and not paid back, less what was; a refund after the invoice
    leaves nothing."""
    return max(0, paid_nanos - invoiced_nanos)


def month_span(month: str, zone: tzinfo) -> Span:
    """When a month such as "2026-11" starts and ends in a time zone. Raises UnfitValue."""
    match = _MONTH.fullmatch(month)
    if match is None or not 1970 <= int(match[1]) < 9999:
        raise UnfitValue("month", "month")
    within = datetime(int(match[1]), int(match[2]), 15, tzinfo=zone)
    return span_at("month", int(within.timestamp()) * 1000, zone)


def _base32(number: int, chars: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (chars - 1), -1, -5))


def _check_of(body: str) -> str:
    """The last 20 bits of a CRC-32: one wrong character in a million passes."""
    return _base32(zlib.crc32(body.encode()) & 0xFFFFF, _CHECK_CHARS)
