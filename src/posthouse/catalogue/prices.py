"""Price lines of what an operator sets outright. Pure."""

from collections.abc import Iterator

from posthouse.catalogue.rules import EACH, PriceDef
from posthouse.kernel.money import parse_nanos
from posthouse.metering.prices import PriceLine


def own_lines(prices: tuple[PriceDef, ...]) -> tuple[PriceLine, ...]:
    """Price lines of amounts in the operator's own currency; an image has a component for each size."""
    return tuple(line for one in prices for line in _lines(one))


def _lines(one: PriceDef) -> Iterator[PriceLine]:
    details = [":".join(filter(None, ("", size, one.quality))) for size in one.sizes or ("",)]
    for component, amount in one.components.items():
        nanos = parse_nanos(amount)
        if component not in EACH:
            nanos *= 1000 if one.per == "1k" else 1
            yield PriceLine(component, "1M tokens", nanos, one.prompt_tokens_over, one.service_tier)
            continue
        for detail in details if component == "image" else ("",):
            yield PriceLine(component + detail, "each", nanos, one.prompt_tokens_over, one.service_tier)
