"""Price lines of what an operator sets outright. Pure."""

from collections.abc import Iterator

from posthouse.catalogue.rules import EACH, PriceDef
from posthouse.kernel.money import parse_nanos
from posthouse.metering.prices import PriceLine


def own_lines(prices: tuple[PriceDef, ...]) -> tuple[PriceLine, ...]:
    """Price lines of amounts in the operator's own currency; an image has a component for each size."""
    return tuple(line for one in prices for line in _lines(one))


def _lines(one: PriceDef) -> Iterator[PriceLine]:
    for component, amount in one.components.items():
        nanos = parse_nanos(amount)
        if component not in EACH:
            nanos *= 1000 if one.per == "1k" else 1
            yield PriceLine(component, "1M tokens", nanos, one.prompt_tokens_over, one.service_tier)
            continue
        for size in one.sizes or ("",):  # as the official list names them: image:1024x1024:hd
            name = ":".join(filter(None, (component, size, one.quality)))
            yield PriceLine(name, "each", nanos, one.prompt_tokens_over, one.service_tier)
