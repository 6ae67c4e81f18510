"""How a charge came about, line by line, for who wants to check it."""

from collections.abc import Mapping

from msgspec import Struct

from posthouse.kernel.money import PER_MILLION
from posthouse.metering.prices import PriceLine, Tariff


class PricedQuantity(Struct, frozen=True):
    """So much of one component, the price line that applies to it (None: it has no price), and what that
    makes in millionths of a nano, exactly."""

    component: str
    quantity: int
    line: PriceLine | None
    micronanos: int


class Arithmetic(Struct, frozen=True):
    """The lines of a charge; `micronanos` is their exact sum, `nanos` that rounded up once."""

    lines: tuple[PricedQuantity, ...]
    micronanos: int
    nanos: int


def arithmetic(
    tariff: Tariff, quantities: Mapping[str, int], *, prompt_tokens: int, service_tier: str
) -> Arithmetic:
    """How `tariff.charge` comes to its sum."""
    lines = []
    for component, quantity in quantities.items():
        priced = tariff.charge(
            {component: quantity}, prompt_tokens=prompt_tokens, service_tier=service_tier
        ).lines
        line = priced[0] if priced else None
        micronanos = quantity * line.micronanos if line else 0
        lines.append(PricedQuantity(component, quantity, line, micronanos))
    exact = sum(line.micronanos for line in lines)
    return Arithmetic(tuple(lines), exact, -(-exact // PER_MILLION))


def format_micronanos(micronanos: int) -> str:
    """Exact decimal text of an amount above or at zero, to 15 places: "0.000000000000150"."""
    digits = f"{micronanos:016d}"
    return f"{digits[:-15]}.{digits[-15:]}"
