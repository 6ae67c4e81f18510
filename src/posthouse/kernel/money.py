"""Money is an int of nanos: 10^-9 of the operator's currency. There is no float anywhere near it."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

NANOS = 1_000_000_000
PER_MILLION = 1_000_000

# Largest amount one transfer may move: 9.2e9 units of currency, what a signed 64-bit column holds.
NANOS_MAX = 2**63 - 1


def parse_nanos(text: str) -> int:
    """Nanos of a decimal amount such as "12.5"; ValueError when it is no number or finer than a nano."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount") from None
    if not amount.is_finite():
        raise ValueError(f"{text!r} is not an amount")
    nanos = Fraction(amount) * NANOS
    if nanos.denominator != 1:
        raise ValueError(f"{text!r} is finer than a billionth")
    if abs(nanos.numerator) > NANOS_MAX:
        raise ValueError(f"{text!r} is too large")
    return nanos.numerator


def parse_ratio(text: str) -> Fraction:
    """The exact ratio that "0.8", "7.2" or "1/7" names; raises ValueError for anything else or below zero."""
    try:
        ratio = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is not a ratio") from None
    if ratio < 0:
        raise ValueError(f"{text!r} is negative")
    return ratio


def format_nanos(nanos: int, *, places_min: int = 2) -> str:
    """Exact decimal text of an amount: no digit lost, trailing zeros cut down to `places_min` places."""
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    whole, fraction = divmod(nanos, NANOS)
    digits = f"{fraction:09d}".rstrip("0").ljust(places_min, "0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
