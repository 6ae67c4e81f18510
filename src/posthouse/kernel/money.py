"""Money is an int of nanos: 10^-9 of the operator's currency. There is no float anywhere near it."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

from posthouse.kernel.problems import UnfitValue

NANOS = 1_000_000_000
PER_MILLION = 1_000_000

# Largest amount one transfer may move: 9.2e9 units of currency, what a signed 64-bit column holds.
NANOS_MAX = 2**63 - 1


def parse_nanos(text: str) -> int:
    """Nanos of a decimal amount such as "12.5"; raises UnfitValue for no number, or one finer than a nano."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise UnfitValue("", "not_an_amount", text=text) from None
    if not amount.is_finite():
        raise UnfitValue("", "not_an_amount", text=text)
    nanos = Fraction(amount) * NANOS
    if nanos.denominator != 1:
        raise UnfitValue("", "amount_too_fine", text=text)
    if abs(nanos.numerator) > NANOS_MAX:
        raise UnfitValue("", "amount_too_large", text=text)
    return nanos.numerator


def parse_ratio(text: str) -> Fraction:
    """The exact ratio that "0.8", "7.2" or "1/7" names; raises UnfitValue for anything else or below zero."""
    try:
        ratio = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UnfitValue("", "not_a_ratio", text=text) from None
    if ratio < 0:
        raise UnfitValue("", "negative_ratio", text=text)
    return ratio


def format_nanos(nanos: int, *, places_min: int = 2) -> str:
    """Exact decimal text of an amount: no digit lost, trailing zeros cut down to `places_min` places."""
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    whole, fraction = divmod(nanos, NANOS)
    digits = f"{fraction:09d}".rstrip("0").ljust(places_min, "0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
